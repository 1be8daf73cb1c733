"""Compaction: chunks that cannot be joined cost little."""

from collections.abc import AsyncIterator

import pytest

from entrepot.jobs.compaction import Compaction
from tests.stores import value, write
from tests.world import Node, sha256

BIG = b"x" * 60_000
DAY = 86_400_000


async def in_chunks(node: Node) -> None:
    where = (await node.ask("POST", "/v2/r/app/blobs/uploads/")).headers["location"]
    for at in range(0, len(BIG), 30_000):
        assert (await node.ask("PATCH", where, BIG[at : at + 30_000])).status == 202
    assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201


async def other_bytes() -> AsyncIterator[bytes]:
    yield b"y" * 30_000


async def test_a_damaged_blob_is_read_once_a_day_until_it_has_other_chunks(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_chunks(node)
    key = str(await value(node.database, "SELECT storage_key FROM blob_segment ORDER BY seq LIMIT 1"))
    await node.driver.delete(key)
    await node.driver.put(key, other_bytes())
    monkeypatch.setattr(node.intake, "clock", node.clock)
    compaction = Compaction(node.database, node.intake)
    put, copies = node.driver.put, 0

    async def counted(key: str, chunks: AsyncIterator[bytes]) -> int:
        nonlocal copies
        copies += 1
        return await put(key, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(node.driver, "put", counted)
        for _ in range(3):
            assert await compaction.round() == 0
        assert copies == 1
        node.clock.ahead += DAY
        assert await compaction.round() == 0
        assert copies == 2
    await node.driver.delete(key)
    await in_chunks(node)
    assert await compaction.round() == 1


async def test_a_damaged_blob_that_is_gone_is_forgotten(node: Node) -> None:
    await in_chunks(node)
    key = str(await value(node.database, "SELECT storage_key FROM blob_segment ORDER BY seq LIMIT 1"))
    await node.driver.delete(key)
    await node.driver.put(key, other_bytes())
    compaction = Compaction(node.database, node.intake)
    await compaction.round()
    assert compaction._damaged
    await write(node.database, "DELETE FROM blob_segment")
    await compaction.round()
    assert not compaction._damaged
