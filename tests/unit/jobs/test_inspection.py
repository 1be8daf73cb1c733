"""The inspection of the store, and its repairs."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from entrepot.blobs.contract import StoreUnavailable
from entrepot.blobs.drivers.memory import Memory
from entrepot.jobs.inspection import NothingThere, check, fsck
from entrepot.metadata.sql import sql
from entrepot.repositories.content import BytesLost
from tests.stores import write
from tests.world import GRACE, Node, another, sha256

VERSION = sql("SELECT version FROM cfg_version WHERE scope = 'blobs'")
ONE, BIG, HUGE = b"one", b"x" * 50_000, b"y" * 60_000


@pytest.fixture
def objects(node: Node) -> dict[str, bytes]:
    """The bytes of the store by their keys, to be damaged."""
    assert isinstance(node.driver, Memory)
    return node.driver._objects


class TestInspection:
    async def test_a_sound_store_has_no_findings(self, node: Node) -> None:
        await node.push("r/app", "1.0", ONE, BIG)
        where = (await node.ask("POST", "/v2/r/app/blobs/uploads/")).headers["location"]
        await node.ask("PATCH", where, HUGE)
        for inspect in (check, fsck):
            found = await inspect(node.database, node.driver)
            assert found.clean
            assert (found.blobs, found.in_database, found.objects) == (4, 3, len(await node.objects()))

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

    async def test_a_flipped_byte_is_found_by_reading(self, node: Node, objects: dict[str, bytes]) -> None:
        await node.push("r/app", "1.0", BIG)
        key = (await node.objects())[0]
        objects[key] = b"z" + BIG[1:]
        assert (await check(node.database, node.driver)).clean
        found = await fsck(node.database, node.driver)
        assert [one.digest for one in found.corrupt] == [sha256(BIG)]

    async def test_damaged_bytes_are_given_up_by_a_repair_and_the_next_push_replaces_them(
        self, node: Node, objects: dict[str, bytes]
    ) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)
        damaged = next(key for key, body in objects.items() if body == BIG)
        objects[damaged] = b"z" + BIG[1:]
        url = f"/v2/r/app/blobs/{sha256(BIG)}"
        assert (await node.ask("GET", url)).body != BIG
        before = await node.database.row(VERSION)
        found = await fsck(node.database, node.driver, repair=True)
        assert (found.corrupt_count, found.given_up, found.repaired) == (1, 0, 1)
        for inspect in (check, fsck):
            again = await inspect(node.database, node.driver, repair=True)
            assert (again.missing_count, again.given_up, again.repaired) == (1, 1, 0)
        assert await node.database.row(VERSION) != before  # so that no process goes on sending what was damaged
        fresh = await another(node)
        assert (await fresh.ask("GET", url)).status == 503
        await fresh.upload("r/app", BIG)
        assert (await fresh.ask("GET", url)).body == BIG
        assert (await fsck(node.database, node.driver)).clean
        await write(node.database, "DELETE FROM writer")
        assert [one.key for one in (await check(node.database, node.driver)).orphans] == [damaged]

    async def test_reading_tells_missing_bytes_from_damaged_ones_also_once_they_are_given_up(
        self, node: Node, objects: dict[str, bytes]
    ) -> None:
        await node.push("r/app", "1.0", BIG, HUGE, BIG + HUGE)
        places = {body: key for key, body in objects.items()}
        objects[places[BIG]] = b"z" + BIG[1:]
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

    async def test_bytes_that_cannot_be_read_for_now_are_told_and_not_given_up(
        self, node: Node, objects: dict[str, bytes]
    ) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)

        class Whims(Memory):
            async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
                body = self._objects[key]
                if body == BIG:
                    raise StoreUnavailable from OSError("slow down")
                reads.append(key)
                yield b"z" + body[1:] if body == HUGE and len(reads) == 1 else body

        reads: list[str] = []
        whims = Whims()
        whims._objects = objects
        found = await fsck(node.database, whims, repair=True)
        assert [(one.digest, "slow down" in one.why) for one in found.corrupt] == [(sha256(BIG), True)]
        assert (found.unreadable, found.repaired) == (1, 0)
        assert (await fsck(node.database, node.driver)).clean

    async def test_a_store_that_does_not_answer_is_no_damage(self, node: Node) -> None:
        await node.push("r/app", "1.0", BIG)

        class Gone(Memory):
            async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
                raise StoreUnavailable from OSError("connection refused")
                yield b""

        with pytest.raises(StoreUnavailable):
            await fsck(node.database, Gone())

    async def test_a_short_object_is_found(self, node: Node, objects: dict[str, bytes]) -> None:
        await node.push("r/app", "1.0", BIG)
        objects[(await node.objects())[0]] = BIG[1:]
        assert (await check(node.database, node.driver)).missing_count == 1

    async def test_an_orphan_is_found_unless_its_writer_lives_and_goes_when_repaired(self, node: Node) -> None:
        left = await node.leave_garbage(BIG)
        assert (await check(node.database, node.driver)).clean
        await write(node.database, "DELETE FROM writer")
        assert [one.key for one in (await check(node.database, node.driver)).orphans] == [left.key]
        repaired = await check(node.database, node.driver, repair=True)
        again = await check(node.database, node.driver, repair=True)
        assert (again.clean, again.waiting_count, again.waiting_until) == (True, 1, repaired.waiting_until)
        assert abs(again.waiting_until - node.database.now() - GRACE) < 60_000
        await node.later(GRACE - 60_000)
        await node.collect()
        assert await node.objects() == [left.key]
        await node.later(120_000)
        await node.collect()
        assert await node.objects() == []

    async def test_restored_bytes_are_given_back_although_their_object_waits_to_be_deleted(
        self, node: Node, objects: dict[str, bytes]
    ) -> None:
        await node.push("r/app", "1.0", BIG)
        (key,) = objects
        objects[key] = BIG[:-1] + b"?"
        await fsck(node.database, node.driver, repair=True)
        await write(node.database, "DELETE FROM writer")
        await check(node.database, node.driver, repair=True)
        assert await node.database.row(sql("SELECT storage_key FROM delete_queue")) == (key,)
        objects[key] = BIG
        assert (await check(node.database, node.driver, repair=True)).repaired == 1
        await node.later(2 * GRACE)
        await node.collect()
        fresh = await another(node)
        assert (await fresh.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG

    async def test_an_object_that_may_be_deleted_any_moment_is_given_to_nobody(
        self, node: Node, objects: dict[str, bytes]
    ) -> None:
        await node.push("r/app", "1.0", BIG)
        (key,) = objects
        body = objects.pop(key)
        await check(node.database, node.driver, repair=True)
        objects[key] = body
        await write(node.database, "DELETE FROM writer")
        await write(node.database, f"INSERT INTO delete_queue (storage_key, not_before) VALUES ('{key}', 0)")
        assert (await check(node.database, node.driver, repair=True)).repaired == 0
        await node.collect()
        assert await node.objects() == []

    async def test_lost_bytes_that_are_back_are_given_back(self, node: Node, objects: dict[str, bytes]) -> None:
        await node.push("r/app", "1.0", BIG, HUGE)
        key = next(key for key, body in objects.items() if body == BIG)
        body = objects.pop(key)
        assert (await check(node.database, node.driver, repair=True)).repaired == 1
        objects[key] = body
        assert (await check(node.database, node.driver)).missing_count == 1
        assert (
            await check(node.database, node.driver, repair=True)
        ).repaired == 0  # its hour is open: it may be in flight
        await node.writer.opened("2999123123")
        await node.writer.beat(node.intake)
        assert (await check(node.database, node.driver, repair=True)).repaired == 1
        assert (await check(node.database, node.driver)).clean
        fresh = await another(node)
        assert (await fresh.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG
