"""The background process of a node: collection, retention, compaction, events, durable jobs, sweeps.

Every node has one; all of its work may be done by several at once (rows are locked, leased or numbered by one at a time).
"""

from __future__ import annotations

from entrepot.cluster.child import Child, begin  # before anybody else imports structlog: see there

# isort: split
import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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
from entrepot.periodic import Work, in_background
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
    database = store.database
    repositories = Repositories.reading(database)
    feed = Feed(database, (ArchiveIndex(database, store.content),))
    await feed.join()
    await _warn_of_idle_ports(repositories, settings)
    making_room = MakingRoom(store, settings, repositories)
    audit = AuditLog(database, logs_folder(settings.home), settings.home / "audit.position")
    async with in_background(
        *making_room.works(),
        *_jobs(store, settings, making_room.all_at_once),
        (_OFTEN, feed.round, "events"),
        (_OFTEN, audit.round, "audit log"),
        (_SWEEP, Sweep(database, store.driver).round, "sweep"),
        (float(settings.gc_interval_seconds), Compaction(database, store.intake).round, "compaction"),
        (_HOUR, functools.partial(_forget, database), "expiry"),
    ):
        try:
            yield
        finally:
            audit.close()


class MakingRoom:
    """What gives space back: retention and the trash let go of items, and collection of what no item holds any more."""

    def __init__(self, store: Store, settings: Settings, repositories: Repositories) -> None:
        database, tree = store.database, store.tree
        folder = shared_folder() if settings.metrics_enabled else None
        self._interval = float(settings.gc_interval_seconds)
        self._repositories = repositories
        self._retention = Retention(database, tree, repositories.by_id)
        self._trash = TrashRetention(database, Branches(database, tree), repositories.get)
        self._collection = Telling(Collection(database, store.driver), database, folder, self._interval)

    def works(self) -> Iterator[Work]:
        """Yield what a node does by itself: each on its own, so that one which fails holds up no other."""
        yield self._interval, self._retain, "retention"
        yield self._interval, self._empty_trash, "trash"
        yield self._interval, self._collection.by_itself, "collection"
        yield _SWEEP, self._collection.look, "metrics"

    async def all_at_once(self) -> None:
        """Do all of it now; collect whatever became of the rest."""
        try:
            await self._retain()
            await self._empty_trash()
        finally:
            await self._collection.round()

    async def _retain(self) -> None:
        await self._repositories.refresh()
        await self._retention.round()

    async def _empty_trash(self) -> None:
        await self._repositories.refresh()
        await self._trash.round()


def _jobs(store: Store, settings: Settings, collect: Callable[[], Awaitable[object]]) -> Iterator[Work]:
    """Yield a queue for each kind of durable job: one that takes hours, as pruning may, holds up no other kind."""
    database = store.database
    checksums = FindChecksums(database, store.content, settings.upload_expiry_seconds * 1000)
    for name, kind, handle in (
        ("jobs", PURGE, Purge(database)),
        ("uploads", CHECKSUMS, checksums),
        ("pruning", PRUNE, Pruning(database, store.driver)),
        ("what was asked for", COLLECT, Asked(collect)),
    ):
        yield _OFTEN, Queue(database, {kind: handle}, settings.node_id).round, name


async def _warn_of_idle_ports(repositories: Repositories, settings: Settings) -> None:
    if settings.docker_ports:
        await repositories.refresh()
    for port, key in idle_ports(settings, repositories.get):
        log.warning("docker.ports.no_such_repository", port=port, repository=key)


async def _forget(database: Database) -> None:
    for prune in (token_rows.prune, sessions.prune, trail.prune):
        while await prune(database):
            pass


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
