"""The one place where the rooms that answer requests are built: the rows of the table of a worker's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from entrepot.auth.entrance import Entrance
from entrepot.formats.docker.blobs import Blobs
from entrepot.formats.docker.discard import Discard
from entrepot.formats.docker.lists import Lists
from entrepot.formats.docker.mounts import Mounts
from entrepot.formats.docker.placing import Placing
from entrepot.formats.docker.promotion import Promotion
from entrepot.formats.docker.pull import Pull
from entrepot.formats.docker.push import Push
from entrepot.formats.docker.referrers import Referrers
from entrepot.formats.docker.routes import rows as docker_rows
from entrepot.formats.docker.tickets import Tickets
from entrepot.formats.docker.uploads import Uploads as DockerUploads
from entrepot.messages import Gate, Row
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.downloads import Downloads
from entrepot.repositories.granted import Granter
from entrepot.repositories.layouts import SECTION, Layouts
from entrepot.repositories.project_quota import Room
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
from entrepot.rest.storage_prune import StoragePruneApi
from entrepot.rest.storage_summary import StorageSummaryApi
from entrepot.rest.storage_upkeep import StorageUpkeepApi
from entrepot.rest.system import SystemApi
from entrepot.rest.system_info import SystemInfoApi
from entrepot.rest.tasks import TasksApi
from entrepot.rest.transfer import TransferApi
from entrepot.rest.uploads import UploadsApi
from entrepot.rest.webdav import WebDavApi
from entrepot.search.aql.run import Aql
from entrepot.search.builds import Builds
from entrepot.search.finder import Finder
from entrepot.store import Store, blob_folder

if TYPE_CHECKING:
    from entrepot.settings import Settings


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
        *StorageUpkeepApi(database).rows(),
        *StoragePruneApi(database).rows(),
        *StorageSummaryApi(database, repositories.all, blob_folder(settings)).rows(),
        *ConfigurationApi(documents, repositories.all, anonymous=shared.anonymous).rows(),
    )
