"""What several processes change, and read again, at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from entrepot.auth.audit import SYSTEM
from entrepot.auth.epochs import Epochs
from entrepot.configuration.documents import Documents, Entry, read
from entrepot.metadata.database import Row, Tx
from entrepot.metadata.sql import Parameter, Statement
from entrepot.metadata.versions import bump
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.configuration import create
from tests.unit.auth.support import Clocked, configured


def documents(database: Clocked, epochs: Epochs) -> Documents:
    return Documents(database, bump=bump, announce=epochs.announce)


async def test_changes_made_at_once_each_keep_what_the_other_made_of_a_new_document(
    database: Clocked, epochs: Epochs
) -> None:
    here, there = documents(database, epochs), documents(database, epochs)
    others: list[asyncio.Task[None]] = []

    async def first(tx: Tx) -> None:
        body = await read(tx, "general") or {}
        if database.engine == "postgresql":  # on SQLite no body begins before another has ended
            others.append(asyncio.create_task(there.change(second)))
            await asyncio.wait(others, timeout=0.2)
        await here.store(tx, [Entry("general", "", {**body, "serverName": "x"})])

    async def second(tx: Tx) -> None:
        await there.store(tx, [Entry("general", "", {**(await read(tx, "general") or {}), "offlineMode": True})])

    await here.change(first)
    await (others[0] if others else there.change(second))
    assert await read(database, "general") == {"serverName": "x", "offlineMode": True}


async def overtaken(
    database: Clocked, refresh: Callable[[], Awaitable[None]], change: Awaitable[None], patched: pytest.MonkeyPatch
) -> None:
    """Read again, twice at once: the first has its rows before the change, and keeps them until the second has had its turn."""
    rows, held, gate = database.rows, asyncio.Event(), asyncio.Event()

    async def slow(statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        found = await rows(statement, **parameters)
        patched.setattr(database, "rows", rows)
        held.set()
        await gate.wait()
        return found

    async def again() -> None:
        await refresh()

    patched.setattr(database, "rows", slow)
    first = asyncio.create_task(again())
    await held.wait()
    await change
    second = asyncio.create_task(again())
    await asyncio.wait([second], timeout=0.2)
    gate.set()
    await asyncio.gather(first, second)


async def test_documents_read_late_do_not_hide_newer_ones(
    database: Clocked, epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = documents(database, epochs), documents(database, epochs)
    newer = configured(there, Entry("general", "", {"serverName": "new"}))
    await overtaken(database, here.refresh, newer, monkeypatch)
    assert here.one("general") == {"serverName": "new"}


async def test_repositories_read_late_do_not_hide_newer_ones(
    database: Clocked, epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (Repositories(database, bump=bump, announce=epochs.announce) for _ in range(2))
    newer = there.create(create("libs", {"rclass": "local", "packageType": "generic"}, lambda _: None), SYSTEM)
    await overtaken(database, here.refresh, newer, monkeypatch)
    assert here.get("libs") is not None
