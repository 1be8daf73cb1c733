"""The background process of a node: collection, retention, compaction, events, durable jobs, sweeps.

Every node has one; all of its work may be done by several at once (rows are locked, leased or numbered by one at a time).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from entrepot.cluster.writers import sweep_dead
from entrepot.events.followers import Feed
from entrepot.formats.docker.retention import Retention
from entrepot.jobs.collection import Collection
from entrepot.jobs.compaction import Compaction
from entrepot.jobs.purge import KIND as PURGE
from entrepot.jobs.purge import Purge
from entrepot.jobs.queue import Queue
from entrepot.repositories.catalog import Repositories
from entrepot.wiring import Store, in_background, open_store, writing

if TYPE_CHECKING:
    from entrepot.settings import Settings

_OFTEN, _SWEEP = 1.0, 15.0  # seconds


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; what is under way is finished or rolled back."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    store = await open_store(settings)
    try:
        async with writing(store), working(store, settings):
            await stopped.wait()
    finally:
        await store.driver.close()
        await store.database.close()


@contextlib.asynccontextmanager
async def working(store: Store, settings: Settings) -> AsyncIterator[None]:
    """Run all periodic work until the block ends."""
    repositories = Repositories.reading(store.database)
    collection = Collection(store.database, store.driver)
    retention = Retention(store.database, store.tree, repositories.by_id)
    compaction = Compaction(store.database, store.intake)
    queue = Queue(store.database, {PURGE: Purge(store.database)}, settings.node_id)
    feed = Feed(store.database, ())

    async def tidy() -> None:
        await repositories.refresh()
        await retention.round()
        await collection.round()

    interval = float(settings.gc_interval_seconds)
    async with in_background(
        (interval, tidy, "collection"),
        (interval, compaction.round, "compaction"),
        (_OFTEN, queue.round, "jobs"),
        (_OFTEN, feed.round, "events"),
        (_SWEEP, lambda: sweep_dead(store.database, store.driver), "sweep"),
    ):
        yield
