"""The duties of the background process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrepot import background
from entrepot.artifacts.retention import TrashRetention
from entrepot.auth import trail
from entrepot.errors import Conflict
from entrepot.jobs.asked import ask
from entrepot.jobs.collection import Report
from entrepot.jobs.queue import Job, Queue, Renew, enqueue, listed
from entrepot.metadata.sql import sql
from entrepot.metrics import collected
from entrepot.store import Store
from tests.served import settings_of
from tests.stores import write
from tests.world import GRACE, Node

Duties = dict[str, Callable[[], Awaitable[object]]]


@pytest.fixture
async def duties(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Duties]:
    """What the background process does now and then, by name, for the test to call."""
    found: Duties = {}

    @asynccontextmanager
    async def noted(*works: tuple[float, Callable[[], Awaitable[object]], str]) -> AsyncIterator[None]:
        found.update((name, work) for _, work, name in works)
        yield

    monkeypatch.setattr(background, "in_background", noted)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    store = Store(node.database, node.driver, node.intake, node.writer, node.content, node.tree)
    async with background.working(store, settings_of(tmp_path / "home")):
        yield found


async def test_a_collection_that_was_asked_for_is_done_at_the_next_look_and_once(node: Node, duties: Duties) -> None:
    await node.upload("r/app", b"x" * 50_000)
    for _ in range(2):
        await node.later(GRACE + 1000)
        assert await duties["what was asked for"]() == 0
        await node.database.transact(ask)
        await node.database.transact(ask)
        assert [job.state for job in await listed(node.database)] == ["queued"]
        assert await duties["what was asked for"]() == 1
        assert await listed(node.database) == []
    assert await node.count("blob") == 0


async def test_what_was_asked_for_and_fails_is_told_and_can_be_asked_for_again(
    node: Node, duties: Duties, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(self: TrashRetention) -> int:
        raise Conflict("no luck")

    await node.upload("r/app", b"x" * 50_000)
    await node.later(GRACE + 1000)
    with monkeypatch.context() as patched:
        patched.setattr(TrashRetention, "round", fails)
        await node.database.transact(ask)
        assert await duties["what was asked for"]() == 0
    assert [(job.state, job.error) for job in await listed(node.database)] == [("failed", "no luck")]
    assert await node.count("image_blob") == 0  # what could be done was done
    await node.database.transact(ask)
    assert await duties["what was asked for"]() == 1


async def test_collections_are_told_whether_or_not_they_were_asked_for(
    node: Node, duties: Duties, tmp_path: Path
) -> None:
    await duties["collection"]()
    await node.database.transact(ask)
    await duties["what was asked for"]()
    await duties["metrics"]()
    told = collected.noted(tmp_path)
    assert told is not None
    assert told.sums.runs == 2


async def test_all_that_has_expired_is_forgotten_however_many_steps_that_takes(
    node: Node, duties: Duties, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "_STEP", 1)
    for time in (0, 1, node.database.now()):
        await write(
            node.database,
            "INSERT INTO audit (time, actor, address, action, outcome, subject, detail) VALUES (:time, '', '', '', '', 's', '')",
            time=time,
        )
    await duties["expiry"]()
    rows = await node.database.rows(sql("SELECT time FROM audit WHERE subject = 's'"))
    assert [row[0] for row in rows] == [time]


async def test_garbage_is_collected_also_while_the_trash_cannot_be_emptied(
    node: Node, duties: Duties, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(self: TrashRetention) -> int:
        raise TimeoutError

    monkeypatch.setattr(TrashRetention, "round", slow)
    await node.upload("r/app", b"x" * 50_000)
    await node.later(GRACE + 1000)
    report = await duties["collection"]()
    assert isinstance(report, Report)
    assert report.names == 1
    with pytest.raises(TimeoutError):
        await duties["trash"]()


async def test_what_a_killed_process_was_doing_goes_on_at_the_next_start_where_nobody_else_can_be_doing_it(
    node: Node, tmp_path: Path
) -> None:
    async def done(job: Job, renew: Renew) -> None:
        assert job.attempts == 2

    await node.database.transact(lambda tx: enqueue(tx, "k", {}))
    queue = Queue(node.database, {"k": done}, "n")
    assert await queue._claim() is not None
    store = Store(node.database, node.driver, node.intake, node.writer, node.content, node.tree)
    await background.begin_anew(store, settings_of(tmp_path / "home"), 0)
    assert await queue.round() == (1 if node.database.engine == "sqlite" else 0)
