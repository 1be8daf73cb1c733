"""The one place where concrete objects are built: what a process of a node works with, and the table of its routes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from entrepot.artifacts.annotate import Annotate
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.deploy import Deploy
from entrepot.artifacts.download import Download
from entrepot.artifacts.explode import Explode
from entrepot.artifacts.journeys import Journeys
from entrepot.artifacts.latest import Latest
from entrepot.artifacts.multipart import Uploads
from entrepot.artifacts.packing import Packing
from entrepot.artifacts.removal import Removal
from entrepot.artifacts.sidecars import Sidecars
from entrepot.artifacts.storage import Storage
from entrepot.artifacts.transfer import Transfer
from entrepot.auth import accounts
from entrepot.auth.audit import SYSTEM, record
from entrepot.auth.entrance import Entrance
from entrepot.auth.passwords import Passwords
from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.mark import NotThisStore
from entrepot.blobs.drivers.open import open_driver
from entrepot.blobs.drivers.places import located
from entrepot.blobs.intake import Intake
from entrepot.blobs.keys import KeyMaker
from entrepot.clock import SystemClock, new_id
from entrepot.cluster.namesakes import label
from entrepot.cluster.store_mark import recognise
from entrepot.cluster.store_place import last_store
from entrepot.cluster.writers import BEAT_SECONDS, Writer
from entrepot.errors import Invalid, Unavailable, reason
from entrepot.formats.docker.blobs import Blobs
from entrepot.formats.docker.discard import Discard
from entrepot.formats.docker.lists import Lists
from entrepot.formats.docker.mounts import Mounts
from entrepot.formats.docker.placing import Placing
from entrepot.formats.docker.projection import DockerProjection
from entrepot.formats.docker.promotion import Promotion
from entrepot.formats.docker.pull import Pull
from entrepot.formats.docker.push import Push
from entrepot.formats.docker.referrers import Referrers
from entrepot.formats.docker.routes import rows as docker_rows
from entrepot.formats.docker.tickets import Tickets
from entrepot.formats.docker.uploads import Uploads as DockerUploads
from entrepot.messages import Gate, Row
from entrepot.metadata.database import Database, DatabaseUnavailable, Tx
from entrepot.metadata.open import open_database
from entrepot.metadata.tree import Tree
from entrepot.metadata.versions import bump
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.content import Content
from entrepot.repositories.downloads import Downloads
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granter
from entrepot.repositories.layouts import SECTION, Layouts
from entrepot.repositories.project_quota import Room
from entrepot.repositories.repository import Repository
from entrepot.rest.artifacts import Artifacts
from entrepot.rest.configuration import ConfigurationApi
from entrepot.rest.docker_promotion import PromotionApi
from entrepot.rest.docker_token import DockerTokens
from entrepot.rest.repositories import RepositoryApi
from entrepot.rest.search import SearchApi
from entrepot.rest.search_answers import Answers
from entrepot.rest.search_aql import AqlApi
from entrepot.rest.search_builds import BuildSearchApi
from entrepot.rest.search_licenses import LicenseSearchApi
from entrepot.rest.search_modules import ModuleSearchApi
from entrepot.rest.storage import StorageApi
from entrepot.rest.storage_summary import StorageSummaryApi
from entrepot.rest.system import SystemApi
from entrepot.rest.system_info import SystemInfoApi
from entrepot.rest.tasks import TasksApi
from entrepot.rest.transfer import TransferApi
from entrepot.rest.uploads import UploadsApi
from entrepot.rest.webdav import WebDavApi
from entrepot.search.aql.run import Aql
from entrepot.search.builds import Builds
from entrepot.search.finder import Finder

if TYPE_CHECKING:
    from entrepot.settings import Settings

_TOLD_AGAIN = 60.0  # seconds between two lines about what goes on failing

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
    """Open database and blob store; `moved` counts up when bytes are given up. Raises Unavailable with the reason."""
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
    writer = Writer(database, new_id(), label(settings))
    clock = SystemClock()
    intake = Intake(driver, KeyMaker(writer.id, writer.opened, clock), writer.id, clock)
    tree = Tree(dict.fromkeys(DOCKER, DockerProjection()))
    return Store(database, driver, intake, writer, Content(database, driver, moved), tree)


@dataclass(slots=True)
class Shared:
    """What the rooms of one process share."""

    store: Store
    settings: Settings
    entrance: Entrance
    granter: Granter
    repositories: Repositories
    downloads: Downloads
    anonymous: Callable[[], bool]  # whether callers without credentials are let in

    taking: tuple[Gate, ...]  # the gates before whatever takes bytes in
    room: Room

    @property
    def layouts(self) -> Layouts:
        """How repositories lay their files out."""
        documents = self.entrance.documents
        return Layouts(lambda: documents.section(SECTION))


def docker(shared: Shared, *, key: bytes) -> tuple[Row, ...]:
    """Build the Docker format; `key` signs the ids of upload sessions."""
    store, settings, at = shared.store, shared.settings, shared.entrance
    lifetime = settings.upload_expiry_seconds * 1000
    placing = Placing(store.tree, sparse=settings.docker_sparse)
    tokens = DockerTokens(
        store.database, at.authenticator, at.tokens, granter=shared.granter, anonymous=shared.anonymous
    )
    limit = settings.manifest_limit_bytes
    promotion = Promotion(store.database, store.content, placing, room=shared.room, manifest_limit=limit)
    beside = tokens.rows() + PromotionApi(promotion, shared.granter).rows()
    return beside + docker_rows(
        pull=Pull(store.database, store.content, shared.downloads),
        push=Push(store.database, store.content, store.intake, placing=placing, manifest_limit=limit),
        discard=Discard(store.database, placing),
        blobs=Blobs(store.database, store.content),
        uploads=DockerUploads(
            store.database,
            store.content,
            store.intake,
            tickets=Tickets(key, store.database, lifetime),
            mounts=Mounts(store.database, shared.granter, shared.repositories.by_id),
            lifetime=lifetime,
        ),
        taking=shared.taking,
        lists=Lists(store.database, shared.granter, shared.repositories.all),
        referrers=Referrers(store.database, store.content),
    )


def artifacts(shared: Shared, *, key: bytes) -> tuple[Row, ...]:
    """Build the artifact API: paths of the tree, storage, copy and move, trash; `key` signs tickets of multi-part uploads."""
    store, documents, repositories = shared.store, shared.entrance.documents, shared.repositories
    database, content = store.database, store.content
    branches = Branches(database, store.tree)
    journeys = Journeys(database, store.tree, branches)
    deploy = Deploy(database, content, store.intake, tree=store.tree, granter=shared.granter, room=shared.room)
    lifetime = shared.settings.upload_expiry_seconds * 1000
    uploads = Uploads(database, store.intake, deploy, key=key, lifetime=lifetime)
    removal = Removal(database, branches, journeys, find_repository=repositories.get, documents=documents)
    storage, packing = Storage(database, content, branches), Packing(content, branches, documents)
    transfer = TransferApi(
        Transfer(database, journeys, shared.room), removal, repositories.get, storage=storage, packing=packing
    )
    return (
        *StorageApi(database, storage, Annotate(database, branches)).rows(),
        *transfer.rows(),
        *UploadsApi(uploads, shared.granter, shared.room, shared.taking).rows(),
        *Artifacts(
            deploy,
            Download(database, content, shared.downloads, Latest(database, shared.layouts)),
            Explode(deploy),
            removal=removal,
            uploads=uploads,
            sidecars=Sidecars(database, content),
            taking=shared.taking,
        ).rows(),
        *WebDavApi(storage, deploy).rows(),
    )


def searches(shared: Shared) -> tuple[Row, ...]:
    """Build what searches: the older endpoints and AQL."""
    database, all_of_them = shared.store.database, shared.repositories.all
    finder = Finder(database, all_of_them)
    answers = Answers(database, shared.store.content, finder)
    return (
        *SearchApi(database, answers).rows(),
        *ModuleSearchApi(answers, shared.layouts).rows(),
        *LicenseSearchApi(database, finder).rows(),
        *BuildSearchApi(Builds(database, finder, all_of_them)).rows(),
        *AqlApi(Aql(database, all_of_them)).rows(),
    )


def administration(
    shared: Shared, *, readiness: Callable[[], Awaitable[None]], metrics: Callable[[], bytes]
) -> tuple[Row, ...]:
    """Build what concerns the instance as a whole: repositories, system, storage, configuration."""
    settings, documents, repositories = shared.settings, shared.entrance.documents, shared.repositories
    database = shared.store.database
    system = SystemApi(database, settings.reported_version, settings.node_id, readiness, metrics, documents)
    about = {"node.id": settings.node_id, "database": database.engine, "blob.store": settings.blob_store}
    return (
        *RepositoryApi(repositories).rows(),
        *system.rows(),
        *SystemInfoApi(about).rows(),
        *TasksApi(database).rows(),
        *StorageSummaryApi(database, repositories.all, blob_folder(settings)).rows(),
        *ConfigurationApi(documents, repositories.all, anonymous=shared.anonymous).rows(),
    )


def blob_folder(settings: Settings) -> Path | None:
    """Return the folder of the blob store, where it is one. Raises BlobStoreUrlInvalid."""
    where = located(settings.blob_store)
    return where if isinstance(where, Path) else None


def idle_ports(settings: Settings, find: Callable[[str], Repository | None]) -> list[tuple[int, str]]:
    """Return the ports of `docker.ports` whose repository is not there, or is none of Docker's, with its key."""
    found = [(port, key, find(key)) for port, key in settings.docker_ports.items()]
    return [(port, key) for port, key, one in found if one is None or one.package_type not in DOCKER]


