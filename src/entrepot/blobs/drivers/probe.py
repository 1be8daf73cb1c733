"""Whether a store can be used: the same trial for every driver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from entrepot.blobs.contract import BlobMissing, StoreUnavailable
from entrepot.clock import new_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from entrepot.blobs.contract import Driver

PROBES = "probe"
"""The folder of the objects that probes write; no writer has this name. A killed probe leaves its object here."""

_BODY = b"Entrepot writes this to see whether the store can be used, and deletes it at once.\n"


async def probe(driver: Driver) -> None:
    """Write, read and delete a small object. Raises StoreUnavailable, StoreFull."""
    key = f"{PROBES}/{new_id()}"
    try:
        await driver.put(key, _body())
        read = b"".join([piece async for piece in driver.read(key)])
    except BlobMissing as error:
        raise StoreUnavailable from error
    finally:
        await driver.delete(key)
    if read != _BODY:
        raise StoreUnavailable


class Probing:
    """Probes of one store, one at a time: a call to a store that does not answer cannot be ended, only waited for or not."""

    def __init__(self, driver: Driver, seconds: float) -> None:
        """`seconds`: how long a probe may take until the store counts as unavailable."""
        self._driver = driver
        self._seconds = seconds
        self._running: asyncio.Task[None] | None = None
        self._until = 0.0

    async def check(self) -> None:
        """Probe, or wait for the probe under way. Raises what it raises, StoreUnavailable when that takes too long."""
        now = asyncio.get_running_loop().time()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._driver.probe())
            self._running.add_done_callback(_seen)
            self._until = now + self._seconds
        done, _ = await asyncio.wait((self._running,), timeout=max(0.0, self._until - now))
        if not done:
            raise StoreUnavailable("The blob store does not answer.")
        self._running.result()

    async def close(self) -> None:
        """End the probe under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


def _seen(probing: asyncio.Task[None]) -> None:
    """Take note of a failure that comes when nobody waits for it any more: else the loop tells it."""
    if not probing.cancelled():
        probing.exception()


async def _body() -> AsyncGenerator[bytes]:
    yield _BODY
