"""Collection, sweeps, queue, purge and inspection; on both engines."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from entrepot.auth.audit import SYSTEM
from entrepot.blobs.contract import StoreUnavailable
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.ingest import Received
from entrepot.cluster.writers import sweep_dead
from entrepot.errors import Conflict, Unavailable
from entrepot.events.followers import KEEP, Feed
from entrepot.events.log import Event, cut, last
from entrepot.jobs.inspection import NothingThere, check, fsck
from entrepot.jobs.purge import KIND, Purge
from entrepot.jobs.queue import Job, Queue, Renew, enqueue
from entrepot.metadata.database import DatabaseUnavailable, Tx
from entrepot.metadata.sql import sql
from entrepot.repositories.content import BytesLost
from entrepot.wiring import Store, writing
from tests.stores import value, write
from tests.world import GRACE, Node, another, sha256

VERSION = sql("SELECT version FROM cfg_version WHERE scope = 'blobs'")
ONE, BIG, HUGE = b"one", b"x" * 50_000, b"y" * 60_000


async def one_piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def leave_garbage(node: Node, content: bytes = BIG) -> Received:
    """Store an object that no row will ever name."""
    from entrepot.blobs.ingest import Hashes

    return await node.intake.receive(one_piece(content), Hashes())


class TestCollection:
    async def test_a_blob_is_kept_until_nobody_relies_on_it(self, node: Node) -> None:
        await node.upload("r/app", BIG)
        await node.later(GRACE // 2)
        await node.collect()
        assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG
        for _ in range(3):
            await node.later(GRACE + 1000)
            await node.collect()
        assert await node.objects() == []
        assert await node.count("blob") == 0

    async def test_its_object_stays_one_more_grace_time_for_those_who_are_reading(self, node: Node) -> None:
        await node.upload("r/app", BIG)
        await node.later(GRACE + 1000)
        await node.collect()
        await node.later(GRACE + 1000)
        report = await node.collect()
        assert (report.blobs, report.size) == (1, len(BIG))
        assert len(await node.objects()) == 1

    async def test_bytes_that_come_back_while_their_object_waits_for_deletion_are_stored_anew(self, node: Node) -> None:
        await node.upload("r/app", BIG)
        for _ in range(2):
            await node.later(GRACE + 1000)
            await node.collect()
        await node.push("r/app", "1.0", BIG)
        for _ in range(3):
            await node.later(GRACE + 1000)
            await node.collect()
        assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG

    async def test_two_collectors_at_once_take_each_blob_once(self, node: Node) -> None:
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

    async def test_collectors_and_pushes_at_once_lose_nothing(self, node: Node) -> None:
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


class TestWriters:
    async def test_what_a_dead_writer_left_goes_and_what_it_named_stays(self, node: Node) -> None:
        dead = await another(node)
        await dead.upload("r/app", BIG)
        await leave_garbage(dead, HUGE)
        assert await sweep_dead(node.database, node.driver) == 0
        await write(node.database, f"UPDATE writer SET heartbeat = 0 WHERE id = '{dead.writer.id}'")
        assert await sweep_dead(node.database, node.driver, wait=-1) == 1
        await node.later(10)
        await node.collect()
        assert len(await node.objects()) == 1
        assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG
        assert await value(node.database, "SELECT COUNT(*) FROM writer") == 1

    async def test_a_writer_that_was_taken_for_dead_is_refused(self, node: Node) -> None:
        dead = await another(node)
        await write(node.database, f"UPDATE writer SET heartbeat = 0 WHERE id = '{dead.writer.id}'")
        await sweep_dead(node.database, node.driver)
        answer = await dead.ask("POST", f"/v2/r/app/blobs/uploads/?digest={sha256(BIG)}", BIG)
        assert answer.status == 503
        assert await node.count("blob") == 0

    async def test_a_process_begins_to_read_while_nothing_can_be_written_and_is_a_writer_later(
        self, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late = Node(node.database, node.driver, node.rules)
        await late.repositories.refresh()
        store = Store(late.database, late.driver, late.intake, late.writer, late.content, late.tree)

        async def full(*_: object) -> None:
            raise DatabaseUnavailable

        with monkeypatch.context() as patch:
            patch.setattr(type(late.database), "transact", full)
            entered = writing(store)
            await entered.__aenter__()
        assert await value(node.database, "SELECT COUNT(*) FROM writer") == 1
        await late.upload("r/app", BIG)
        assert await value(node.database, "SELECT COUNT(*) FROM writer") == 2
        await entered.__aexit__(None, None, None)

    async def test_an_object_in_doubt_goes_unless_a_row_names_it(self, node: Node) -> None:
        left = await leave_garbage(node)
        node.intake.doubt(left)
        await node.upload("r/app", HUGE)
        named = (await node.objects())[:]
        named.remove(left.key or "")
        node.intake.unsettled[named[0]] = 0
        node.intake.doubtful.add(named[0])
        for key in node.intake.unsettled:
            node.intake.unsettled[key] = 0
        await node.writer.beat(node.intake)
        assert await node.objects() == named
        assert node.intake.unsettled == {}
        assert node.intake.doubtful == set()

    async def test_a_writer_that_ends_well_leaves_no_row_unless_something_is_unsettled(self, node: Node) -> None:
        await node.upload("r/app", BIG)
        busy = await another(node)
        await leave_garbage(busy)
        await busy.writer.leave(busy.intake)
        await node.writer.leave(node.intake)
        assert await value(node.database, "SELECT id FROM writer") == busy.writer.id

    async def test_what_is_in_doubt_at_the_end_may_still_be_committed_and_is_left_to_the_sweep(
        self, node: Node
    ) -> None:
        left = await leave_garbage(node)
        node.intake.doubt(left)
        await node.writer.leave(node.intake)
        assert await node.objects() == [left.key]
        await write(node.database, "UPDATE writer SET heartbeat = 0")
        assert await sweep_dead(node.database, node.driver, wait=0) == 1


class TestQueue:
    async def test_a_job_is_done_once_and_gone(self, node: Node) -> None:
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

    async def test_a_job_that_fails_waits_and_comes_again_until_it_has_failed_often_enough(self, node: Node) -> None:
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

    async def test_a_fault_of_a_handler_is_kept_with_its_job_and_others_have_their_turn(self, node: Node) -> None:
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

    async def test_a_job_that_takes_every_worker_with_it_fails_in_the_end(self, node: Node) -> None:
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

    async def test_a_job_whose_worker_died_is_taken_over_and_the_dead_one_can_end_nothing(self, node: Node) -> None:
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


class TestInspection:
    async def test_a_sound_store_has_no_findings(self, node: Node) -> None:
        await node.push("r/app", "1.0", ONE, BIG)
        where = (await node.ask("POST", "/v2/r/app/blobs/uploads/")).headers["location"]
        await node.ask("PATCH", where, HUGE)
        assert (await check(node.database, node.driver)).clean
        found = await fsck(node.database, node.driver)
        assert found.clean
        assert found.blobs == 4

    async def test_a_missing_object_is_found_and_the_next_push_heals_it(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG)
        await node.driver.delete((await node.objects())[0])
        found = await check(node.database, node.driver)
        assert [(one.digest, one.paths) for one in found.missing] == [
            (sha256(BIG), (f"r/app/1.0/sha256__{sha256(BIG)[7:]}",))
        ]
        assert (await check(node.database, node.driver, repair=True)).repaired == 1
        assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).status == 503
        await node.upload("r/app", BIG)
        assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG
        assert (await check(node.database, node.driver)).clean

    async def test_a_process_that_knew_where_lost_bytes_were_finds_those_that_were_pushed_again(
        self, node: Node
    ) -> None:
        other = await another(node)
        await node.push("r/app", "1.0", BIG)
        url = f"/v2/r/app/blobs/{sha256(BIG)}"
        assert (await other.ask("GET", url)).body == BIG
        await node.driver.delete((await node.objects())[0])
        await check(node.database, node.driver, repair=True)
        with pytest.raises(BytesLost):
            await other.ask("GET", url)
        assert (await other.ask("GET", url)).status == 503
        assert (await node.ask("GET", url)).status == 503
        await node.upload("r/app", BIG)
        assert (await other.ask("GET", url)).body == BIG

    async def test_bytes_that_were_pushed_again_are_found_by_whoever_remembers_the_old_place(self, node: Node) -> None:
        other = await another(node)
        await node.push("r/app", "1.0", BIG)
        url = f"/v2/r/app/blobs/{sha256(BIG)}"
        assert (await other.ask("GET", url)).body == BIG
        await node.driver.delete((await node.objects())[0])
        await check(node.database, node.driver, repair=True)
        await node.upload("r/app", BIG)
        for _ in range(2):
            assert (await other.ask("GET", url)).body == BIG

    async def test_a_flipped_byte_is_found_by_reading(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG)
        assert isinstance(node.driver, Memory)
        key = (await node.objects())[0]
        node.driver._objects[key] = b"z" + BIG[1:]
        assert (await check(node.database, node.driver)).clean
        found = await fsck(node.database, node.driver)
        assert [one.digest for one in found.corrupt] == [sha256(BIG)]

    async def test_damaged_bytes_are_given_up_by_a_repair_and_the_next_push_replaces_them(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)
        assert isinstance(node.driver, Memory)
        damaged = next(key for key, body in node.driver._objects.items() if body == BIG)
        node.driver._objects[damaged] = b"z" + BIG[1:]
        url = f"/v2/r/app/blobs/{sha256(BIG)}"
        assert (await node.ask("GET", url)).body != BIG
        before = await node.database.row(VERSION)
        found = await fsck(node.database, node.driver, repair=True)
        assert (found.corrupt_count, found.repaired) == (1, 1)
        assert await node.database.row(VERSION) != before  # so that no process goes on sending what was damaged
        fresh = await another(node)
        assert (await fresh.ask("GET", url)).status == 503
        await fresh.upload("r/app", BIG)
        assert (await fresh.ask("GET", url)).body == BIG
        assert (await fsck(node.database, node.driver)).clean
        await write(node.database, "DELETE FROM writer")
        assert [one.key for one in (await check(node.database, node.driver)).orphans] == [damaged]

    async def test_reading_tells_missing_bytes_from_damaged_ones_also_once_they_are_given_up(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG, HUGE, BIG + HUGE)
        assert isinstance(node.driver, Memory)
        places = {body: key for key, body in node.driver._objects.items()}
        node.driver._objects[places[BIG]] = b"z" + BIG[1:]
        await node.driver.delete(places[HUGE])
        for repair in (True, False):
            found = await fsck(node.database, node.driver, repair=repair)
            damaged = [sha256(BIG)] if repair else []
            assert [one.digest for one in found.corrupt] == damaged
            assert sorted(one.digest for one in found.missing) == sorted({sha256(BIG), sha256(HUGE)} - {*damaged})
            assert (found.corrupt_count, found.missing_count) == (len(found.corrupt), len(found.missing))

    @pytest.mark.parametrize("inspect", [check, fsck])
    async def test_where_nothing_is_nothing_is_given_up(self, node: Node, inspect: Callable[..., Any]) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)
        empty = Memory()
        with pytest.raises(NothingThere, match="Not one of the 2 blobs"):
            await inspect(node.database, empty, repair=True)
        assert (await inspect(node.database, node.driver)).clean

    async def test_bytes_that_cannot_be_read_for_now_are_told_and_not_given_up(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)
        assert isinstance(node.driver, Memory)
        store = node.driver

        class Whims(Memory):
            async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
                body = self._objects[key]
                if body == BIG:
                    raise StoreUnavailable from OSError("slow down")
                reads.append(key)
                yield b"z" + body[1:] if body == HUGE and len(reads) == 1 else body

        reads: list[str] = []
        whims = Whims()
        whims._objects = store._objects
        found = await fsck(node.database, whims, repair=True)
        assert [(one.digest, "slow down" in one.why) for one in found.corrupt] == [(sha256(BIG), True)]
        assert found.repaired == 0
        assert (await fsck(node.database, store)).clean

    async def test_a_store_that_does_not_answer_is_no_damage(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG)

        class Gone(Memory):
            async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
                raise StoreUnavailable from OSError("connection refused")
                yield b""

        with pytest.raises(StoreUnavailable):
            await fsck(node.database, Gone())

    async def test_a_short_object_is_found(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG)
        assert isinstance(node.driver, Memory)
        node.driver._objects[(await node.objects())[0]] = BIG[1:]
        assert (await check(node.database, node.driver)).missing_count == 1

    async def test_an_orphan_is_found_unless_its_writer_lives_and_goes_when_repaired(self, node: Node) -> None:
        left = await leave_garbage(node)
        assert (await check(node.database, node.driver)).clean
        await write(node.database, "DELETE FROM writer")
        assert [one.key for one in (await check(node.database, node.driver)).orphans] == [left.key]
        await check(node.database, node.driver, repair=True)
        await node.later(GRACE - 60_000)
        await node.collect()
        assert await node.objects() == [left.key]
        await node.later(120_000)
        await node.collect()
        assert await node.objects() == []

    async def test_lost_bytes_that_are_back_are_given_back(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)
        assert isinstance(node.driver, Memory)
        key = next(key for key, body in node.driver._objects.items() if body == BIG)
        body = node.driver._objects.pop(key)
        assert (await check(node.database, node.driver, repair=True)).repaired == 1
        node.driver._objects[key] = body
        assert (await check(node.database, node.driver)).missing_count == 1
        assert (await check(node.database, node.driver, repair=True)).repaired == 1
        assert (await check(node.database, node.driver)).clean
        fresh = await another(node)
        assert (await fresh.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG


class Follower:
    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[str] = []
        self.resyncs = 0

    async def handle(self, events: list[Event]) -> None:
        self.seen += [event.path for event in events]

    async def resync(self) -> None:
        self.resyncs += 1


class TestEvents:
    async def test_a_follower_sees_each_change_once_and_in_order(self, node: Node) -> None:
        follower = Follower("f")
        feed = Feed(node.database, [follower])  # type: ignore[list-item]
        await node.push("r/before", "1.0", ONE)
        await feed.round()
        await feed.join()
        await node.push("r/app", "1.0", ONE)
        await node.ask("DELETE", "/v2/r/app/manifests/1.0")
        await feed.round()
        await feed.round()
        assert follower.seen[0] == "app/"
        assert len(follower.seen) == len(set(follower.seen)) or "app/1.0/manifest.json" in follower.seen
        assert not any(path.startswith("before") for path in follower.seen)

    async def test_a_log_that_was_cut_never_numbers_below_a_cursor(self, node: Node) -> None:
        follower = Follower("f")
        feed = Feed(node.database, [follower])  # type: ignore[list-item]
        await feed.join()
        await node.push("r/app", "1.0", ONE)
        await feed.round()
        await write(node.database, "UPDATE event SET time = 0")
        await feed.round()
        assert await node.count("event") == 1
        before = len(follower.seen)
        await node.push("r/app", "2.0", ONE)
        await feed.round()
        assert len(follower.seen) > before
        assert follower.resyncs == 0

    async def test_a_log_of_any_length_is_cut_in_steps(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("entrepot.events.log._CUT_AT_ONCE", 3)
        feed = Feed(node.database, [Follower("f")])  # type: ignore[list-item]
        await feed.join()
        for tag in ("1.0", "2.0", "3.0"):
            await node.push("r/app", tag, ONE)
        await feed.round()
        await write(node.database, "UPDATE event SET time = 0")
        steps: list[int] = []

        class Watched:
            def __getattr__(self, name: str) -> object:
                return getattr(node.database, name)

            async def transact(self, body: Callable[[Tx], Awaitable[int]]) -> int:
                steps.append(await node.database.transact(body))
                return steps[-1]

        cursor = await last(node.database, node.database.engine)
        before = await node.count("event")
        assert await cut(Watched(), cursor, 60_000) == before - 1  # type: ignore[arg-type]
        assert max(steps) == 3
        assert await node.count("event") == 1

    async def test_one_event_that_a_follower_fails_on_does_not_stop_the_feed(self, node: Node) -> None:
        class Failing(Follower):
            async def handle(self, events: list[Event]) -> None:
                if any(event.path == "app/1.0/manifest.json" for event in events):
                    raise ZeroDivisionError
                await super().handle(events)

        follower = Failing("f")
        feed = Feed(node.database, [follower])  # type: ignore[list-item]
        await feed.join()
        await node.push("r/app", "1.0", ONE)
        await node.push("r/app", "2.0", ONE)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await feed.round()
        assert "app/2.0/manifest.json" not in follower.seen
        await feed.round()
        assert "app/2.0/manifest.json" in follower.seen
        assert await feed.round() == 0

    async def test_a_follower_that_cannot_be_served_for_now_misses_nothing(self, node: Node) -> None:
        class Waiting(Follower):
            async def handle(self, events: list[Event]) -> None:
                raise Unavailable

        feed = Feed(node.database, [Waiting("f")])  # type: ignore[list-item]
        await feed.join()
        await node.push("r/app", "1.0", ONE)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await feed.round()
        assert await value(node.database, "SELECT cursor FROM follower") == 0

    async def test_a_follower_that_is_seven_days_behind_starts_over(self, node: Node) -> None:
        away, here = Follower("away"), Follower("here")
        await Feed(node.database, [away]).join()  # type: ignore[list-item]
        feed = Feed(node.database, [here])  # type: ignore[list-item]
        await feed.join()
        await node.push("r/app", "1.0", ONE)
        await feed.round()
        await feed.round()
        assert await node.count("event") > 1
        await write(node.database, f"UPDATE event SET time = time - {KEEP + 1000}")
        await feed.round()
        assert await node.count("event") == 1
        await Feed(node.database, [away]).round()  # type: ignore[list-item]
        assert away.resyncs == 1
        await node.push("r/app", "2.0", ONE)
        await Feed(node.database, [away]).round()  # type: ignore[list-item]
        assert any(path.startswith("app/2.0") for path in away.seen)


@pytest.mark.parametrize("known", [True, False])
async def test_downloads_are_counted_and_survive_items_that_go(node: Node, known: bool) -> None:
    from entrepot.repositories.downloads import Downloads

    await node.push("r/app", "1.0", ONE)
    item = await value(node.database, "SELECT item_id FROM docker_manifest")
    assert isinstance(item, int)
    downloads = Downloads(node.database, node.database.now)
    for _ in range(3):
        downloads.count(item if known else item + 1000, "somebody")
    await downloads.flush()
    downloads.count(item, "else")
    await downloads.flush()
    row = await node.database.row(sql("SELECT downloads, last_downloaded_by FROM stat"))
    assert row is not None
    assert tuple(row) == (4 if known else 1, "else")
