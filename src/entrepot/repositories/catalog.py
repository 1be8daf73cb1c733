"""The live repositories: rows in the database, a compiled snapshot in each process.

The hot path asks the snapshot (one dict look-up); it is read again when the epoch of repositories moves, which every change
does before it answers, on every node within a fraction of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from entrepot.access.decide import RepositoryFacts
from entrepot.access.patterns import PatternSet
from entrepot.access.permissions import CACHE
from entrepot.auth import projects, targets
from entrepot.auth.audit import Actor, record
from entrepot.errors import Invalid, NotFound
from entrepot.jobs.purge import KIND as PURGE
from entrepot.jobs.queue import enqueue
from entrepot.metadata.database import Database, Duplicate, Reads, Tx
from entrepot.metadata.sql import sql
from entrepot.repositories.fields import project_of
from entrepot.repositories.repository import Repository

_ALL = sql("SELECT id, key, rclass, package_type, config FROM repository WHERE deleted IS NULL ORDER BY position, id")
_ONE = sql("SELECT id, config FROM repository WHERE folded = :folded AND deleted IS NULL")
_CLASS = sql("SELECT key, rclass FROM repository WHERE folded = :folded AND deleted IS NULL")
_INSERT = sql("""
INSERT INTO repository (key, folded, rclass, package_type, project_key, position, config, created)
VALUES (:key, :folded, :rclass, :package_type, :project_key,
  (SELECT COALESCE(MAX(position), 0) + 1 FROM repository), :config, {now})
