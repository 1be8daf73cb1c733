"""Append whole lines to a file that other processes append to, and that the supervisor renames away when it is full.

A line is never torn: lines leave in one `write` on an O_APPEND descriptor. At most half a second of them waits in
memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

HOLD_SECONDS = 0.5
_HOLD_BYTES = 64 << 10

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function once after so many seconds, on the caller's thread: `loop.call_later` fits."""


class LineFile:
    """One log file of this process. Used from one thread."""

    __slots__ = ("_descriptor", "_held", "_later", "_path", "_size", "lost")

    def __init__(self, path: Path, later: Later | None = None) -> None:
        """Without `later` every line is written at once."""
        self._path = path
        self._later = later
        self._descriptor = -1
        self._held: list[bytes] = []
        self._size = 0
        self.lost = 0  # lines that could not be written: the disk is full, the folder is gone

    def append(self, line: bytes) -> None:
        """Add a line, which ends with its newline. Does not raise, for a log that fails must not stop the service."""
        self._held.append(line)
        self._size += len(line)
        if self._later is None or self._size > _HOLD_BYTES:
            self.flush()
        elif len(self._held) == 1:
            self._later(HOLD_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        held, self._held, self._size = self._held, [], 0
        data = b"".join(held)
        try:
            self._reopen()
            written = os.write(self._descriptor, data)
        except OSError as error:
            self._tell(len(held), error)
        else:
            self.lost += data[written:].count(b"\n")

    def close(self) -> None:
        """Write what is held and let go of the file."""
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _reopen(self) -> None:
        """Open the file, again if another one has taken its name; one `stat` for each flush."""
        if self._descriptor >= 0:
            try:
                named, ours = self._path.stat(), os.fstat(self._descriptor)
            except FileNotFoundError:
                named, ours = None, None
            if named and ours and (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev):
                return
            os.close(self._descriptor)
            self._descriptor = -1
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _tell(self, lines: int, error: OSError) -> None:
        if not self.lost:
            with suppress(OSError, ValueError):  # nobody reads stderr either, or it is a file on the same disk
                sys.stderr.write(f"{self._path}: {error.strerror}; lines are lost\n")
        self.lost += lines
