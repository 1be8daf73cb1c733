"""The background process of a node: collection, retention, compaction, events, durable jobs, sweeps.

Every node has one; all of its work may be done by several at once (rows are locked, leased or numbered by one at a time).
"""

from __future__ import annotations

from entrepot.cluster.child import Child, begin  # before anybody else imports structlog: see there

# isort: split
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import structlog

from entrepot.artifacts.branches import Branches
from entrepot.artifacts.multipart import KIND as CHECKSUMS
from entrepot.artifacts.multipart import FindChecksums
from entrepot.artifacts.retention import TrashRetention
from entrepot.auth import sessions, token_rows, trail
from entrepot.auth.trail import AuditLog
from entrepot.clock import SystemClock
from entrepot.cluster.home import HANDED_OVER, event_log, logs_folder, run_folder
from entrepot.cluster.namesakes import Namesakes
from entrepot.cluster.store_place import note_store
from entrepot.cluster.writers import Sweep
from entrepot.errors import EntrepotError
from entrepot.events.followers import Feed
from entrepot.formats.docker.retention import Retention
from entrepot.jobs.asked import KIND as COLLECT
from entrepot.jobs.asked import Asked
from entrepot.jobs.collection import Collection
from entrepot.jobs.compaction import Compaction
from entrepot.jobs.pruning import KIND as PRUNE
from entrepot.jobs.pruning import Pruning
from entrepot.jobs.purge import KIND as PURGE
from entrepot.jobs.purge import Purge
from entrepot.jobs.queue import Queue, release
from entrepot.jobs.telling import Telling
from entrepot.logs.setup import configure
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.sql import sql
from entrepot.metrics.collected import shared_folder
from entrepot.periodic import in_background
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.ports import idle_ports
from entrepot.search.archive_index import ArchiveIndex
from entrepot.store import Store, open_store, writing

if TYPE_CHECKING:
    from entrepot.settings import Settings

log = structlog.get_logger()

_OFTEN, _SWEEP, _HOUR = 1.0, 15.0, 3600.0  # seconds
_FAILED = 3

_FENCE = sql("UPDATE writer SET fenced = 0 WHERE heartbeat < :began AND fenced IS NULL")


async def run(child: Child) -> None:
    """Work until the supervisor says that it is enough; what is under way is finished or rolled back."""
    settings = child.settings
    store = await open_store(settings)
    try:
        began = _began(store.database, settings)
        await begin_anew(store, settings, began)
        looking = (_SWEEP, Namesakes(store.database, settings, began).round, "namesakes")
        async with writing(store), working(store, settings), in_background(looking):
            child.ready()
            await child.stop_asked()
    finally:
        await store.driver.close()
        await store.database.close()


def _began(database: Database, settings: Settings) -> int:
    """Return a time by the database's clock from just before this node started, which was not when this process did."""
    started = (run_folder(settings.home) / HANDED_OVER).stat().st_mtime
    return int(started * 1000) - 1000 + database.now() - SystemClock().now()


async def begin_anew(store: Store, settings: Settings, began: int) -> None:
    """Write down where the blobs are.

    On SQLite, where nobody else can be alive, fence the writers of earlier runs and release their jobs.
    """

    async def work(tx: Tx) -> str | None:
        if store.database.engine == "sqlite":
            await tx.execute(_FENCE, began=began)
            await release(tx)
        return await note_store(tx, settings.blob_store, settings.home)

    before = await store.database.transact(work)
    if before is not None:
        log.warning("blob.store.changed", before=before, now=settings.blob_store)


@contextlib.asynccontextmanager
async def working(store: Store, settings: Settings) -> AsyncIterator[None]:
    """Run all periodic work until the block ends."""
    repositories = Repositories.reading(store.database)
    interval = float(settings.gc_interval_seconds)
    pruning = Queue(store.database, {PRUNE: Pruning(store.database, store.driver)}, settings.node_id)  # takes hours
    folder = shared_folder() if settings.metrics_enabled else None
    collection = Telling(Collection(store.database, store.driver), store.database, folder, interval)
    retention = Retention(store.database, store.tree, repositories.by_id)
    compaction = Compaction(store.database, store.intake)
    merging = FindChecksums(store.database, store.content, settings.upload_expiry_seconds * 1000)
    queue = Queue(store.database, {PURGE: Purge(store.database)}, settings.node_id)
    uploads = Queue(store.database, {CHECKSUMS: merging}, settings.node_id)  # which nobody's purge shall hold up
    feed = Feed(store.database, (ArchiveIndex(store.database, store.content),))
    await feed.join()
    if settings.docker_ports:
        await repositories.refresh()
    for port, key in idle_ports(settings, repositories.get):
        log.warning("docker.ports.no_such_repository", port=port, repository=key)
    trash = TrashRetention(store.database, Branches(store.database, store.tree), repositories.get)

    audit = AuditLog(store.database, logs_folder(settings.home), settings.home / "audit.position")

    async def forget() -> None:
        for prune in (token_rows.prune, sessions.prune, trail.prune):
            left = 1
            while left:
                left = await prune(store.database)

    async def retain() -> None:
        await repositories.refresh()
        await retention.round()

    async def empty_trash() -> None:
        await repositories.refresh()
        await trash.round()

    async def all_at_once() -> None:
        try:
            await retain()
            await empty_trash()
        finally:
            await collection.round()

    asked = Queue(store.database, {COLLECT: Asked(all_at_once)}, settings.node_id)  # likewise
    async with in_background(
        (interval, retain, "retention"),
        (interval, empty_trash, "trash"),
        (interval, collection.by_itself, "collection"),
        (_SWEEP, collection.look, "metrics"),
        (interval, compaction.round, "compaction"),
        (_OFTEN, queue.round, "jobs"),
        (_OFTEN, uploads.round, "uploads"),
        (_OFTEN, pruning.round, "pruning"),
        (_OFTEN, asked.round, "what was asked for"),
        (_OFTEN, feed.round, "events"),
        (_OFTEN, audit.round, "audit log"),
        (_HOUR, forget, "expiry"),
        (_SWEEP, Sweep(store.database, store.driver).round, "sweep"),
    ):
        try:
            yield
        finally:
            audit.close()


def main(arguments: list[str]) -> int:
    """Run as the supervisor's program; return the exit status."""
    child = begin(arguments)
    events = event_log(child.settings, "jobs")
    configure(events)
    try:
        asyncio.run(run(child))
    except EntrepotError as error:
        child.failed(error.message)
        return _FAILED
    finally:
        events.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
