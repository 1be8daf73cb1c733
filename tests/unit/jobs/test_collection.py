"""Collection: what nobody relies on goes, what somebody does stays."""

import asyncio

from tests.world import GRACE, Node, another, sha256

BIG, HUGE = b"x" * 50_000, b"y" * 60_000


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
