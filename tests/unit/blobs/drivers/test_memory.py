from collections.abc import AsyncIterator

import pytest

from entrepot.blobs.contract import BlobMissing, StoreUnavailable
from entrepot.blobs.drivers.memory import Memory


async def source(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("body", [b"", b"old"])
async def test_a_key_is_written_once(body: bytes) -> None:
    driver = Memory()
    await driver.put("w/h/x", source(body))
    with pytest.raises(StoreUnavailable):
        await driver.put("w/h/x", source(b"new"))
    assert await driver.size("w/h/x") == len(body)


async def test_a_closed_store_has_forgotten_everything() -> None:
    driver = Memory()
    await driver.put("w/h/x", source(b"x"))
    await driver.close()
    with pytest.raises(BlobMissing):
        await driver.size("w/h/x")
