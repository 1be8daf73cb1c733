"""A small disk, to be filled: a tmpfs, which root on Linux may mount."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.presence import root_on_linux

_PAGE = 4096


@contextmanager
def small_disk(folder: Path, kibibytes: int, *, files: int = 1000) -> Iterator[Path]:
    """A new folder, a disk of its own of that size for so many files and folders, itself among them.

    Skips the test where none can be mounted.
    """
    root_on_linux("mounting a small disk")
    folder.mkdir()
    options = f"size={kibibytes}k,nr_inodes={files}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left; the file that holds it, whose removal gives it back."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while True:
            os.write(descriptor, bytes(_PAGE))
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - it is what was wanted
    finally:
        os.close(descriptor)
    return filler
