"""What the storage API tells of items and folders, through virtual repositories too (reference 7.12)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from entrepot.access.actions import Action
from entrepot.artifacts import describe
from entrepot.artifacts.branches import Branches
from entrepot.clock import iso
from entrepot.errors import Denied, Invalid, NotFound, Unauthenticated
from entrepot.metadata.database import Database
from entrepot.metadata.items import Item, all_children, below, find
from entrepot.metadata.sql import sql
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository

_STAT = sql("SELECT downloads, last_downloaded, last_downloaded_by FROM stat WHERE item_id = :id")
_CHECKSUMS = sql("SELECT id, sha1, sha256 FROM blob WHERE id {any:ids}")
_HAVE_PROPERTIES = sql("SELECT DISTINCT item_id FROM prop WHERE item_id {any:ids}")
_STATS = sql("SELECT item_id, last_downloaded FROM stat WHERE item_id {any:ids}")
_NEWEST = sql("""
SELECT path, name, modified FROM item WHERE repo_id = :repo_id AND kind = 1
AND (path = :path OR (path >= :low AND path < :high)) ORDER BY modified DESC LIMIT 1
""")
_CHILDREN: Final = 100_000  # of one folder that are told
_PAGE: Final = 500


class ItemNotFound(NotFound):
    """Unable to find item"""


@dataclass(frozen=True, slots=True)
class Place:
    """An item in the repository that holds it; no item is the root."""

    repository: Repository
    item: Item | None

    @property
    def is_folder(self) -> bool:
        """Whether it is one."""
        return self.item is None or not self.item.is_file


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a file list holds."""

    deep: bool
    depth: int  # of a deep list; 0: no limit
    folders: bool
    root: bool
    properties: bool  # the times of properties
    statistics: bool


