"""Placing files in the tree: bytes first, durable and verified; then one transaction that names them (reference 7.2, 7.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from entrepot.access.actions import Action
from entrepot.artifacts import checksums
from entrepot.blobs.ingest import Hashes
from entrepot.blobs.intake import Intake
from entrepot.errors import Conflict, Denied, NotAllowed, NotFound, Unavailable
from entrepot.metadata.blob_rows import Admitted, Arrival, Stored, admit, assert_writer, keep
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.items import BATCH, Item, NewFile, Stamps, find, split
from entrepot.metadata.objects import Piece
from entrepot.metadata.sql import sql
from entrepot.metadata.tree import Tree
from entrepot.paths import RepoPath
from entrepot.repositories.arrivals import arrival
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted, Granter, where
from entrepot.repositories.mending import mend
from entrepot.repositories.project_quota import Room
from entrepot.repositories.repository import Repository

T = TypeVar("T")

_HOLDERS = sql("""
SELECT i.id, i.repo_id, i.path, i.name, i.blob_id FROM blob b JOIN item i ON i.blob_id = b.id
WHERE b.sha256 = :digest AND i.id > :after AND i.repo_id {any:ids} ORDER BY i.id LIMIT 200
""")
_HOLDERS_BY_SHA1 = sql("""
SELECT i.id, i.repo_id, i.path, i.name, i.blob_id FROM blob b JOIN item i ON i.blob_id = b.id
WHERE b.sha1 = :digest AND i.id > :after AND i.repo_id {any:ids} ORDER BY i.id LIMIT 200
""")
_LOOKED_AT = 10_000  # copies of one file, for a caller who may read few of them


class NoSuchTarget(NotFound):
    """Could not find a local repository named {key} to deploy to."""


class Rejected(Conflict):
    """The repository '{key}' rejected the artifact '{key}:{path}' due to its include/exclude pattern settings."""


class Expired(Unavailable):
    """The deploy took so long that what came first is no longer kept; send it again."""


class Overwriting(Denied):
    """Not enough permissions to delete/overwrite artifact '{key}:{path}' (user: '{user}' needs DELETE permission)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file goes, and what comes with it."""

    repository: Repository
    path: str
    properties: Mapping[str, Sequence[str]]
    stamps: Stamps | None = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was stored."""

    repository: Repository
    item: Item
    stored: Stored


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that are stored and have no place yet."""

    blob_id: int
    size: int


class Deploy:
    """Deploy files for callers. One per process."""

    def __init__(
        self, database: Database, content: Content, intake: Intake, *, tree: Tree, granter: Granter, room: Room
    ) -> None:
        self._room = room
        self._database = database
        self._content = content
        self._intake = intake
        self._tree = tree
        self._granter = granter

    async def file(
        self, granted: Granted, target: Target, body: AsyncIterator[bytes], stated: Mapping[str, str]
    ) -> Deployed:
        """Store a body. Raises ChecksumMismatch, Overwriting, FolderInTheWay, and what the blob store raises."""

        async def named(tx: Tx, blob_id: int, size: int) -> Item:
            return await self._place(tx, granted, target, blob_id, size)

        item = await self._receive(body, stated, f"{target.repository.key}:{target.path}", named)
        return await self._deployed(target.repository, item)

    async def admit(self, body: AsyncIterator[bytes], place: str) -> Kept:
        """Store a body that is to be placed soon, within the grace time. `place` names it in errors."""

        async def named(_: Tx, blob_id: int, size: int) -> Kept:
            return Kept(blob_id, size)

        return await self._receive(body, {}, place, named)

    async def together(self, granted: Granted, target: Target, files: Mapping[str, Kept]) -> None:
        """Place files that were admitted, by their paths, in one transaction: all of them or none.

        Raises Overwriting, FileInTheWay, FolderInTheWay, Expired.
        """
        repository = target.repository
        folders: dict[str, list[NewFile]] = {}
        for path in sorted(files):  # in one order always, so that two of these never wait for each other
            folder, name = split(path)
            properties = allowed(granted, within(target, path))
            new = NewFile(name, files[path].blob_id, files[path].size, properties, target.stamps)
            folders.setdefault(folder.removeprefix("."), []).append(new)

        async def work(tx: Tx) -> None:
            for blob_id in sorted({one.blob_id for one in files.values()}):
                if not await keep(tx, blob_id):
                    raise Expired
            for folder, new in folders.items():
                for start in range(0, len(new), BATCH):
                    await self._put(tx, granted, repository, folder, new[start : start + BATCH])

        await self._database.transact(work)

    async def by_checksum(self, granted: Granted, target: Target, stated: Mapping[str, str]) -> Deployed:
        """Place bytes that are here already, at some path where the caller may read them.

        Raises ChecksumDeployFailed, in the same words whether the bytes are nowhere or only where he may not, and
        ChecksumMismatch.
        """
        algorithm, digest = checksums.wanted(stated)
        failed = checksums.ChecksumDeployFailed(
            why=f"No existing file with {'SHA-1' if algorithm == 'sha1' else 'SHA-256'}: {digest.hex()}"
        )
        blob_id = await self._readable(granted, algorithm, digest)
        stored = None if blob_id is None else await self._content.find(blob_id)
        if stored is None:
            raise failed
        checksums.verify(stated, stored, f"{target.repository.key}:{target.path}")
        await self._room(target.repository, stored.size)

        async def work(tx: Tx) -> Item | None:
            if not await keep(tx, stored.id):
                return None
            return await self._place(tx, granted, target, stored.id, stored.size)

        item = await self._database.transact(work)
        if item is None:
            raise failed
        return Deployed(target.repository, item, stored)

    async def arrived(
        self, granted: Granted, target: Target, arrived: Arrival, taken: Callable[[Tx], Awaitable[None]]
    ) -> Deployed:
        """Place bytes that came in before, within the transaction in which `taken` lets go of them. Raises Overwriting."""

        async def work(tx: Tx) -> tuple[Item, Admitted]:
            await taken(tx)
            admitted = await admit(tx, arrived)
            return await self._place(tx, granted, target, admitted.id, arrived.size), admitted

        item, admitted = await self._database.transact(work)
        await mend(self._database, self._content, admitted, arrived)
        return await self._deployed(target.repository, item)

    async def again(self, target: Target, digest: bytes) -> Deployed:
        """Return what an earlier deploy of these bytes has left at its path. Raises ChecksumDeployFailed."""
        item = await find(self._database, target.repository.id, target.path)
        if item is not None and item.blob_id is not None:
            stored = await self._content.find(item.blob_id)
            if stored is not None and stored.sha256 == digest:
                return Deployed(target.repository, item, stored)
        raise checksums.ChecksumDeployFailed(why="The multi-part upload was deployed before, and has been replaced.")

    async def folder(self, granted: Granted, repository: Repository, path: str) -> Item | None:
        """Make a folder and those above it, where they are not there yet; None for the root. Raises FileInTheWay."""

        async def work(tx: Tx) -> Item | None:
            await self._tree.ensure_folder(tx, where(granted, repository), path)
            return await find(tx, repository.id, path) if path else None

        return await self._database.transact(work)

    async def _receive(
        self,
        body: AsyncIterator[bytes],
        stated: Mapping[str, str],
        place: str,
        named: Callable[[Tx, int, int], Awaitable[T]],
    ) -> T:
        """Make a body durable, compare it, and name it in one transaction with what `named` does with its blob."""
        hashes = Hashes()
        received = await self._intake.receive(body, hashes)
        sums = hashes.checksums(received.size)
        try:
            checksums.verify(stated, sums, place)
        except checksums.ChecksumMismatch:
            await self._intake.abandon(received)
            raise
        pieces = (Piece(received.key, received.size),) if received.key is not None else ()
        arrived = arrival(sums, inline=received.inline, pieces=pieces)

        async def work(tx: Tx) -> tuple[T, Admitted]:
            await assert_writer(tx, self._intake.writer)
            admitted = await admit(tx, arrived)
            return await named(tx, admitted.id, received.size), admitted

        async with self._intake.naming(received):
            result, admitted = await asyncio.shield(self._database.transact(work))
        await mend(self._database, self._content, admitted, arrived)
        return result

    async def _place(self, tx: Tx, granted: Granted, target: Target, blob_id: int, size: int) -> Item:
        folder, name = split(target.path)
        new = NewFile(name, blob_id, size, allowed(granted, target), target.stamps)
        (item,) = await self._put(tx, granted, target.repository, folder.removeprefix("."), [new])
        return item

    async def _put(
        self, tx: Tx, granted: Granted, repository: Repository, folder: str, files: Sequence[NewFile]
    ) -> list[Item]:
        """Place files in a folder. Raises Overwriting where other bytes are, and the caller may not delete them."""

        def may_replace(before: Item, new: NewFile) -> None:
            if before.blob_id != new.blob_id and not granted.may(Action.DELETE, repository, before.path):
                raise Overwriting(key=repository.key, path=before.path, user=granted.caller.name)

        return await self._tree.put_files(tx, where(granted, repository), folder, files, may_replace=may_replace)

    async def _readable(self, granted: Granted, algorithm: str, digest: bytes) -> int | None:
        statement, after = _HOLDERS if algorithm == "sha256" else _HOLDERS_BY_SHA1, 0
        # Copies elsewhere are not even passed over: how long that takes would tell that there are some.
        ids = self._granter.serving(granted)
        for _ in range(_LOOKED_AT // 200):
            rows = await self._database.rows(statement, digest=digest, after=after, ids=ids)
            for item_id, repo_id, folder, name, blob_id in rows:
                after = item_id
                if self._granter.reads(granted, repo_id, name if folder == "." else f"{folder}/{name}"):
                    return int(blob_id)
            if len(rows) < 200:
                break
            await asyncio.sleep(0)  # others have their turn
        return None

    async def _deployed(self, repository: Repository, item: Item) -> Deployed:
        stored = None if item.blob_id is None else await self._content.find(item.blob_id)
        if stored is None:  # replaced and collected meanwhile: nobody can be told what it was
            raise NotFound
        return Deployed(repository, item, stored)


def writable(granted: Granted, path: RepoPath) -> Repository:
    """Return the repository that takes what is deployed. Raises NoSuchTarget, NotAllowed, Rejected."""
    addressed = granted.addressed
    if addressed is None or (not addressed.is_virtual and not addressed.is_local):
        raise NoSuchTarget(key=granted.key)
    if not granted.physical:
        raise NotAllowed(
            f"No local repository was configured as local deployment repository for the ({addressed.key}) virtual repository.",
            headers=[("allow", "GET")],
        )
    repository = granted.physical[0]
    if not repository.is_local:
        raise NoSuchTarget(key=repository.key)
    if path.text and not repository.patterns.accepts(path.text, folder=path.is_folder, start=path.is_folder):
        raise Rejected(key=repository.key, path=path.text)
    return repository


def within(target: Target, path: str) -> Target:
    """Return a target beside this one: an entry of an archive that is deployed exploded."""
    return replace(target, path=path)


def allowed(granted: Granted, target: Target) -> Mapping[str, Sequence[str]]:
    """Return the properties, if the caller may set any: without that right a deploy goes through without them."""
    if target.properties and not granted.may(Action.ANNOTATE, target.repository, target.path):
        return {}
    return target.properties
