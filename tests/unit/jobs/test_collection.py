"""Collection: what nobody relies on goes, what somebody does stays."""

import asyncio

import pytest

from entrepot.jobs import collection
from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql
from tests.world import GRACE, Node, another, sha256

BIG, HUGE = b"x" * 50_000, b"y" * 60_000
LOCKED = sql("SELECT id FROM blob {update}")


async def test_a_blob_is_kept_until_nobody_relies_on_it(node: Node) -> None:
    await node.upload("r/app", BIG)
    await node.later(GRACE // 2)
    await node.collect()
    assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG
    for _ in range(3):
        await node.later(GRACE + 1000)
        await node.collect()
    assert await node.objects() == []
    assert await node.count("blob") == 0


async def test_its_object_stays_one_more_grace_time_for_those_who_are_reading(node: Node) -> None:
    await node.upload("r/app", BIG)
    await node.later(GRACE + 1000)
    await node.collect()
    await node.later(GRACE + 1000)
    report = await node.collect()
    assert (report.blobs, report.size) == (1, len(BIG))
    assert len(await node.objects()) == 1


async def test_bytes_that_come_back_while_their_object_waits_for_deletion_are_stored_anew(node: Node) -> None:
    await node.upload("r/app", BIG)
    for _ in range(2):
        await node.later(GRACE + 1000)
        await node.collect()
    await node.push("r/app", "1.0", BIG)
    for _ in range(3):
        await node.later(GRACE + 1000)
        await node.collect()
    assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG


async def test_two_collectors_at_once_take_each_blob_once(node: Node) -> None:
    other = await another(node)
    for n in range(20):
        await node.upload("r/app", BIG + bytes([n]))
    await node.push("r/app", "1.0", HUGE)
    await node.later(GRACE + 1000)
    await asyncio.gather(node.collect(), other.collect())
    await node.later(GRACE + 1000)
    reports = await asyncio.gather(node.collect(), other.collect())
    assert sum(report.blobs for report in reports) == 20
    await node.later(GRACE + 1000)
    await asyncio.gather(node.collect(), other.collect())
    assert len(await node.objects()) == 1


async def test_collectors_and_pushes_at_once_lose_nothing(node: Node) -> None:
    other = await another(node)
    contents = [BIG + bytes([n]) for n in range(6)]
    for n, content in enumerate(contents):
        await node.upload(f"r/old{n}", content)
    await node.later(GRACE + 1000)
    await node.collect()
    await node.later(GRACE + 1000)
    pushes = [node.push(f"r/new{n}", "1.0", content) for n, content in enumerate(contents)]
    await asyncio.gather(*pushes, node.collect(), other.collect())
    for _ in range(2):
        await node.later(GRACE + 1000)
        await other.collect()
    for n, content in enumerate(contents):
        assert (await node.ask("GET", f"/v2/r/new{n}/blobs/{sha256(content)}")).body == content


async def test_a_round_takes_all_that_is_due_however_many_pages_that_is(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_PAGE", 1)
    for content in (BIG, HUGE):
        await node.upload("r/app", content)
    for _ in range(2):
        where = (await node.ask("POST", "/v2/r/app/blobs/uploads/")).headers["location"]
        assert (await node.ask("PATCH", where, BIG)).status == 202
    await node.later(86_400_000 + GRACE)
    report = await node.collect()
    assert (report.uploads, report.names, report.blobs) == (2, 2, 0)
    await node.later(GRACE + 1000)
    assert (await node.collect()).blobs == 2
    await node.later(GRACE + 1000)
    await node.collect()
    assert await node.objects() == []


async def test_what_another_transaction_holds_is_left_to_a_later_round(node: Node) -> None:
    if node.database.engine == "sqlite":
        pytest.skip("one transaction at a time")
    await node.upload("r/app", BIG)
    await node.later(GRACE + 1000)
    await node.collect()
    await node.later(GRACE + 1000)

    async def work(tx: Tx) -> None:
        assert await tx.row(LOCKED) is not None
        async with asyncio.timeout(20):
            assert (await node.collect()).blobs == 0

    await node.database.transact(work)
    assert (await node.collect()).blobs == 1
