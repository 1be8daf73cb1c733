"""Reads of any size, at the speed of the database and not at that of whoever takes the rows.

A client may take minutes over an answer. Were the cursor read no faster, it would keep a connection (PostgreSQL), or a
read transaction over which the write-ahead log grows (SQLite), for as long. So a task reads it to its end into a
temporary file, and the rows are taken from there: still all of one moment. Only when the files of a process are too large
together does a cursor wait for its reader. Few are read at once, so that connections are left for everybody else.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from entrepot.errors import TooMany
from entrepot.metadata.database import DatabaseUnavailable, Row

_AT_ONCE = 8  # cursors that are read, at most
_PATIENCE = 10.0  # seconds that others wait
_MOST = 1 << 30  # bytes of all files of a process

_BATCH: msgspec.msgpack.Decoder[Sequence[Row]] = msgspec.msgpack.Decoder(list[tuple[Any, ...]])


class Streams:
    """Read cursors for whoever takes their rows. One per database; half of its `connections` are left for everybody else."""

    def __init__(self, connections: int = 2 * _AT_ONCE) -> None:
        self._places = asyncio.Semaphore(max(1, min(_AT_ONCE, connections // 2)))
        self._open: set[_Ahead] = set()

    async def read(self, cursor: AsyncGenerator[Sequence[Row], None]) -> AsyncGenerator[Sequence[Row], None]:
        """Yield what a cursor yields. Raises TooMany before that, DatabaseUnavailable, and what the cursor raises."""
        await self._enter()
        try:
            ahead = _Ahead()
        except OSError as error:
            self._places.release()
            raise DatabaseUnavailable("There is no room to search in: {reason}.", reason=error) from error
        self._open.add(ahead)
        reading = asyncio.create_task(self._fill(cursor, ahead))
        reading.add_done_callback(lambda _: self._places.release())
        reading.add_done_callback(lambda _: ahead.changed.set())
        try:
            while ahead.batches or not reading.done():
                if ahead.batches:
                    batch = await asyncio.to_thread(ahead.take)
                    ahead.changed.set()
                    yield batch
                else:
                    await ahead.change()
            await reading
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.exception()
            self._open.discard(ahead)
            ahead.close()

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            raise TooMany(seconds=5) from None

    async def _fill(self, cursor: AsyncGenerator[Sequence[Row], None], ahead: _Ahead) -> None:
        async with aclosing(cursor):
            async for batch in cursor:
                while ahead.batches and sum(one.size for one in self._open) >= _MOST:
                    await ahead.change()
                try:
                    await asyncio.to_thread(ahead.put, batch)
                except OSError as error:
                    raise DatabaseUnavailable("There is no room to search in: {reason}.", reason=error) from error
                ahead.changed.set()


class _Ahead:
    """The batches that were read and not yet taken, in a file. They are put and taken on threads, in any interleaving."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.batches: deque[int] = deque()  # their sizes
        self.size = 0
        self._taken = 0  # bytes
        self._lock = threading.Lock()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it

    async def change(self) -> None:
        self.changed.clear()
        await self.changed.wait()

    def put(self, batch: Sequence[Row]) -> None:
        packed = msgspec.msgpack.encode([tuple(row) for row in batch])
        with self._lock:
            self._file.seek(self.size)
            self._file.write(packed)
            self._file.flush()
            self.size += len(packed)
            self.batches.append(len(packed))

    def take(self) -> Sequence[Row]:
        with self._lock:
            self._file.seek(self._taken)
            packed = self._file.read(self.batches[0])
            self._taken += self.batches.popleft()
            if not self.batches:
                self._file.truncate(0)
                self.size = self._taken = 0
        return _BATCH.decode(packed)

    def close(self) -> None:
        with self._lock:  # of a thread that is still at it when its task was cancelled
            self._file.close()