class Storage:
    """Look at items. One per process."""

    def __init__(self, database: Database, content: Content, branches: Branches) -> None:
        self._database = database
        self._content = content
        self._branches = branches

    async def place(self, granted: Granted, path: str, action: Action = Action.READ) -> Place:
        """Return where an item is: in the first repository that holds it. Raises ItemNotFound, Denied.

        Who may only pass through, on the way to something else, is not told whether a file is there.
        """
        refused = False
        for repository in granted.physical:
            item = await find(self._database, repository.id, path) if path else None
            if path and item is None:
                continue
            folder = item is None or not item.is_file
            if granted.may_by_right(action, repository, path, folder=folder):
                return Place(repository, item)
            refused = True
        if refused or not any(granted.may_by_right(action, one, path) for one in granted.physical):
            raise Unauthenticated if granted.caller.is_anonymous else Denied
        raise ItemNotFound

    async def info(self, granted: Granted, path: str, base: str) -> dict[str, Any]:
        """Return what is told of a file or folder."""
        place = await self.place(granted, path)
        if place.item is not None and place.item.is_file:
            assert place.item.blob_id is not None
            stored = await self._content.find(place.item.blob_id)
            if stored is None:
                raise ItemNotFound
            kind = await describe.media_type_of(self._database, place.item)
            return describe.file_info(base, granted.key, place.item, stored, kind=kind)
        held = {child.name: not child.is_file async for child in self.within(granted, path)}
        return describe.folder_info(base, granted.key, path, place.item, sorted(held.items()))

    async def within(self, granted: Granted, path: str) -> AsyncGenerator[Item, None]:
        """Yield what the caller may see directly in a folder: each name once, from the first repository that has it."""
        seen: set[str] = set()
        for repository in granted.physical:
            async for child in self._children(repository, path):
                if child.name not in seen and granted.may(
                    Action.READ, repository, child.path, folder=not child.is_file
                ):
                    seen.add(child.name)
                    yield child

    def _children(self, repository: Repository, path: str) -> AsyncIterator[Item]:
        return all_children(self._database, repository.id, path, _CHILDREN)

    async def statistics(self, granted: Granted, path: str, base: str) -> dict[str, Any]:
        """Return the downloads of a file, or zeros of a folder."""
        place = await self.place(granted, path)
        row = None if place.item is None else await self._database.row(_STAT, id=place.item.id)
        told: dict[str, Any] = {
            "uri": describe.url(base, granted.key, path),
            "downloadCount": row[0] if row else 0,
            "lastDownloaded": row[1] if row else 0,
            "remoteDownloadCount": 0,
            "remoteLastDownloaded": 0,
        }
        if row:
            told["lastDownloadedBy"] = row[2]
        return told

    async def last_modified(self, granted: Granted, path: str) -> tuple[str, int]:
        """Return the newest file below that the caller may read, or the item itself: its path and time."""
        place = await self.place(granted, path)
        newest = path, place.item.modified if place.item is not None else 0
        if not place.is_folder:
            return newest
        if granted.throughout(Action.READ, place.repository, path):
            low, high = below(path) if path else ("", "\U0010ffff")
            rows = await self._database.scan(_NEWEST, repo_id=place.repository.id, path=path, low=low, high=high)
            for folder, name, modified in rows:
                newest = name if folder == "." else f"{folder}/{name}", modified
            return newest
        found = False
        async for item in self._branches.below(place.repository.id, path):
            newer = item.is_file and (not found or item.modified > newest[1])
            if newer and granted.may(Action.READ, place.repository, item.path):
                newest, found = (item.path, item.modified), True
        return newest

    async def files(self, granted: Granted, path: str, options: ListOptions) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries of a file list. Raises Invalid for a file."""
        place = await self.place(granted, path)
        if not place.is_folder:
            raise Invalid(f"Expected a folder but found a file, at: {granted.key}/{path}")
        return self._listed(granted, place, path, options)

    async def _listed(
        self, granted: Granted, place: Place, path: str, options: ListOptions
    ) -> AsyncIterator[dict[str, Any]]:
        if options.root:
            at = place.item.modified if place.item is not None else self._database.now()
            yield {"uri": "/", "size": -1, "lastModified": iso(at), "folder": True}
        page: list[Item] = []
        async for item in self._wanted(granted, place.repository, path, options):
            page.append(item)
            if len(page) >= _PAGE:
                for entry in await self._entries(page, path, options):
                    yield entry
                page = []
        for entry in await self._entries(page, path, options):
            yield entry

    async def _wanted(
        self, granted: Granted, repository: Repository, path: str, options: ListOptions
    ) -> AsyncIterator[Item]:
        found = self._branches.below(repository.id, path) if options.deep else self._children(repository, path)
        base = path.count("/") + 1 if path else 0
        async for item in found:
            depth = item.path.count("/") + 1 - base
            if options.deep and options.depth and depth > options.depth:
                continue
            if (item.is_file or options.folders) and granted.may(
                Action.READ, repository, item.path, folder=not item.is_file
            ):
                yield item

    async def _entries(self, items: list[Item], path: str, options: ListOptions) -> list[dict[str, Any]]:
        if not items:
            return []
        blobs = [item.blob_id for item in items if item.blob_id is not None]
        sums = {row[0]: row for row in await self._database.rows(_CHECKSUMS, ids=blobs)} if blobs else {}
        ids = [item.id for item in items]
        owners = (
            {row[0] for row in await self._database.rows(_HAVE_PROPERTIES, ids=ids)} if options.properties else set()
        )
        counted = dict(map(tuple, await self._database.rows(_STATS, ids=ids))) if options.statistics else {}
        told = []
        for item in items:
            entry: dict[str, Any] = {
                "uri": f"/{item.path[len(path) :].lstrip('/')}",
                "size": item.size if item.is_file else -1,
                "lastModified": iso(item.modified),
                "folder": not item.is_file,
            }
            if item.blob_id in sums:
                entry |= {"sha1": sums[item.blob_id][1].hex(), "sha2": sums[item.blob_id][2].hex()}
            if item.id in owners:
                entry["mdTimestamps"] = {"properties": iso(item.updated)}
            if item.id in counted:
                entry["statsTimestamps"] = {"lastDownloaded": iso(counted[item.id])}
            told.append(entry)
        return told
