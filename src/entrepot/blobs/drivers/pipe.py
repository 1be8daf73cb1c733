"""Hand chunks from the task that receives them to a library that asks for them in a task of its own.

So the source is read, cancelled and failed in its caller's task only, whatever the library does.
"""

from __future__ import annotations

import asyncio
from typing import Self

_AHEAD = 2  # chunks given and not yet taken


class Pipe:
    """An asynchronous iterator over what is given, until `end`."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD)
        self.closed = False

    async def give(self, chunk: bytes) -> None:
        """Pass a chunk on, as soon as there is room; at once when nobody takes any more."""
        if not self.closed:
            await self._room.acquire()
            self._chunks.put_nowait(chunk)

    def end(self) -> None:
        """Let the iterator end after what was given."""
        self._chunks.put_nowait(None)

    def close(self) -> None:
        """Note that nobody takes any more."""
        self.closed = True
        self._room.release()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._chunks.get()
        if chunk is None:
            raise StopAsyncIteration
        self._room.release()
        return chunk
