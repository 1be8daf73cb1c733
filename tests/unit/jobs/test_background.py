"""The duties of the background process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrepot import background
from entrepot.artifacts.retention import TrashRetention
from entrepot.jobs.collection import Report
from entrepot.jobs.queue import Job, Queue, Renew, enqueue
from entrepot.store import Store
from tests.served import settings_of
from tests.world import GRACE, Node


async def test_garbage_is_collected_also_while_the_trash_cannot_be_emptied(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duties: dict[str, Callable[[], Awaitable[object]]] = {}

    @asynccontextmanager
    async def noted(*works: tuple[float, Callable[[], Awaitable[object]], str]) -> AsyncIterator[None]:
        duties.update((name, work) for _, work, name in works)
        yield

    async def slow(self: TrashRetention) -> int:
        raise TimeoutError

    monkeypatch.setattr(background, "in_background", noted)
    monkeypatch.setattr(TrashRetention, "round", slow)
    store = Store(node.database, node.driver, node.intake, node.writer, node.content, node.tree)
    await node.upload("r/app", b"x" * 50_000)
    await node.later(GRACE + 1000)
    async with background.working(store, settings_of(tmp_path / "home")):
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