""")
_UPDATE = sql("UPDATE repository SET config = :config, project_key = :project_key WHERE id = :id")
_LOCK = sql("SELECT id FROM repository WHERE id = :id {update}")
_RETIRE = sql("UPDATE repository SET deleted = {now} WHERE id = :id")

TRASH_KEY = "auto-trashcan"
RESERVED = frozenset({TRASH_KEY})
_ATTEMPTS = 1000  # at purging what was deleted
Bump = Callable[[Tx, str], Awaitable[None]]


class RepositoryUnknown(NotFound):
    """Repository {key} does not exist"""


class RepositoryExists(Invalid):
    """Case insensitive repository key already exists"""


class CacheExists(Invalid):
    """'{key}' exists: what a remote repository keeps is known as <key>-cache in paths and permissions, so both cannot be"""


@dataclass(slots=True)
class _Snapshot:
    by_key: dict[str, Repository] = field(default_factory=dict)
    by_id: dict[int, Repository] = field(default_factory=dict)


class Repositories:
    """The live repositories, as this process knows them, and their changes."""

    def __init__(self, database: Database, *, bump: Bump, announce: Callable[[str], None]) -> None:
        self._database = database
        self._bump = bump
        self._announce = announce
        self._snapshot = _Snapshot()
        self._reading = asyncio.Lock()

    @classmethod
    def reading(cls, database: Database) -> Repositories:
        """Return a view for a process that only reads; it is refreshed by hand."""

        async def refuse(_: Tx, scope: str) -> None:
            del scope
            raise AssertionError("this process only reads")

        return cls(database, bump=refuse, announce=lambda _: None)

    def get(self, key: str) -> Repository | None:
        """Return a repository by its exact key; what a remote keeps is also known as `<key>-cache`."""
        known = self._snapshot.by_key
        found = known.get(key)
        if found is None and key.endswith("-cache"):
            found = known.get(key.removesuffix("-cache"))
            return found if found is not None and found.rclass == "remote" else None
        return found

    def by_id(self, repo_id: int) -> Repository | None:
        """Return a live repository by its id."""
        return self._snapshot.by_id.get(repo_id)

    def all(self) -> Iterable[Repository]:
        """Return all, in their configured order."""
        return self._snapshot.by_key.values()

    async def refresh(self) -> None:
        """Read the rows again; called at start and whenever the epoch has moved."""
        async with self._reading:  # who read first must not be who stores last
            self._snapshot = _compiled(await read_configurations(self._database))

    async def create(self, config: Mapping[str, Any], by: Actor) -> None:
        """Add a repository with a complete, valid configuration. Raises RepositoryExists."""
        await self.create_all([config], by)

    async def update(self, key: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]], by: Actor) -> None:
        """Replace a configuration by what `change` makes of it, seeing the present one.

        Raises RepositoryUnknown, ProjectUnknown when it comes to a project that is not there.
        """

        async def work(tx: Tx) -> None:
            repo_id, config = await _row(tx, key)
            new = change(config)
            project = project_of(new)
            if project and project != project_of(config):
                await projects.keep(tx, project)
            await tx.execute(_UPDATE, id=repo_id, config=_packed(new), project_key=project)
            await record(tx, by, "repository.update", key)

        await self._change(work, "repositories")

    async def create_all(self, configs: Iterable[Mapping[str, Any]], by: Actor) -> None:
        """Add several, all or none. Raises RepositoryExists."""

        async def work(tx: Tx) -> None:
            for config in configs:
                await insert(tx, config)
                await record(tx, by, "repository.create", config["key"])

        await self._change(work, "repositories")

    async def delete(self, key: str, by: Actor) -> None:
        """Retire a repository at once; its content is removed in the background. Raises RepositoryUnknown."""

        async def work(tx: Tx) -> None:
            repo_id, retired = await _row(tx, key)
            await tx.row(_LOCK, id=repo_id)  # waits for what is being deployed: the purge shall see it
            await tx.execute(_RETIRE, id=repo_id)
            await record(tx, by, "repository.delete", key)
            await projects.forget_repository(tx, key)
            await targets.forget_repository(tx, {key, key + CACHE} if retired["rclass"] == "remote" else {key})
            await enqueue(tx, PURGE, {"repo_id": repo_id}, dedup=f"purge:{repo_id}", max_attempts=_ATTEMPTS)
            for member_of, config in await _virtuals_with(tx, key):
                new = _packed(_without(config, key))
                await tx.execute(_UPDATE, id=member_of, config=new, project_key=project_of(config))

        await self._change(work, "repositories", "security")

    async def _change(self, work: Callable[[Tx], Awaitable[None]], *scopes: str) -> None:
        async def body(tx: Tx) -> None:
            for scope in scopes:
                await self._bump(tx, scope)  # first, see `metadata.versions`
            await work(tx)

        try:
            await self._database.transact(body)
        except Duplicate:
            raise RepositoryExists from None
        finally:  # a commit whose outcome we were not told may stand
            for scope in scopes:
                self._announce(scope)
        await self.refresh()


async def insert(tx: Tx, config: Mapping[str, Any]) -> None:
    """Add a row for a complete configuration. Raises Duplicate, CacheExists, ProjectUnknown."""
    key = config["key"]
    folded, rclass = key.casefold(), config["rclass"]
    keeps = await tx.row(_CLASS, folded=folded + CACHE) if rclass == "remote" else None
    kept_by = await tx.row(_CLASS, folded=folded.removesuffix(CACHE)) if folded.endswith(CACHE) else None
    if keeps is not None:
        raise CacheExists(key=keeps[0])
    if kept_by is not None and kept_by[1] == "remote":
        raise CacheExists(key=kept_by[0])
    if project := project_of(config):
        await projects.keep(tx, project)
    await tx.execute(
        _INSERT,
        key=key,
        folded=folded,
        rclass=rclass,
        package_type=config["packageType"],
        project_key=project,
        config=_packed(config),
    )


async def read_configurations(reads: Reads) -> list[tuple[int, dict[str, Any]]]:
    """Return (id, configuration) of every live repository, in order."""
    return [(row[0], _unpacked(row[4])) for row in await reads.rows(_ALL)]


async def _row(tx: Tx, key: str) -> tuple[int, dict[str, Any]]:
    row = await tx.row(_ONE, folded=key.casefold())
    if row is None:
        raise RepositoryUnknown(key=key)
    return row[0], _unpacked(row[1])


async def _virtuals_with(tx: Tx, key: str) -> list[tuple[int, dict[str, Any]]]:
    return [
        (repo_id, config)
        for repo_id, config in await read_configurations(tx)
        if key in config.get("repositories", ()) or config.get("defaultDeploymentRepo") == key
    ]


def _without(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    new = {**config, "repositories": [member for member in config.get("repositories", ()) if member != key]}
    if new.get("defaultDeploymentRepo") == key:
        new["defaultDeploymentRepo"] = ""
    return new


def _compiled(rows: list[tuple[int, dict[str, Any]]]) -> _Snapshot:
    configs = {config["key"]: config for _, config in rows}
    snapshot = _Snapshot()
    for repo_id, config in rows:
        repository = _repository(repo_id, config, configs)
        snapshot.by_key[repository.key] = repository
        snapshot.by_id[repo_id] = repository
    return snapshot


def _repository(repo_id: int, config: dict[str, Any], configs: Mapping[str, Mapping[str, Any]]) -> Repository:
    key, rclass, package_type = config["key"], config["rclass"], config["packageType"]
    return Repository(
        repo_id,
        key,
        rclass,
        package_type,
        MappingProxyType(config),
        PatternSet.of(str(config.get("includesPattern") or "**/*"), str(config.get("excludesPattern") or "")),
        RepositoryFacts(key, rclass, package_type, reserved=key in RESERVED),
        tuple(_unfolded(key, configs, seen=set())) if rclass == "virtual" else (),
        config.get("defaultDeploymentRepo") or None if rclass == "virtual" else None,
    )


def _unfolded(key: str, configs: Mapping[str, Mapping[str, Any]], seen: set[str]) -> list[str]:
    """Return the physical members in order, each once; a cycle of virtuals ends where it closes."""
    found: list[str] = []
    for member in configs[key].get("repositories", ()):
        if member in seen or member not in configs:
            continue
        seen.add(member)
        found += _unfolded(member, configs, seen) if configs[member]["rclass"] == "virtual" else [member]
    return found


def _packed(config: Mapping[str, Any]) -> str:
    return msgspec.json.encode(dict(config)).decode()


def _unpacked(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])
