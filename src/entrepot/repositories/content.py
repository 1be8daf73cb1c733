"""Bytes on the way out: where a blob's bytes are, and the reply that sends them.

Where bytes are does not change while a blob lives, so it is remembered by blob id (ids are never reused), and asked again when
they are not there, or when some that were lost or damaged have been given up or replaced, which is counted.
Whether a caller may name the blob is asked of the database each time, before this.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import IO

from entrepot.blobs.contract import BlobMissing, Driver, StoreUnavailable
from entrepot.blobs.threads import ARCHIVES
from entrepot.errors import Unavailable
from entrepot.messages import FileSpan, Reply
from entrepot.metadata.blob_rows import Stored, locate
from entrepot.metadata.database import Reads
from entrepot.metadata.objects import Piece
from entrepot.repositories.seekable import seekable

_REMEMBERED = 8192  # blobs
_REMEMBERED_BYTES = 16 << 20  # of inline bodies
_ASKED = 100  # objects of one blob that are asked for; the inspections see the others


class BytesLost(Unavailable):
    """The bytes of {digest} are missing from the blob store. Push them again, if need be after a `gc --repair` of an administrator."""


def lost(stored: Stored) -> BytesLost:
    """Return the error of a blob whose bytes are not where they should be; the log is told which object that was."""
    error = BytesLost(digest=stored.digest)
    error.__cause__ = BlobMissing(key=", ".join(piece.key for piece in stored.pieces[:5]) or "none, they were given up")
    return error


class Content:
    """Find and send the bytes of blobs. One per process."""

    def __init__(self, reads: Reads, driver: Driver, moved: Callable[[], int] = lambda: 0) -> None:
        """`moved` counts up when bytes of some blobs were given up or replaced."""
        self._moved = moved
        self._as_of = moved()
        self._reads = reads
        self._driver = driver
        self._known: OrderedDict[int, Stored] = OrderedDict()
        self._held = 0

    async def find(self, blob_id: int) -> Stored | None:
        """Return where a blob's bytes are; None when the blob is gone."""
        if self._as_of != (moved := self._moved()):
            self._as_of = moved
            self.forget()
        known = self._known.get(blob_id)
        if known is not None:
            self._known.move_to_end(blob_id)
            return known
        stored = await locate(self._reads, blob_id)
        if stored is not None and (stored.inline is not None or len(stored.pieces) == 1):
            self._remember(stored)
        return stored

    def fill(self, reply: Reply, stored: Stored, start: int = 0, stop: int | None = None) -> Reply:
        """Make the bytes [start, stop) the reply's payload. Raises BytesLost."""
        stop = stored.size if stop is None else stop
        reply.length = stop - start
        if stored.inline is not None:
            whole = start == 0 and stop == stored.size
            reply.body = stored.inline if whole else stored.inline[start:stop]
        elif stored.is_lost:
            raise lost(stored)
        elif len(stored.pieces) == 1 and (file := self._driver.file(stored.pieces[0].key)) is not None:
            if not os.path.exists(file):  # noqa: PTH110 - half the cost, and on the hottest path
                self._known.pop(stored.id, None)
                raise lost(stored)
            reply.file = FileSpan(file, start, stop, stored.digest)
        else:
            reply.stream = self.span(stored, start, stop)
        return reply

    async def read(self, pieces: tuple[Piece, ...], start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes [start, stop) of objects laid end to end."""
        offset = 0
        for piece in pieces:
            low, high = max(start - offset, 0), min(stop - offset, piece.size)
            if low < high:
                async for chunk in self._driver.read(piece.key, low, high):
                    yield chunk
            offset += piece.size
        if offset < stop:
            raise StoreUnavailable

    async def span(self, stored: Stored, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes [start, stop) of a blob, from where they lie now. Raises BytesLost."""
        if stored.inline is not None:
            yield stored.inline[start:stop]
            return
        if stored.is_lost:
            raise lost(stored)
        try:
            async for chunk in self.read(stored.pieces, start, stop):
                start += len(chunk)
                yield chunk
        except BlobMissing:
            async for chunk in self.span(await self._found_again(stored), start, stop):
                yield chunk

    async def opened(self, stored: Stored) -> IO[bytes]:
        """Return a blob as a seekable file, which the caller reads on a thread, and closes. Raises BytesLost.

        Nothing is copied: it is the store's own file, or one whose ranges are fetched as they are read.
        """
        path = self._driver.file(stored.pieces[0].key) if len(stored.pieces) == 1 else None
        if path is None:
            return seekable(partial(self.span, stored), stored.size)
        try:
            return await ARCHIVES.run(path.open, "rb")
        except FileNotFoundError:
            return await self.opened(await self._found_again(stored))
        except OSError as error:
            raise StoreUnavailable from error

    async def whole(self, stored: Stored, limit: int) -> bytes:
        """Return all bytes of a small blob. Raises ValueError beyond the limit, BytesLost."""
        if stored.size > limit:
            raise ValueError(stored.size)
        if stored.inline is not None:
            return stored.inline
        return b"".join([chunk async for chunk in self.span(stored, 0, stored.size)])

    async def _found_again(self, stored: Stored) -> Stored:
        """Return where the bytes are that are not where we knew them: a push may have healed the blob. Raises BytesLost."""
        self._known.pop(stored.id, None)
        now = await self.find(stored.id)
        if now is None or now.pieces == stored.pieces:
            raise lost(stored)
        return now

    async def has(self, pieces: tuple[Piece, ...]) -> bool:
        """Whether the store has these objects, in their sizes. One that cannot be asked now is taken to have them."""
        try:
            for piece in pieces[:_ASKED]:
                if await self._driver.size(piece.key) != piece.size:
                    return False
        except BlobMissing:
            return False
        except StoreUnavailable:
            return True
        return True

    def forget(self) -> None:
        """Ask anew where bytes are."""
        self._known.clear()
        self._held = 0

    def _remember(self, stored: Stored) -> None:
        if stored.id in self._known:  # two who asked at once
            return
        self._known[stored.id] = stored
        self._held += len(stored.inline or b"")
        while len(self._known) > _REMEMBERED or self._held > _REMEMBERED_BYTES:
            _, gone = self._known.popitem(last=False)
            self._held -= len(gone.inline or b"")
