"""The one way by which bytes enter: stream them into a driver while their checksums are computed.

One upload holds two buffers: while threads hash and write the one, the other is received. Whoever sends faster than
they work is held back, because nothing is read from its body meanwhile.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.blobs.contract import StoreUnavailable, TooManyUploads
from entrepot.blobs.digest import Checksums
from entrepot.blobs.streams import take
from entrepot.blobs.threads import HASHING, Lane, settled
from entrepot.errors import TooLarge

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable

    from entrepot.blobs.contract import Driver

INLINE_LIMIT = 16_384
"""Bytes: bodies up to here are kept in the database (manifests, configs), and cost no object and no fsync."""

_BUFFER = 1 << 20  # bytes per thread hop: the hop costs below 5 % of hashing it
_CROWD = 32  # uploads: beyond, each gets smaller buffers, so that all together hold no more
_SMALL_BUFFER = 1 << 18
_MOST = 256  # uploads streaming into drivers at once, per process


class Hashes:
    """Running checksums of a body: sha256, sha1 and md5 always, sha512 only when asked for.

    Not safe for concurrent updates. The states live in this process only; another one uses `rehash`.
    """

    __slots__ = ("_states",)

    def __init__(self, *, sha512: bool = False) -> None:
        names = ("sha256", "sha1", "md5", "sha512") if sha512 else ("sha256", "sha1", "md5")
        self._states = {name: hashlib.new(name, usedforsecurity=False) for name in names}

    @classmethod
    def none(cls) -> Hashes:
        """Return what computes nothing, for a part of something whose checksums are found when it is whole."""
        empty = cls()
        empty._states = {}
        return empty

    @classmethod
    def proof(cls) -> Hashes:
        """Return what computes sha256 only, to compare stored bytes with their digest; ask it for `sha256`."""
        alone = cls()
        alone._states = {"sha256": alone._states["sha256"]}
        return alone

    @property
    def sha256(self) -> bytes:
        """That of what was added."""
        return self._states["sha256"].digest()

    def update(self, buffer: bytes) -> None:
        """Add the bytes that follow. Takes 2 ms of CPU per MiB; more than a few KiB belong on a thread."""
        for state in self._states.values():
            state.update(buffer)

    def copy(self) -> Hashes:
        """Return an independent copy, with which an upload may go on or fail."""
        twin = Hashes()
        twin._states = {name: state.copy() for name, state in self._states.items()}
        return twin

    def checksums(self, size: int) -> Checksums:
        """Return the checksums of what was added, which the caller knows to be `size` bytes."""
        raw = {name: state.digest() for name, state in self._states.items()}
        return Checksums(raw["sha256"], raw["sha1"], raw["md5"], raw.get("sha512"), size)


@dataclass(frozen=True, slots=True)
class Received:
    """Where a body of `size` bytes is: durably under `key`, or, when small, `inline` and the caller's to keep."""

    size: int
    key: str | None
    inline: bytes | None


class _Buffers:
    """The source regrouped for threads: buffers, each of which is being hashed when the driver gets it."""

    active = 0  # in this process

    def __init__(self, source: AsyncIterator[bytes], hashes: Hashes, limit: int | None, hashing: Lane) -> None:
        self._source = source
        self._hashes = hashes
        self._limit = limit
        self._hashing = hashing
        self._ready: bytes = b""
        self._ended = False
        self._hashed: asyncio.Future[None] | None = None
        self.size = 0

    async def head(self, size: int) -> bytes:
        """Return the whole body if it ends within `size` bytes; else more than that, which the iterator begins with."""
        self._ready = await self._receive(size + 1)
        return self._ready

    async def hashed(self) -> None:
        """Wait until what was handed out is in the checksums."""
        if self._hashed is not None:
            begun, self._hashed = self._hashed, None
            await settled(begun)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        wanted = (_BUFFER if _Buffers.active <= _CROWD else _SMALL_BUFFER) - len(self._ready)
        buffer = self._ready
        if wanted > 0 and not self._ended:
            buffer += await self._receive(wanted)
        self._ready = b""
        if not buffer:
            raise StopAsyncIteration
        await self.hashed()
        self._hashed = self._hashing.start(self._hashes.update, buffer)
        return buffer

    async def _receive(self, wanted: int) -> bytes:
        if self._limit is not None:
            wanted = min(wanted, self._limit - self.size + 1)
        pieces, self._ended = await take(self._source, wanted)
        self.size += sum(map(len, pieces))
        if self._limit is not None and self.size > self._limit:
            raise TooLarge(limit=self._limit)
        return b"".join(pieces)


async def ingest(
    source: AsyncIterator[bytes],
    *,
    driver: Driver,
    key: Callable[[], Awaitable[str]],
    hashes: Hashes,
    inline_limit: int = INLINE_LIMIT,
    limit: int | None,
    hashing: Lane = HASHING,
) -> Received:
    """Receive a body to its end and return where it is, with `hashes` updated by all of it.

    A body that ends within `inline_limit` bytes never touches the driver; else `key` is asked for one and the bytes
    are durable under it. Whatever is raised, or when cancelled, the caller deletes the key, if it was asked, and
    `hashes` are worthless: an upload that may go on passes a copy. Raises TooLarge beyond `limit` bytes,
    TooManyUploads, StoreUnavailable, StoreFull, and what `source` or `key` raise.
    """
    body = _Buffers(source, hashes, limit, hashing)
    head = await body.head(inline_limit)
    if len(head) <= inline_limit:
        await _add(head, hashes, hashing)
        return Received(len(head), None, head)
    if _Buffers.active >= _MOST:
        raise TooManyUploads
    _Buffers.active += 1
    try:
        return await _store(body, driver, await key())
    finally:
        _Buffers.active -= 1


async def _store(body: _Buffers, driver: Driver, key: str) -> Received:
    try:
        stored = await driver.put(key, body)
    finally:
        await body.hashed()
    if stored != body.size:
        await driver.delete(key)
        raise StoreUnavailable
    return Received(stored, key, None)


async def _add(buffer: bytes, hashes: Hashes, hashing: Lane) -> None:
    # Up to the usual inline limit hashing takes less of the loop's time (40 us) than the hop to a thread would.
    if len(buffer) <= INLINE_LIMIT:
        hashes.update(buffer)
    else:
        await hashing.run(hashes.update, buffer)


async def rehash(chunks: AsyncIterator[bytes], hashes: Hashes, *, hashing: Lane = HASHING) -> Hashes:
    """Add bytes that are stored already to `hashes` and return them. Raises what `chunks` raises."""
    body = _Buffers(chunks, hashes, None, hashing)
    try:
        async for _ in body:
            pass
    finally:
        await body.hashed()
    return hashes
