"""What a deleted repository leaves."""

from entrepot.auth.audit import SYSTEM
from entrepot.jobs.purge import KIND, Purge
from entrepot.jobs.queue import Queue
from tests.stores import value
from tests.world import GRACE, Node

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
