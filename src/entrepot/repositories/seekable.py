"""A blob as a file that is read from anywhere, for readers that block and want a part of it: those of archives."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_AHEAD: Final = 4 << 20  # bytes of one request to the store: its latency counts, and readers seldom go back


class _Ranges(io.RawIOBase):
    """Bytes that the loop fetches for a thread, which waits for them: so it must not be read on the loop."""

    def __init__(self, span: Callable[[int, int], AsyncIterator[bytes]], size: int) -> None:
        self._span = span
        self._size = size
        self._at = 0
        self._loop = asyncio.get_running_loop()

    def readable(self) -> bool:
        """See io.IOBase."""
        return True

    def seekable(self) -> bool:
        """See io.IOBase."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See io.IOBase."""
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise ValueError(offset)
        self._at = at
        return at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See io.RawIOBase. Raises what reading the blob does."""
        into = memoryview(buffer)
        stop = min(self._at + len(into), self._size)
        if stop <= self._at:
            return 0
        data = asyncio.run_coroutine_threadsafe(self._fetch(self._at, stop), self._loop).result()
        into[: len(data)] = data
        self._at += len(data)
        return len(data)

    async def _fetch(self, start: int, stop: int) -> bytes:
        return b"".join([chunk async for chunk in self._span(start, stop)])


def seekable(span: Callable[[int, int], AsyncIterator[bytes]], size: int) -> io.BufferedReader:
    """Return a file over what `span(start, stop)` yields; it may be read on threads other than that of this loop."""
    return io.BufferedReader(_Ranges(span, size), _AHEAD)
