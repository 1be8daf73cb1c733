"""Pruning: what nothing names goes, everything else stays, and it is told how that went."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from entrepot.jobs import pruning
from entrepot.jobs.pruning import KIND, Pruning
from entrepot.jobs.queue import Queue
from tests.world import Node

HOUR = 3600_000


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


def key(node: Node, hours: int, writer: str = "gone") -> str:
    hour = datetime.fromtimestamp(node.database.now() / 1000 - hours * 3600, UTC).strftime("%Y%m%d%H")
    return f"{writer}/{hour}/{'a' * 32}"


async def prune(node: Node, *, dry: bool = False, days: int = 1, stopped: bool = False) -> pruning.Pruned:
    now = node.database.now()
    assert await node.database.transact(lambda tx: pruning.start(tx, dry=dry, days=days, now=now))
    assert not await node.database.transact(lambda tx: pruning.start(tx, dry=dry, days=days, now=now))
    told = await pruning.report(node.database)
    assert told is not None
    assert told.state == "running"
    if stopped:
        assert await node.database.transact(pruning.stop)
    assert await Queue(node.database, {KIND: Pruning(node.database, node.driver)}, "n").round() == 1
    told = await pruning.report(node.database)
    assert told is not None
    return told


async def test_only_old_objects_of_ours_that_nothing_names_are_pruned(node: Node) -> None:
    await node.push("r/app", "1.0", b"x" * 50_000)
    for place in (key(node, 48), key(node, 2, "young"), "somebody/elses"):
        await node.driver.put(place, one(b"orphan"))
    dry = await prune(node, dry=True)
    assert (dry.state, dry.cleaned, dry.size, await node.count("delete_queue")) == ("finished", 1, 6, 0)
    told = await prune(node)
    assert (told.state, told.objects, told.cleaned, told.size) == ("finished", dry.objects, 1, 6)
    assert await node.count("delete_queue") == 1
    assert (await prune(node)).cleaned == 0
    assert (await prune(node, days=0)).cleaned == 1


async def test_one_that_is_stopped_ends_and_says_so(node: Node) -> None:
    assert not await node.database.transact(pruning.stop)
    await node.driver.put(key(node, 48), one(b"orphan"))
    assert ((await prune(node, stopped=True)).state, await node.count("delete_queue")) == ("stopped", 0)
    assert ((await prune(node)).state, await node.count("delete_queue")) == ("finished", 1)


async def test_nothing_is_pruned_in_a_store_that_is_not_the_databases(node: Node) -> None:
    for number in range(2):
        await node.upload("r/app", bytes([number]) * 50_000)
    for place in await node.objects():
        await node.driver.delete(place)
    await node.driver.put(key(node, 48), one(b"orphan"))
    told = await prune(node)
    assert (told.state, await node.count("delete_queue")) == ("error", 0)
    assert "Not one of the 2 blobs" in told.error


async def test_lost_bytes_that_are_back_are_given_to_their_blob_and_not_pruned(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bool] = []

    async def give_back(*_: object) -> int:
        given.append(True)
        return 0

    monkeypatch.setattr(pruning, "give_back", give_back)
    await prune(node, dry=True)
    assert given == []
    await prune(node)
    assert given == [True]