async def every(seconds: float, work: Callable[[], Awaitable[object]], name: str) -> None:
    """Do something for as long as the process lives; what fails is logged, once a minute, and tried again the next time."""
    told = -_TOLD_AGAIN
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Unavailable as error:
            if time.monotonic() - told >= _TOLD_AGAIN:
                told = time.monotonic()
                log.warning("background.unavailable", work=name, reason=reason(error))
        except Exception:
            log.exception("background.failed", work=name)


@contextlib.asynccontextmanager
async def in_background(*works: tuple[float, Callable[[], Awaitable[object]], str]) -> AsyncIterator[None]:
    """Run periodic works until the block ends."""
    tasks = [asyncio.create_task(every(*work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


async def reset_password(settings: Settings, user: str, password: str) -> str:
    """Give a user a new password and return its name as it is kept; running nodes know within a fraction of a second.

    `admin`, and nobody else, is enabled, too: it is the way back in. Raises AccountUnknown, Invalid.
    """
    database = await open_database(settings.home, settings.database_url)
    passwords = Passwords(SystemClock())
    try:
        new = await passwords.hash(password)

        async def work(tx: Tx) -> str:
            account = await accounts.get(tx, user)
            if account.name == accounts.ANONYMOUS_NAME:
                raise Invalid("The user 'anonymous' has no password.")
            disabled = False if account.name == "admin" else None
            await accounts.alter(tx, account, accounts.Change(password_hash=new, disabled=disabled, locked=False))
            await record(tx, SYSTEM, "user.password", account.name, detail="reset by command")
            await bump(tx, "security")
            return account.name

        return await database.transact(work)
    finally:
        passwords.close()
        await database.close()
