"""What a process does whose supervisor was killed before it was ready."""

import socket
import subprocess
import sys

import pytest

SPEAKING = """
import socket, sys
from entrepot.cluster.child import Child
child = Child(None, socket.socket(fileno=int(sys.argv[1])))
{word}
"""


@pytest.mark.parametrize("word", ["child.ready()", "child.ready({'8082': 'docker'})", "child.failed('no room')"])
def test_a_process_whose_supervisor_is_gone_when_it_would_speak_ends_with_one_line(word: str) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        argv = [sys.executable, "-c", SPEAKING.format(word=word), str(theirs.fileno())]
        done = subprocess.run(
            argv, pass_fds=[theirs.fileno()], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 70
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("entrepot: process ")
    assert line.endswith(" ends: its supervisor is gone")
