"""Writers: what a dead one leaves goes, what it named stays."""

import pytest

from entrepot.blobs.contract import StoreUnavailable
from entrepot.cluster.writers import Sweep, sweep_dead
from entrepot.metadata.database import DatabaseUnavailable
from entrepot.store import Store, writing
from tests.stores import value, write
from tests.world import Node, another, sha256

BIG, HUGE = b"x" * 50_000, b"y" * 60_000


async def test_what_a_dead_writer_left_goes_and_what_it_named_stays(node: Node) -> None:
    dead = await another(node)
    await dead.upload("r/app", BIG)
    await dead.leave_garbage(HUGE)
    assert await sweep_dead(node.database, node.driver) == 0
    await write(node.database, f"UPDATE writer SET heartbeat = 0 WHERE id = '{dead.writer.id}'")
    assert await sweep_dead(node.database, node.driver, wait=-1) == 1
    await node.later(10)
    await node.collect()
    assert len(await node.objects()) == 1
    assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(BIG)}")).body == BIG
    assert await value(node.database, "SELECT COUNT(*) FROM writer") == 1


async def test_a_writer_that_was_taken_for_dead_is_refused(node: Node) -> None:
    dead = await another(node)
    await write(node.database, f"UPDATE writer SET heartbeat = 0 WHERE id = '{dead.writer.id}'")
    await sweep_dead(node.database, node.driver)
    answer = await dead.ask("POST", f"/v2/r/app/blobs/uploads/?digest={sha256(BIG)}", BIG)
    assert answer.status == 503
    assert await node.count("blob") == 0


async def test_a_process_begins_to_read_while_nothing_can_be_written_and_is_a_writer_later(
    node: Node, monkeypatch: pytest.MonkeyPatch
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


async def test_an_object_in_doubt_goes_unless_a_row_names_it(node: Node) -> None:
    left = await node.leave_garbage(BIG)
    node.intake.doubt(left)
    await node.upload("r/app", HUGE)
    named = (await node.objects())[:]
    named.remove(left.key or "")
    node.intake.unsettled = dict.fromkeys([*node.intake.unsettled, *named], 0)
    await node.writer.beat(node.intake)
    assert await node.objects() == named
    assert node.intake.unsettled == {}


async def test_an_object_that_cannot_be_deleted_keeps_no_other_in_doubt(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = await node.leave_garbage(BIG), await node.leave_garbage(HUGE)
    delete = node.driver.delete

    async def refusing(key: str) -> None:
        if key == stuck.key:
            raise StoreUnavailable
        await delete(key)

    node.intake.unsettled = {stuck.key or "": 0, other.key or "": 0}
    with monkeypatch.context() as patch:
        patch.setattr(node.driver, "delete", refusing)
        with pytest.raises(StoreUnavailable):
            await node.writer.beat(node.intake)
        await node.writer.beat(node.intake)
    assert await node.objects() == [stuck.key]
    assert set(node.intake.unsettled) == {stuck.key}
    node.intake.unsettled[stuck.key or ""] = 0
    await node.writer.beat(node.intake)
    assert await node.objects() == []


async def test_a_writer_that_ends_well_leaves_no_row_unless_something_is_unsettled(node: Node) -> None:
    await node.upload("r/app", BIG)
    busy = await another(node)
    await busy.leave_garbage(BIG)
    await busy.writer.leave(busy.intake)
    await node.writer.leave(node.intake)
    assert await value(node.database, "SELECT id FROM writer") == busy.writer.id


async def test_what_is_in_doubt_at_the_end_may_still_be_committed_and_is_left_to_the_sweep(node: Node) -> None:
    left = await node.leave_garbage(BIG)
    node.intake.doubt(left)
    await node.writer.leave(node.intake)
    assert await node.objects() == [left.key]
    await write(node.database, "UPDATE writer SET heartbeat = 0")
    assert await sweep_dead(node.database, node.driver, wait=0) == 1


@pytest.mark.parametrize("gone", [False, True], ids=["fenced", "swept"])
async def test_a_process_that_was_taken_for_dead_ends_once_and_stores_nothing_more(node: Node, gone: bool) -> None:
    ended: list[bool] = []
    node.writer.end = lambda: ended.append(True)
    await node.writer.beat(node.intake)
    assert ended == []
    await write(node.database, "UPDATE writer SET heartbeat = 0")
    await sweep_dead(node.database, node.driver, wait=-1 if gone else 120_000)
    for _ in range(2):
        await node.writer.beat(node.intake)
    assert ended == [True]
    answer = await node.ask("POST", f"/v2/r/app/blobs/uploads/?digest={sha256(BIG)}", BIG)
    assert answer.status == 503


async def test_a_sweep_that_was_held_up_takes_nobody_for_dead_before_all_could_beat(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, fenced = Sweep(node.database, node.driver), "SELECT COUNT(*) FROM writer WHERE fenced IS NOT NULL"
    await sweep.round()
    now = node.database.now()
    with monkeypatch.context() as patch:
        patch.setattr(node.database, "now", lambda: now - 130_000)
        await sweep.round()  # and then all stood still
    await write(node.database, "UPDATE writer SET heartbeat = heartbeat - 130000")
    await sweep.round()
    assert await value(node.database, fenced) == 0
    await sweep.round()
    assert await value(node.database, fenced) == 1
