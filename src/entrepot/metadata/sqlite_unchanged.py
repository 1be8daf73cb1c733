"""Rows that were read before, for as long as nothing was committed since.

Every commit, by any process, changes the header of the WAL index, which SQLite keeps in shared memory beside the database
(https://sqlite.org/walformat.html, 2.3.1). We map that file and compare: 48 equal bytes mean that a query would see what it
saw before. That costs a tenth of a microsecond, where a query costs some twenty beside a busy thread: each of its steps
lets go of the interpreter.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_HEADER: Final = 48  # bytes
_MOST: Final = 4096  # answers
_SEVERAL: Final = 16  # rows of one answer
_LARGEST: Final = 4096  # bytes of one value


Rows = Sequence[Sequence[Any]]


class WalIndex:
    """The header of one database's WAL index, mapped.

    POSIX drops all locks of a process on a file as soon as it closes any descriptor of it, and SQLite's are among them: so
    the file is opened once in a process, and closed when the last database object over it has closed its connections.
    """

    _mapped: Final[dict[Path, WalIndex]] = {}

    def __init__(self, file: Path) -> None:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._map = mmap.mmap(descriptor, _HEADER, prot=mmap.PROT_READ)
        self._descriptor = descriptor
        self._file = file
        self._users = 0

    @classmethod
    def of(cls, file: Path) -> WalIndex:
        """Return the index of a database that a connection of this process has read from. To be released after that closed."""
        known = cls._mapped.get(file)
        if known is None:
            known = cls._mapped[file] = cls(file)
        known._users += 1
        return known

    def release(self) -> None:
        """Let go, once no connection is open that came with this use."""
        self._users -= 1
        if not self._users:
            del self._mapped[self._file]
            self._map.close()
            os.close(self._descriptor)

    def header(self) -> bytes:
        """Return the header: equal to an earlier one when nothing was committed in between."""
        return self._map[:_HEADER]


class Unchanged:
    """Remember rows until the next commit. Used on one thread."""

    def __init__(self, file: Path) -> None:
        self._index = WalIndex.of(file)
        self._header = b""
        self._found: dict[object, Rows] = {}

    def get(self, key: object) -> Rows | None:
        """Return the rows that were remembered; None when they are to be read, and then may be put."""
        header = self._index.header()
        if header != self._header:
            self._found.clear()
            self._header = header
            return None
        return self._found.get(key)

    def put(self, key: object, rows: Rows) -> None:
        """Remember rows, which nobody may change, unless they are large or many."""
        if len(rows) > _SEVERAL or any(_is_large(value) for row in rows for value in row):
            return
        if len(self._found) >= _MOST:
            self._found.clear()
        self._found[key] = rows

    def close(self) -> None:
        """Release the index."""
        self._index.release()


def _is_large(value: object) -> bool:
    return isinstance(value, (str, bytes)) and len(value) > _LARGEST
