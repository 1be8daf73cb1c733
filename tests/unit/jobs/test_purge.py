"""What a deleted repository leaves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from entrepot.auth.audit import SYSTEM
from entrepot.jobs.purge import KIND, Purge
from entrepot.jobs.queue import Queue
from entrepot.metadata.database import T, Tx
from tests.stores import done_or_waiting, value
from tests.world import GRACE, INDEX, Node, index, manifest

ONE, BIG, HUGE = b"one", b"x" * 50_000, b"y" * 60_000


async def test_a_deleted_repository_is_emptied_and_its_bytes_go(node: Node) -> None:
    await node.create("old")
    await node.push("old/app", "1.0", BIG)
    where = (await node.ask("POST", "/v2/old/app/blobs/uploads/")).headers["location"]
    await node.ask("PATCH", where, HUGE)
    await node.push("r/app", "1.0", ONE)
    await node.repositories.delete("old", SYSTEM)
    assert await Queue(node.database, {KIND: Purge(node.database)}, "n").round() == 1
    for _ in range(3):
        await node.later(GRACE + 1000)
        await node.collect()
    assert await node.objects() == []
    assert await value(node.database, "SELECT COUNT(DISTINCT repo_id) FROM item") == 1
    assert (await node.ask("GET", "/v2/r/app/manifests/1.0")).status == 200


async def test_a_push_into_a_repository_that_is_deleted_and_emptied_meanwhile_is_refused_and_leaves_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.create("old")
    transact = node.database.transact

    async def delayed(body: Callable[[Tx], Awaitable[T]]) -> T:
        monkeypatch.undo()
        await node.repositories.delete("old", SYSTEM)
        assert await Queue(node.database, {KIND: Purge(node.database)}, "n").round() == 1
        return await transact(body)

    monkeypatch.setattr(node.database, "transact", delayed)
    answer = await node.put("old/app", "1.0", index(), kind=INDEX)
    assert answer.status == 404
    assert await node.count("item") == await node.count("image_blob") == 0


async def test_what_is_being_deployed_when_its_repository_is_deleted_is_purged_with_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    if node.database.engine == "sqlite":
        pytest.skip("one transaction at a time")
    await node.create("old")
    for blob in (BIG, ONE):
        await node.upload("old/app", blob)
    transact, deleting = node.database.transact, asyncio.Event()

    async def held(body: Callable[[Tx], Awaitable[T]]) -> T:
        async def slow(tx: Tx) -> T:
            made = await body(tx)
            deleting.set()
            await done_or_waiting(node.database, deletion)
            return made

        monkeypatch.undo()
        return await transact(slow)

    async def delete() -> None:
        await deleting.wait()
        await node.repositories.delete("old", SYSTEM)

    deletion = asyncio.create_task(delete())
    monkeypatch.setattr(node.database, "transact", held)
    pushed = await node.put("old/app", "1.0", manifest(ONE, BIG))
    assert not deletion.done()
    await deletion
    assert pushed.status == 201
    await Queue(node.database, {KIND: Purge(node.database)}, "n").round()
    assert await node.count("item") == await node.count("image_blob") == 0
