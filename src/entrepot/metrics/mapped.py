"""The library's files of counters, with room on the disk before they are written to; and many observations at once.

It extends its files by holes; touching a hole when the disk is full ends the process (SIGBUS). Without room a process counts
in memory of its own: what it counted last stays in its file, and it goes on serving.

The library has no public way to either. This module alone uses names that it does not promise to keep, and the tests of
metrics fail where a version of it no longer has them, or no longer uses what stands in their place.
"""

from __future__ import annotations

import io
import mmap
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from prometheus_client import Histogram, values
from prometheus_client.mmap_dict import MmapedDict

_BYTES = 64 << 10  # at first, as the library has it; doubled when they are used up
_HEAD = 8  # how much of the file is used
_ENTRY = 32  # most that an entry takes beside its key


class RoomyDict(MmapedDict):
    """Stands in for the library's own class."""

    _f: BinaryIO
    _m: mmap.mmap

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            with open(filename, "ab") as file:  # noqa: PTH123 - as the library does
                _take_room(file, _BYTES)
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        except OSError:
            Path(filename).unlink(missing_ok=True)  # an empty one nobody can read
            self._fname, self._capacity, self._used = filename, _BYTES, _HEAD
            self._positions: dict[str, int] = {}
            self._f, self._m = io.BytesIO(), mmap.mmap(-1, _BYTES)
            self._m[:4] = _HEAD.to_bytes(4, sys.byteorder)

    def _init_value(self, key: str) -> None:
        while self._used + len(key.encode()) + _ENTRY > self._capacity:
            self._grow(self._capacity * 2)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self, capacity: int) -> None:
        try:
            _take_room(self._f, capacity)
            self._m = mmap.mmap(self._f.fileno(), capacity)
        except OSError:  # also what a file in memory says that is asked for its number
            alone = mmap.mmap(-1, capacity)
            alone[: self._used] = self._m[: self._used]
            self._f, self._m = io.BytesIO(), alone
        self._capacity = capacity


def _take_room(file: BinaryIO, size: int) -> None:
    """Write zeros up to a size, for not every system can reserve them. Raises OSError when there is no room for all."""
    before = os.fstat(file.fileno()).st_size
    missing = bytes(max(0, size - before))
    if os.write(file.fileno(), missing) < len(missing):
        os.ftruncate(file.fileno(), before)
        raise OSError


def install() -> None:
    """Have the library use such files, from the first counter on."""
    values.MmapedDict = RoomyDict  # type: ignore[attr-defined]


def observe_all(child: Histogram, counts: Sequence[int], total: float) -> None:
    """Add what was observed: how often in each bucket, and the sum; in public it takes one observation at a time."""
    for place, count in enumerate(counts):
        if count:
            child._buckets[place].inc(count)  # noqa: SLF001 - see the module
    child._sum.inc(total)  # noqa: SLF001 - see the module
