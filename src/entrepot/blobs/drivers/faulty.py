"""A driver that spoils what another one does: fails, delays and truncates, repeatably for a seed.

What it does on purpose against the contract is marked so; the product must be safe with such a store too.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.blobs.contract import StoreFull, StoreUnavailable
from entrepot.blobs.drivers.probe import probe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from entrepot.blobs.contract import Driver, StoredObject

_DEEP = 4  # chunks or entries: how far a call gets at most before it fails on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How likely each fault is per call, from 0 to 1."""

    put_refused: float = 0  # StoreUnavailable before a byte is written
    put_full: float = 0  # StoreFull on the way
    put_broken: float = 0  # StoreUnavailable on the way
    put_lost: float = 0  # against the contract: all is written, but StoreUnavailable is raised
    read_refused: float = 0
    read_broken: float = 0  # StoreUnavailable on the way
    read_truncated: float = 0  # against the contract: ends early, without an error
    size_refused: float = 0
    delete_refused: float = 0  # the object stays
    delete_lost: float = 0  # the object goes, but StoreUnavailable is raised
    list_broken: float = 0
    delayed: float = 0
    longest_delay: float = 0.05  # seconds


NONE = Faults()


class Faulty:
    """Pass every call on to another driver, most of the time. See `contract.Driver`.

    `faults` may be exchanged at any time; `injected` counts what was done, by the names in Faults.
    """

    def __init__(
        self,
        inner: Driver,
        faults: Faults = NONE,
        *,
        seed: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.faults = faults
        self.injected: Counter[str] = Counter()
        self._inner = inner
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable, not to be secret
        self._sleep = sleep

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Write, or fail before, on the way, or after."""
        await self._delay()
        self._refuse("put_refused")
        for fault, error in (("put_full", StoreFull), ("put_broken", StoreUnavailable)):
            if self._strikes(fault):
                return await self._inner.put(key, _broken(chunks, self._random.randrange(_DEEP), error()))
        size = await self._inner.put(key, chunks)
        self._refuse("put_lost")
        return size

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the bytes, or some of them."""
        await self._delay()
        self._refuse("read_refused")
        breaks, truncated = self._strikes("read_broken"), self._strikes("read_truncated")
        if breaks or truncated:
            end = await self._inner.size(key) if stop is None else stop
            stop = start + self._random.randrange(max(end - start, 1))
        async for piece in self._inner.read(key, start, stop):
            yield piece
        if breaks:
            raise StoreUnavailable

    async def size(self, key: str) -> int:
        """Return the size, or fail."""
        await self._delay()
        self._refuse("size_refused")
        return await self._inner.size(key)

    async def delete(self, key: str) -> None:
        """Remove the object, or fail before or after."""
        await self._delay()
        self._refuse("delete_refused")
        await self._inner.delete(key)
        self._refuse("delete_lost")

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Yield the objects, or some of them and then fail."""
        await self._delay()
        left = self._random.randrange(_DEEP) if self._strikes("list_broken") else -1
        async for stored in self._inner.list(prefix):
            if left == 0:
                break
            yield stored
            left -= 1
        if left >= 0:
            raise StoreUnavailable

    def file(self, key: str) -> Path | None:
        """Return the inner driver's file unless reads are to be spoilt: the kernel would not spoil them."""
        spoilt = self.faults.read_refused or self.faults.read_broken or self.faults.read_truncated
        return None if spoilt else self._inner.file(key)

    async def probe(self) -> None:
        """Try it, with its faults."""
        await probe(self)

    async def close(self) -> None:
        """Close the inner driver."""
        await self._inner.close()

    def _strikes(self, fault: str) -> bool:
        likely: float = getattr(self.faults, fault)
        # Asked also when it is 0, so that another fault switched on later leaves the rest of the seed's course alone.
        if self._random.random() >= likely:
            return False
        self.injected[fault] += 1
        return True

    def _refuse(self, fault: str) -> None:
        if self._strikes(fault):
            raise StoreUnavailable

    async def _delay(self) -> None:
        if self._strikes("delayed"):
            await self._sleep(self._random.uniform(0, self.faults.longest_delay))


async def _broken(
    chunks: AsyncIterator[bytes], left: int, error: StoreUnavailable | StoreFull
) -> AsyncGenerator[bytes]:
    async for chunk in chunks:
        if left == 0:
            yield chunk[: len(chunk) // 2]
            break
        yield chunk
        left -= 1
    raise error
