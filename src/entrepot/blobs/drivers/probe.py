"""Whether a store can be used: the same trial for every driver."""

from __future__ import annotations

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


async def _body() -> AsyncGenerator[bytes]:
    yield _BODY
