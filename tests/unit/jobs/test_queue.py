"""The queue: a job is done once, whoever fails or dies over it."""

import asyncio

import pytest

from entrepot.errors import Conflict
from entrepot.jobs import queue as jobs
from entrepot.jobs.queue import Job, Queue, Renew, enqueue, held
from entrepot.metadata.sql import sql
from tests.stores import value, write
from tests.world import Node


async def test_a_job_is_done_once_and_gone(node: Node) -> None:
    seen: list[dict[str, object]] = []

    async def handle(job: Job, renew: Renew) -> None:
        seen.append(job.payload)
        assert await renew()

    await node.database.transact(lambda tx: enqueue(tx, "k", {"a": 1}, dedup="d"))
    await node.database.transact(lambda tx: enqueue(tx, "k", {"a": 2}, dedup="d"))
    await node.database.transact(lambda tx: enqueue(tx, "unknown", {}))
    queues = [Queue(node.database, {"k": handle}, f"n{n}") for n in range(3)]
    assert sum(await asyncio.gather(*(queue.round() for queue in queues))) == 1
    assert seen == [{"a": 1}]
    assert await node.count("job") == 1


async def test_a_job_without_steps_keeps_its_lease_for_as_long_as_it_takes(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(job: Job, renew: Renew) -> None:
        renewed = asyncio.Event()

        async def noted() -> bool:
            kept = await renew()
            renewed.set()
            return kept

        await write(node.database, "UPDATE job SET lease_until = 0")
        async with asyncio.timeout(10), held(noted):
            await renewed.wait()
        assert await value(node.database, "SELECT lease_until FROM job")

    monkeypatch.setattr(jobs, "_RENEWED", 0.01)
    await node.database.transact(lambda tx: enqueue(tx, "k", {}))
    assert await Queue(node.database, {"k": handle}, "n").round() == 1


async def test_a_job_that_fails_waits_and_comes_again_until_it_has_failed_often_enough(node: Node) -> None:
    async def handle(job: Job, renew: Renew) -> None:
        raise Conflict("no luck")

    await node.database.transact(lambda tx: enqueue(tx, "k", {}, max_attempts=2))
    queue = Queue(node.database, {"k": handle}, "n")
    assert await queue.round() == 0
    assert await value(node.database, "SELECT state FROM job") == "queued"
    await write(node.database, "UPDATE job SET run_after = 0")
    await queue.round()
    assert await value(node.database, "SELECT state FROM job") == "failed"
    assert await value(node.database, "SELECT error FROM job") == "no luck"


async def test_a_job_that_was_given_up_begins_anew_when_it_is_asked_for_again(node: Node) -> None:
    seen: list[dict[str, object]] = []

    async def fail(job: Job, renew: Renew) -> None:
        raise Conflict("no luck")

    async def handle(job: Job, renew: Renew) -> None:
        seen.append(job.payload)

    await node.database.transact(lambda tx: enqueue(tx, "k", {"a": 1}, dedup="d", max_attempts=1))
    await Queue(node.database, {"k": fail}, "n").round()
    await node.database.transact(lambda tx: enqueue(tx, "k", {"a": 2}, dedup="d"))
    await Queue(node.database, {"k": handle}, "n").round()
    assert seen == [{"a": 2}]
    assert await node.count("job") == 0


async def test_a_fault_of_a_handler_is_kept_with_its_job_and_others_have_their_turn(node: Node) -> None:
    done: list[int] = []

    async def handle(job: Job, renew: Renew) -> None:
        if job.payload["fault"]:
            raise KeyError("nobody expects this")
        done.append(job.id)

    await node.database.transact(lambda tx: enqueue(tx, "k", {"fault": True}))
    await node.database.transact(lambda tx: enqueue(tx, "k", {"fault": False}))
    assert await Queue(node.database, {"k": handle}, "n").round() == 1
    assert len(done) == 1
    row = await node.database.row(sql("SELECT state, error FROM job"))
    assert row is not None
    assert tuple(row) == ("queued", "KeyError('nobody expects this')")


async def test_a_job_that_takes_every_worker_with_it_fails_in_the_end(node: Node) -> None:
    class Killed(BaseException):
        pass

    begun = 0

    async def die(job: Job, renew: Renew) -> None:
        nonlocal begun
        begun += 1
        raise Killed

    await node.database.transact(lambda tx: enqueue(tx, "k", {}, max_attempts=2))
    queue = Queue(node.database, {"k": die}, "n")
    for _ in range(2):
        with pytest.raises(Killed):
            await queue.round()
        await write(node.database, "UPDATE job SET lease_until = 0")
    assert await queue.round() == 0
    assert begun == 2
    assert await value(node.database, "SELECT state FROM job") == "failed"


async def test_a_job_whose_worker_died_is_taken_over_and_the_dead_one_can_end_nothing(node: Node) -> None:
    renewed: list[bool] = []

    async def slow(job: Job, renew: Renew) -> None:
        await write(node.database, "UPDATE job SET lease_until = 0")
        assert await Queue(node.database, {"k": quick}, "two").round() == 0
        renewed.append(await renew())

    async def quick(job: Job, renew: Renew) -> None:
        raise Conflict("later")

    await node.database.transact(lambda tx: enqueue(tx, "k", {}))
    await Queue(node.database, {"k": slow}, "one").round()
    assert renewed == [False]
    assert await node.count("job") == 1


async def test_a_job_whose_process_ends_goes_on_elsewhere_at_once_and_has_not_failed(node: Node) -> None:
    begun = asyncio.Event()
    attempts: list[int] = []

    async def slow(job: Job, renew: Renew) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def quick(job: Job, renew: Renew) -> None:
        attempts.append(job.attempts)

    await node.database.transact(lambda tx: enqueue(tx, "k", {}, max_attempts=1))
    cut_off = asyncio.create_task(Queue(node.database, {"k": slow}, "one").round())
    await begun.wait()
    cut_off.cancel()
    await asyncio.wait([cut_off])
    assert cut_off.cancelled()
    assert await Queue(node.database, {"k": quick}, "two").round() == 1
    assert attempts == [1]
