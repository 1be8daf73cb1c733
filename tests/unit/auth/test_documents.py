"""Documents that several processes change at once."""

import asyncio

from entrepot.auth.epochs import Epochs
from entrepot.configuration.documents import Documents, Entry, read
from entrepot.metadata.database import Tx
from entrepot.metadata.versions import bump
from tests.unit.auth.support import Clocked


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
