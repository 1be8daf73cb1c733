"""The tree: `(repository, path) -> item`, and every change of it.

Folders have no counters and are not touched by their children; a deploy locks the rows of the folders above it against
removal, so two deploys never wait for each other.

Every change here writes its event and calls the format's projection in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from entrepot.errors import Conflict, NotFound
from entrepot.metadata.database import Tx
from entrepot.metadata.eventlog import Change, Where, record
from entrepot.metadata.items import BATCH, FILE, FOLDER, Came, Item, NewFile, read_item, split
from entrepot.metadata.placed import dressed, facts_of
from entrepot.metadata.properties import properties_of_all
from entrepot.metadata.sql import Parameter, sql

_GET_SHARED = sql("SELECT id, kind FROM item WHERE repo_id = :repo_id AND path = :path AND name = :name {share}")
_GET_LOCKED = sql("SELECT {item} FROM item WHERE repo_id = :repo_id AND path = :path AND name = :name {update}")
# Who makes an item locks the repository's row against its deletion, which waits: what is committed by then is purged.
_ADD_FOLDER = sql("""
INSERT INTO item (repo_id, path, name, kind, depth, size, blob_id, created, created_by, modified, modified_by, updated)
SELECT :repo_id, :path, :name, 0, :depth, 0, NULL, {now}, :actor, {now}, :actor, {now}
FROM repository WHERE id = :repo_id AND deleted IS NULL {share}
ON CONFLICT DO NOTHING
""")
_ADD_FILE = sql("""
INSERT INTO item (repo_id, path, name, kind, depth, size, blob_id, created, created_by, modified, modified_by, updated)
SELECT :repo_id, :path, :name, 1, :depth, :size, :blob_id, {now}, :actor, {now}, :actor, {now}
FROM repository WHERE id = :repo_id AND deleted IS NULL {share}
ON CONFLICT DO NOTHING
RETURNING {item}
""")
_REPLACE_FILE = sql("""
UPDATE item SET size = :size, blob_id = :blob_id, modified = {now}, modified_by = :actor, updated = {now} WHERE id = :id
RETURNING {item}
""")
_REMOVE = sql("DELETE FROM item WHERE id {any:ids}")
_FILES_IN = sql("""
SELECT {item} FROM item WHERE repo_id = :repo_id AND path = :path AND kind = 1 ORDER BY name LIMIT :limit {update}
""")
_RENAME = sql("""
UPDATE item SET path = :path, name = :name, depth = :depth WHERE id = :id
AND NOT EXISTS (SELECT 1 FROM item c WHERE c.repo_id = :repo_id AND c.path = :old AND c.kind = 0)
AND NOT EXISTS (SELECT 1 FROM item t WHERE t.repo_id = :repo_id AND t.path = :path AND t.name = :name)
""")
_RENAME_FILES = sql("""
UPDATE item SET path = :new WHERE repo_id = :repo_id AND path = :old AND kind = 1 RETURNING {item}
""")
_IN_THE_WAY = sql("""
SELECT {item} FROM item WHERE repo_id = :repo_id AND path = :new AND kind = 1
AND name IN (SELECT name FROM item WHERE repo_id = :repo_id AND path = :old AND kind = 1) ORDER BY name {update}
""")
_IS_LIVE = sql("SELECT 1 FROM repository WHERE id = :repo_id AND deleted IS NULL")
_IS_EMPTY = sql("SELECT 1 FROM item WHERE repo_id = :repo_id AND path = :path LIMIT 1")


class FileInTheWay(Conflict):
    """A file is stored at {path}, where a folder is needed."""


class FolderInTheWay(Conflict):
    """A folder is stored at {path}, where a file is to be deployed."""


class RepositoryGone(NotFound):
    """Repository {key} was deleted meanwhile."""


class Projection(Protocol):
    """What a format derives from the tree, kept in the same transaction."""

    async def added(self, tx: Tx, where: Where, item: Item) -> None:
        """A file was placed, or its content or place changed to this; its properties are already set."""
        ...

    async def removed(self, tx: Tx, where: Where, item: Item) -> None:
        """A file was taken away from here, or is about to be replaced; its row is gone or changed already."""
        ...


class Tree:
    """Change the tree. Stateless: it knows only the projections of the package types."""

    def __init__(self, projections: Mapping[str, Projection]) -> None:
        self._projections = projections

    async def ensure_folder(self, tx: Tx, where: Where, folder: str) -> None:
        """Make a folder and those above it, and keep them from being pruned until the commit.

        Raises FileInTheWay, RepositoryGone.
        """
        missing: list[str] = []
        while folder and not await self._keep_folder(tx, where, folder):
            missing.append(folder)
            folder = split(folder)[0].removeprefix(".")
        for path in reversed(missing):
            await self._make_folder(tx, where, path)

    async def put_files(
        self,
        tx: Tx,
        where: Where,
        folder: str,
        files: Sequence[NewFile],
        *,
        came: Came | None = None,
        may_replace: Callable[[Item, NewFile], None] | None = None,
    ) -> list[Item]:
        """Place files in a folder, replacing those that are there; their properties become exactly the given ones.

        `came`: they are copied or moved from elsewhere, and their events say so. `may_replace` is asked about each file that
        is there, once nobody else can change it, and raises what forbids it.

        Raises FileInTheWay, FolderInTheWay, RepositoryGone, ReferenceLost.
        """
        await self.ensure_folder(tx, where, folder)
        projection = self._projections.get(where.package_type)
        put = [(file, *await self._put(tx, where, folder, file, may_replace=may_replace)) for file in files]
        placed = await dressed(tx, put)
        if projection is not None:
            for item, before in placed:
                if before is not None and before.blob_id != item.blob_id:
                    await projection.removed(tx, where, before)
                await projection.added(tx, where, item)
        facts = await facts_of(tx, [one for pair in placed for one in pair])
        changes = [
            Change("created" if before is None else "updated", item.path, facts(before), facts(item))
            for item, before in placed
        ]
        if came is not None:
            changes = [
                Change(came.kind, one.path, {"repo": came.repo_key, "path": path}, one.after)
                for one, path in zip(changes, came.paths, strict=True)
            ]
        await record(tx, where, changes)
        return [item for item, _ in placed]

    async def remove_files(self, tx: Tx, where: Where, folder: str) -> None:
        """Remove the files directly in a folder, and then the folder unless it holds others."""
        parent, name = split(folder)
        top = await tx.row(_GET_LOCKED, repo_id=where.repo_id, path=parent, name=name)
        if top is None:
            return
        more = True
        while more:
            rows = await tx.rows(_FILES_IN, repo_id=where.repo_id, path=folder, limit=BATCH)
            await self.remove_items(tx, where, [read_item(row) for row in rows])
            more = len(rows) == BATCH
        await self._drop_if_empty(tx, where, read_item(top))

    async def rename_folder(self, tx: Tx, where: Where, old: str, new: str) -> None:
        """Move the files directly in a folder to another path of its repository, over those of their names.

        The folder goes with them, unless it holds folders, which stay, or there is one already.
        """
        parent, name = split(old)
        top = await tx.row(_GET_LOCKED, repo_id=where.repo_id, path=parent, name=name)
        if top is None:
            return
        parent, name = split(new)
        await self.ensure_folder(tx, where, parent.removeprefix("."))
        place: dict[str, Parameter] = {"repo_id": where.repo_id, "old": old}
        whole = await tx.execute(_RENAME, id=top[0], path=parent, name=name, depth=new.count("/") + 1, **place)
        if whole:
            await record(tx, where, [Change("moved", f"{new}/", {"path": f"{old}/"})])
        else:
            await self.ensure_folder(tx, where, new)
            await self.remove_items(tx, where, [read_item(row) for row in await tx.rows(_IN_THE_WAY, new=new, **place)])
        moved = sorted(map(read_item, await tx.rows(_RENAME_FILES, new=new, **place)), key=lambda file: file.name)
        for start in range(0, len(moved), BATCH):
            await self._note_moved(tx, where, moved[start : start + BATCH], old)
        if not whole:
            await self._drop_if_empty(tx, where, read_item(top))

    async def _note_moved(self, tx: Tx, where: Where, files: Sequence[Item], old: str) -> None:
        projection = self._projections.get(where.package_type)
        changes, facts = [], await facts_of(tx, files)
        for file in files:
            before = replace(file, path=f"{old}/{file.name}")
            if projection is not None:
                await projection.removed(tx, where, before)
                await projection.added(tx, where, file)
            changes.append(Change("moved", file.path, {"path": before.path}, facts(file)))
        await record(tx, where, changes)

    async def prune(self, tx: Tx, where: Where, folder: str) -> None:
        """Remove a folder, and then those above it, as long as they are empty."""
        while folder and await self.drop_empty(tx, where, folder):
            folder = split(folder)[0].removeprefix(".")

    async def drop_empty(self, tx: Tx, where: Where, folder: str) -> bool:
        """Remove a folder if it is empty; the folders above it stay. Return whether it went."""
        parent, name = split(folder)
        row = await tx.row(_GET_LOCKED, repo_id=where.repo_id, path=parent, name=name)
        return row is not None and row[3] == FOLDER and await self._drop_if_empty(tx, where, read_item(row))

    async def _drop_if_empty(self, tx: Tx, where: Where, folder: Item) -> bool:
        """Remove a folder that is locked if it is empty."""
        if await tx.row(_IS_EMPTY, repo_id=where.repo_id, path=folder.path) is not None:
            return False
        await self.remove_items(tx, where, [folder])
        return True

    async def _keep_folder(self, tx: Tx, where: Where, folder: str) -> bool:
        parent, name = split(folder)
        found = await tx.row(_GET_SHARED, repo_id=where.repo_id, path=parent, name=name)
        if found is not None and found[1] == FILE:
            raise FileInTheWay(path=folder)
        return found is not None

    async def _make_folder(self, tx: Tx, where: Where, folder: str) -> None:
        """Make a folder in one that is kept already."""
        parent, name = split(folder)
        place: dict[str, Parameter] = {"repo_id": where.repo_id, "path": parent, "name": name}
        while not await tx.execute(_ADD_FOLDER, **place, depth=folder.count("/") + 1, actor=where.actor):
            if await self._keep_folder(tx, where, folder):
                return
            await self._assert_live(tx, where)  # then others made and pruned it meanwhile
        await record(tx, where, [Change("created", f"{folder}/")])

    async def _assert_live(self, tx: Tx, where: Where) -> None:
        if await tx.row(_IS_LIVE, repo_id=where.repo_id) is None:
            raise RepositoryGone(key=where.repo_key)

    async def _put(
        self,
        tx: Tx,
        where: Where,
        folder: str,
        file: NewFile,
        *,
        may_replace: Callable[[Item, NewFile], None] | None,
    ) -> tuple[Item, Item | None]:
        place: dict[str, Parameter] = {"repo_id": where.repo_id, "path": folder or ".", "name": file.name}
        content: dict[str, Parameter] = {"size": file.size, "blob_id": file.blob_id, "actor": where.actor}
        depth = folder.count("/") + 2 if folder else 1
        while True:
            row = await tx.row(_ADD_FILE, **place, **content, depth=depth)
            if row is not None:
                return read_item(row), None
            row = await tx.row(_GET_LOCKED, **place)
            if row is None:
                await self._assert_live(tx, where)  # then it was removed between the two statements
                continue
            before = read_item(row)
            if before.kind == FOLDER:
                raise FolderInTheWay(path=before.path)
            if may_replace is not None:
                may_replace(before, file)
            row = await tx.row(_REPLACE_FILE, id=before.id, **content)
            assert row is not None
            return read_item(row), before

    async def remove_items(self, tx: Tx, where: Where, items: Sequence[Item]) -> int:
        """Remove items whose rows were read in this transaction; folders among them must be empty by then."""
        projection = self._projections.get(where.package_type)
        if not items:
            return 0
        changes, tell = [], await facts_of(tx, items)
        properties = await properties_of_all(tx, [item.id for item in items if item.is_file])
        for item in items:
            facts = tell(item)
            if facts is not None:
                facts["properties"] = properties.get(item.id, {})
            changes.append(Change("deleted", item.path if item.is_file else f"{item.path}/", facts))
        await tx.execute(_REMOVE, ids=[item.id for item in items])
        if projection is not None:
            for item in items:
                if item.is_file:
                    await projection.removed(tx, where, item)
        await record(tx, where, changes)
        return len(items)
