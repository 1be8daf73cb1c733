"""Database and blob store as each process of a node opens them, and the process as a writer of objects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.mark import NotThisStore
from entrepot.blobs.drivers.open import open_driver
from entrepot.blobs.drivers.places import located
from entrepot.blobs.intake import Intake
from entrepot.blobs.key_maker import KeyMaker
from entrepot.clock import SystemClock, new_id
from entrepot.cluster.namesakes import label
from entrepot.cluster.store_mark import recognise
from entrepot.cluster.store_place import last_store
from entrepot.cluster.writers import BEAT_SECONDS, Writer
from entrepot.errors import Unavailable, reason
from entrepot.formats.docker.projection import DockerProjection
from entrepot.metadata.database import Database, DatabaseUnavailable
from entrepot.metadata.objects import set_grace
from entrepot.metadata.open import open_database
from entrepot.metadata.tree import Tree
from entrepot.periodic import in_background
from entrepot.repositories.content import Content
from entrepot.repositories.fields import DOCKER

if TYPE_CHECKING:
    from entrepot.settings import Settings

log = structlog.get_logger()


@dataclass(slots=True)
class Store:
    """Database and blob store as one process has opened them, with what joins them."""

    database: Database
    driver: Driver
    intake: Intake
    writer: Writer
    content: Content
    tree: Tree


def open_blobs(settings: Settings) -> Driver:
    """Open the blob store that the settings name. Raises BlobStoreUrlInvalid, StoreUnavailable."""
    credentials = None
    if settings.blob_store.startswith("s3:") and settings.s3_access_key and settings.s3_secret_key:
        from entrepot.blobs.drivers.s3 import S3Credentials  # noqa: PLC0415 - obstore weighs on those only who use it

        credentials = S3Credentials(settings.s3_access_key.reveal(), settings.s3_secret_key.reveal())
    return open_driver(settings.blob_store, credentials)


async def open_store(settings: Settings, moved: Callable[[], int] = lambda: 0) -> Store:
    """Open database and blob store, and put the grace time in force: what is stored first is kept as long as the rest.

    `moved` counts up when bytes are given up. Raises Unavailable with the reason.
    """
    database = await open_database(settings.home, settings.database_url, settings.database_connections)
    driver = open_blobs(settings)
    try:
        elsewhere = await last_store(database, settings.home) != settings.blob_store
        await recognise(database, driver, elsewhere=elsewhere)
    except NotThisStore:
        await database.close()
        raise
    except Unavailable as error:  # a full disk keeps nobody from reading; the next start tries again
        log.warning("blob.store.not_marked", reason=reason(error))
    try:
        await set_grace(database, settings.gc_grace_seconds * 1000)
    except DatabaseUnavailable as error:  # likewise
        log.warning("grace.not_set", reason=reason(error))
    writer = Writer(database, new_id(), label(settings))
    clock = SystemClock()
    intake = Intake(driver, KeyMaker(writer.id, writer.opened, clock), writer.id, clock)
    tree = Tree(dict.fromkeys(DOCKER, DockerProjection()))
    return Store(database, driver, intake, writer, Content(database, driver, moved), tree)


def blob_folder(settings: Settings) -> Path | None:
    """Return the folder of the blob store, where it is one. Raises BlobStoreUrlInvalid."""
    where = located(settings.blob_store)
    return where if isinstance(where, Path) else None


@contextlib.asynccontextmanager
async def writing(store: Store) -> AsyncIterator[None]:
    """Be a writer of objects until the block ends.

    A database that takes no writes now, for a full disk, keeps nobody from reading: then the first key or beat enters.
    """
    try:
        await store.writer.enter()
    except DatabaseUnavailable as error:
        log.warning("writer.not_entered", reason=reason(error))
    async with in_background((BEAT_SECONDS, lambda: store.writer.beat(store.intake), "writer")):
        yield
    await store.writer.leave(store.intake)
