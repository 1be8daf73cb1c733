"""What a worker process is built of: everything that answers requests, and its small periodic duties."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from entrepot import __version__
from entrepot.auth.admission import Admissions
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.directory.source import LdapSource
from entrepot.auth.epochs import Epochs, bump
from entrepot.auth.keys import TextSeals, Vault, master_key, signing_key
from entrepot.auth.outside import Outside
from entrepot.auth.passwords import Passwords
from entrepot.auth.rules import LiveRules
from entrepot.auth.tokens import Tokens
from entrepot.clock import SystemClock
from entrepot.cluster import draining
from entrepot.cluster.home import run_folder
from entrepot.configuration.descriptor import GENERAL
from entrepot.configuration.documents import Documents
from entrepot.errors import Unavailable
from entrepot.metadata.sql import sql
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.downloads import FLUSH_SECONDS, Downloads
from entrepot.repositories.granted import Granter
from entrepot.rest.configuration import ConfigurationApi
from entrepot.rest.docker_token import DockerTokens
from entrepot.rest.openapi import OpenApi
from entrepot.rest.repositories import RepositoryApi
from entrepot.rest.search import SearchApi
from entrepot.rest.search_aql import AqlApi
from entrepot.rest.security.routes import rows as security_rows
from entrepot.rest.storage_summary import StorageSummaryApi
from entrepot.rest.system import SystemApi
from entrepot.search.aql.run import Aql
from entrepot.search.finder import Finder
from entrepot.snapshots import Snapshots
from entrepot.watching import Watching
from entrepot.web.application import Application
from entrepot.web.base import Doors
from entrepot.web.pipeline import Pipeline
from entrepot.web.table import Table
from entrepot.wiring import Store, artifacts, docker, in_background, open_store, writing

if TYPE_CHECKING:
    from entrepot.settings import Settings

log = structlog.get_logger()

_PROBE_SECONDS = 5.0
_ALIVE = sql("SELECT 1")
_INSTANCE = sql("SELECT value FROM setting WHERE key = 'service_id'")


class Readiness:
    """Whether this node can serve: the database answers, the blob store did lately, and nobody asked it to end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._probed = -_PROBE_SECONDS
        self._lock = asyncio.Lock()

    async def check(self) -> None:
        """Raise Unavailable when it is not ready."""
        if draining.begun():
            raise Unavailable("The node is stopping.")
        await asyncio.wait_for(self._store.database.row(_ALIVE), 1.0)
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._probed > _PROBE_SECONDS:
                await asyncio.wait_for(self._store.driver.probe(), 10.0)
                self._probed = now


@contextlib.asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Application]:
    """Open everything and give the application; close it in order. Raises EntrepotError when something cannot be had."""
    store = await open_store(settings)
    epochs = Epochs(run_folder(settings.home) / "epoch")
    passwords = Passwords(SystemClock())
    polling = asyncio.create_task(epochs.poll(store.database))
    try:
        async with writing(store), _application(store, settings, epochs, passwords=passwords) as application:
            yield application
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        passwords.close()
        epochs.close()
        await store.driver.close()
        await store.database.close()


@contextlib.asynccontextmanager
async def _application(
    store: Store, settings: Settings, epochs: Epochs, *, passwords: Passwords
) -> AsyncIterator[Application]:
    await epochs.look(store.database)
    given = settings.master_key.reveal() if settings.master_key else ""
    secret = master_key(settings.home, given)
    instance = await store.database.row(_INSTANCE)
    installation = str(instance[0]) if instance else "0"
    vault = Vault(secret)
    tokens = Tokens(store.database, epochs, await signing_key(store.database, vault), installation)
    repositories = Repositories(store.database, bump=bump, announce=epochs.announce)
    documents = Documents(store.database, bump=bump, announce=epochs.announce, seals=TextSeals(vault))
    outside = Outside([LdapSource(documents)], Admissions(store.database, epochs), store.database)
    authenticator = Authenticator(store.database, epochs, tokens, passwords, outside)
    rules = LiveRules(
        store.database,
        epochs,
        anonymous=lambda: documents.flag("security", "anonAccessEnabled", default=settings.anonymous_enabled),
    )
    snapshots = Snapshots(epochs, repositories, rules, documents)
    await snapshots.fresh()
    granter = Granter(repositories.get, snapshots.rules, repositories.by_id)
    downloads = Downloads(store.database, store.database.now)
    watching = Watching(settings)
    readiness = Readiness(store)
    key = hashlib.blake2b(b"upload sessions", key=secret, digest_size=32).digest()
    table: Table
    table = Table(
        (
            *OpenApi(lambda: table.rows).rows(),
            *DockerTokens(
                store.database, authenticator, tokens, granter=granter, anonymous=lambda: snapshots.rules().anonymous
            ).rows(),
            *docker(store, settings, granter=granter, repositories=repositories, key=key, downloads=downloads),
            *RepositoryApi(repositories).rows(),
            *SystemApi(
                store.database,
                settings.reported_version,
                settings.node_id,
                readiness.check,
                watching.metrics,
                documents,
            ).rows(),
            *security_rows(
                store.database,
                epochs,
                authenticator,
                tokens,
                passwords=passwords,
                knows=lambda key: repositories.get(key) is not None,
            ),
            *StorageSummaryApi(store.database, repositories.all, _folder(settings)).rows(),
            *ConfigurationApi(documents, repositories.all, anonymous=lambda: snapshots.rules().anonymous).rows(),
            *SearchApi(store.database, store.content, Finder(store.database, repositories.all)).rows(),
            *AqlApi(Aql(store.database, repositories.all)).rows(),
            *artifacts(store, granter=granter, repositories=repositories, downloads=downloads, documents=documents),
        )
    )
    application = Application(
        table,
        Pipeline(
            authenticator,
            granter,
            snapshots.fresh,
            lambda: documents.flag("security", "hideUnauthorizedResources", default=False),
        ),
        doors=Doors(
            base_url=settings.base_url,
            subdomain=settings.docker_subdomain,
            ports=settings.docker_ports,
            trusted=settings.trusted_proxies,
            configured=lambda: str(documents.one(GENERAL).get("urlBase") or ""),
        ),
        watcher=watching,
        always=_always(settings, installation),
    )
    async with in_background((FLUSH_SECONDS, downloads.flush, "downloads")):
        yield application
    await downloads.flush()
    watching.close()


def _folder(settings: Settings) -> Path | None:
    """Return the folder of the blob store, where it is one."""
    scheme, _, path = settings.blob_store.partition("://")
    return Path(path) if scheme == "file" else None


def _always(settings: Settings, installation: str) -> tuple[tuple[str, str], ...]:
    """Headers of every answer, which clients and operators look for."""
    return (
        ("server", f"Entrepot/{__version__}"),
        ("x-jfrog-version", f"Artifactory/{settings.reported_version}"),
        ("x-artifactory-id", installation),
        ("x-artifactory-node-id", settings.node_id),
        ("x-content-type-options", "nosniff"),
    )
