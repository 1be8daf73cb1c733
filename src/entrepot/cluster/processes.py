"""The processes that a supervisor runs: how each is started, what it has said, when it may be started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from entrepot.cluster.channel import FAILED, NOTE, READY
from entrepot.cluster.home import METRICS

_STEADY = 10.0  # seconds alive, after which a death is an accident and no longer a pattern
_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds before a start that follows several early deaths
_TOLD = 8192


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: the arguments after `python`, and what the process is called in logs."""

    name: str
    arguments: tuple[str, ...]


class Process:
    """One place in the node's line-up, which a process fills; when that dies another takes its place."""

    def __init__(
        self, program: Program, settings: Path, *, listeners: Sequence[socket.socket] = (), ports: Sequence[int] = ()
    ) -> None:
        self.program = program
        self.is_ready = False
        self.failure = ""
        self.notes: dict[str, str] = {}  # by subject
        self.silent_looks = 0  # of the supervisor, since it was started or last said something
        self._settings = settings
        self._listeners = list(zip(listeners, ports, strict=True))
        self._popen: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._heard = b""  # of a line whose end has not come yet
        self._born = 0.0
        self._early_deaths = 0
        self.start_at = 0.0

    @property
    def pid(self) -> int:
        """The process, 0 when there is none."""
        return self._popen.pid if self._popen else 0

    @property
    def status(self) -> int | None:
        """The exit status once it has ended: negative for a signal. None while it runs, or when none was started."""
        return self._popen.poll() if self._popen else None

    @property
    def channel(self) -> socket.socket | None:
        """What it speaks on, to be watched."""
        return self._channel

    def start(self) -> None:
        """Start the process. Raises OSError when the system cannot; that counts as an early death."""
        self._born = time.monotonic()
        try:
            self._popen, self._channel = self._spawned()
        except OSError:
            self._plan_next()
            raise
        self.is_ready, self.failure, self.notes, self.silent_looks = False, "", {}, 0
        self._heard = b""

    def _spawned(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        listen = ",".join(f"{listener.fileno()}:{port}" for listener, port in self._listeners)
        words = ["--settings", str(self._settings), "--channel", str(theirs.fileno()), "--listen", listen]
        with theirs:
            try:
                popen = subprocess.Popen(  # noqa: S603 - our own programs
                    [sys.executable, *self.program.arguments, *words],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), *(listener.fileno() for listener, _ in self._listeners)],
                    env=_environment(self._settings.parent),
                )
            except OSError:
                ours.close()
                raise
        return popen, ours

    def hear(self) -> None:
        """Take in what it said on its channel."""
        if self._channel is None:
            return
        try:
            told = self._channel.recv(_TOLD)
        except BlockingIOError:
            return
        except ConnectionError:
            told = b""
        if told:
            self.silent_looks = 0
        *lines, self._heard = (self._heard + told).split(b"\n")
        for line in lines:
            self.is_ready = self.is_ready or line == READY
            if line.startswith(FAILED):
                self.failure = line.removeprefix(FAILED).decode(errors="replace")
            elif line.startswith(NOTE):
                subject, _, text = line.removeprefix(NOTE).decode(errors="replace").partition(" ")
                self.notes[subject] = text

    def bury(self) -> None:
        """Note the death of the process: when the next may start."""
        self.hear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self._popen = None
        self._plan_next()

    def _plan_next(self) -> None:
        now = time.monotonic()
        self._early_deaths = self._early_deaths + 1 if now - self._born < _STEADY else 0
        pause = _PAUSE * 2 ** (self._early_deaths - 1) if self._early_deaths else 0.0
        self.start_at = now + min(pause, _LONGEST_PAUSE)

    def let_go(self) -> None:
        """Close our hold on its sockets: nobody takes its place."""
        for listener, _ in self._listeners:
            listener.close()

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.send_signal(number)


def _environment(run_folder: Path) -> dict[str, str]:
    """Our environment without our settings, which are handed over in a file that nobody else can read.

    Two arenas: glibc makes up to eight per core, and threads that hash uploads leave each of them full of holes.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ENTREPOT_") or name.startswith("ENTREPOT_TEST_")
    }
    return {"MALLOC_ARENA_MAX": "2", **kept, "PROMETHEUS_MULTIPROC_DIR": str(run_folder / METRICS)}
