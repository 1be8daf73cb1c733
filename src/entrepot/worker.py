"""What a worker process is built of: everything that answers requests, and its small periodic duties."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import structlog

from entrepot import __version__
from entrepot.auth.directory.fixed import fixed
from entrepot.auth.entrance import Itself, entrance
from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import TextSeals, Vault, derived, unlocked
from entrepot.auth.passwords import Passwords
from entrepot.auth.rules import LiveRules
from entrepot.auth.trail import Refusals
from entrepot.blobs.contract import StoreFull, StoreRefused
from entrepot.blobs.drivers.probe import Probing
from entrepot.clock import SystemClock
from entrepot.cluster import draining
from entrepot.cluster.home import run_folder
from entrepot.configuration.descriptor import GENERAL
from entrepot.configuration.documents import Documents
from entrepot.errors import Unavailable, reason
from entrepot.metadata import facts
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump
from entrepot.periodic import in_background
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.downloads import FLUSH_SECONDS, Downloads
from entrepot.repositories.granted import Granter
from entrepot.repositories.located import located
from entrepot.repositories.ports import idle_ports
from entrepot.repositories.project_quota import ProjectQuota
from entrepot.repositories.quota import DiskQuota
from entrepot.rest.openapi import OpenApi
from entrepot.rest.security.roles_api import global_roles
from entrepot.rest.security.routes import rows as security_rows
from entrepot.snapshots import Snapshots
from entrepot.store import Store, blob_folder, open_store, writing
from entrepot.watching import Watching
from entrepot.web.application import Application
from entrepot.web.base import Doors
from entrepot.web.pipeline import Pipeline
from entrepot.web.table import Table
from entrepot.wiring import Shared, administration, artifacts, docker, searches

if TYPE_CHECKING:
    from entrepot.settings import Settings

log = structlog.get_logger()

_PROBE_SECONDS = 5.0
_PATIENCE = 10.0  # seconds that a probe of the blob store may take
_ALIVE = sql("SELECT 1")


class Readiness:
    """Whether this node can serve: the database answers, the blob store did lately, and nobody asked it to end."""

    def __init__(self, store: Store) -> None:
        self.probing = Probing(store.driver, _PATIENCE)
        self._database = store.database
        self._probed = -_PROBE_SECONDS

    async def check(self) -> None:
        """Raise Unavailable when it is not ready. A full store is no reason: what is there can be read, here as elsewhere."""
        if draining.begun():
            raise Unavailable("The node is stopping.")
        try:
            await asyncio.wait_for(self._database.row(_ALIVE), 1.0)
        except TimeoutError as error:
            raise Unavailable("The database does not answer.") from error
        now = asyncio.get_running_loop().time()
        if now - self._probed > _PROBE_SECONDS:
            with contextlib.suppress(StoreFull):
                await self.probing.check()
            self._probed = now


async def _try_out(probing: Probing) -> str:
    """Return why the blob store does not answer, empty when it does. Raises StoreRefused, which waiting does not mend."""
    try:
        await probing.check()
    except StoreRefused:
        raise
    except StoreFull as error:
        log.warning("blob.store.full", reason=reason(error))
    except Unavailable as error:
        log.warning("blob.store.unavailable", reason=reason(error))
        return reason(error)
    return ""


@contextlib.asynccontextmanager
async def build(settings: Settings, notes: dict[str, str] | None = None) -> AsyncIterator[Application]:
    """Open everything and give the application; close it in order. Raises EntrepotError when something cannot be had.

    `notes` gets what whoever starts the node should know: by port which repository is not there, by `blob.store` why it
    does not answer.
    """
    notes = {} if notes is None else notes
    epochs = Epochs(run_folder(settings.home) / "epoch")
    store = await open_store(settings, epochs.blobs)
    passwords = Passwords(SystemClock())
    readiness = Readiness(store)
    polling = asyncio.create_task(epochs.poll(store.database))
    try:
        if why := await _try_out(readiness.probing):
            notes["blob.store"] = why
        async with (
            writing(store),
            _application(store, settings, epochs, passwords=passwords, readiness=readiness, notes=notes) as application,
        ):
            yield application
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        passwords.close()
        epochs.close()
        await readiness.probing.close()
        await store.driver.close()
        await store.database.close()


@contextlib.asynccontextmanager
async def _application(
    store: Store,
    settings: Settings,
    epochs: Epochs,
    *,
    passwords: Passwords,
    readiness: Readiness,
    notes: dict[str, str],
) -> AsyncIterator[Application]:
    await epochs.look(store.database)
    given = settings.master_key.reveal() if settings.master_key else ""
    secret, signing = await unlocked(store.database, settings.home, given)
    installation = await facts.known(store.database, facts.SERVICE_ID) or "0"
    seals = TextSeals(Vault(secret))
    documents = Documents(store.database, bump=bump, announce=epochs.announce, seals=seals)
    itself = Itself(secret, signing, installation)
    at = entrance(store.database, epochs, documents, passwords, itself=itself, directories=fixed(settings))
    repositories = Repositories(store.database, bump=bump, announce=epochs.announce)
    rules = _rules(store, settings, epochs, documents=documents, repositories=repositories)
    snapshots = Snapshots(store.database, epochs, repositories, rules, documents)
    await snapshots.fresh()
    notes.update({str(port): key for port, key in idle_ports(settings, repositories.get)})
    granter = Granter(repositories.get, snapshots.rules, repositories.by_id, repositories.all)
    downloads = Downloads(store.database, store.database.now)
    refusals = Refusals(store.database)
    watching = Watching(settings, refusals.note)
    disk, projects = DiskQuota(documents, blob_folder(settings)), ProjectQuota(store.database, repositories, epochs.all)
    shared = Shared(
        store, settings, at, granter, repositories, downloads,
        anonymous=lambda: snapshots.rules().anonymous, taking=(disk.check, projects.check), room=projects.admit,
    )  # fmt: skip
    table = _table(shared, secret, readiness, watching)
    application = Application(
        table,
        Pipeline(
            at.authenticator,
            granter,
            snapshots.fresh,
            lambda: documents.flag("security", "hideUnauthorizedResources", default=False),
        ),
        doors=_doors(settings, documents),
        watcher=watching,
        always=_always(settings, installation),
    )
    async with in_background(
        (FLUSH_SECONDS, downloads.flush, "downloads"),
        (1.0, refusals.flush, "refusals"),
        (1.0, at.demands.lockout.flush, "wrong passwords"),
    ):
        yield application
    await at.demands.lockout.flush()
    await downloads.flush()
    await refusals.flush()
    watching.close()


def _table(shared: Shared, secret: bytes, readiness: Readiness, watching: Watching) -> Table:
    table: Table
    table = Table(
        (
            *OpenApi(lambda: table.rows).rows(),
            *docker(shared, key=derived(secret, "upload sessions")),
            *security_rows(shared.entrance, shared.repositories),
            *administration(shared, readiness=readiness.check, metrics=watching.metrics),
            *searches(shared),
            *artifacts(shared, key=derived(secret, "multi-part uploads")),
        )
    )
    return table


def _rules(
    store: Store, settings: Settings, epochs: Epochs, *, documents: Documents, repositories: Repositories
) -> LiveRules:
    return LiveRules(
        store.database,
        epochs,
        anonymous=lambda: documents.flag("security", "anonAccessEnabled", default=settings.anonymous_enabled),
        located=lambda: located(repositories.all()),
        roles=lambda: global_roles(documents),
    )


def _doors(settings: Settings, documents: Documents) -> Doors:
    return Doors(
        base_url=settings.base_url,
        subdomain=settings.docker_subdomain,
        ports=settings.docker_ports,
        trusted=settings.trusted_proxies,
        configured=lambda: str(documents.one(GENERAL).get("urlBase") or ""),
    )


def _always(settings: Settings, installation: str) -> tuple[tuple[str, str], ...]:
    """Headers of every answer, which clients and operators look for."""
    return (
        ("server", f"Entrepot/{__version__}"),
        ("x-jfrog-version", f"Artifactory/{settings.reported_version}"),
        ("x-artifactory-id", installation),
        ("x-artifactory-node-id", settings.node_id),
        ("x-content-type-options", "nosniff"),
    )
