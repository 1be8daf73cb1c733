"""Folders with all that is below them, removed, copied and moved in bounded steps (reference 7.9, 7.11, 7.16).

Each step is a transaction of its own over at most a few hundred items, so that a folder of any size keeps no other write
waiting and costs no memory. A process that dies leaves the rest for the next attempt, never an item without its folder:
what is removed goes deepest first, what is copied comes after its folder.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from entrepot.errors import NotFound
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import Came, Item, NewFile, Stamps, Tree, find, read_item, split
from entrepot.metadata.properties import properties_of_all
from entrepot.metadata.sql import Parameter, sql

_STEP: Final = 200  # items of one transaction
_TOLD: Final = 5.0  # seconds between two lines about how far it is

log = structlog.get_logger()

_BELOW = sql("""
SELECT id, path, name, kind, size, blob_id, created, created_by, modified, modified_by, updated FROM item
WHERE repo_id = :repo_id AND (path = :path OR (path >= :low AND path < :high)) AND (path > :after_path
  OR (path = :after_path AND name > :after_name)) ORDER BY path, name LIMIT :limit
""")
_DEEPEST = sql("""
SELECT id, path, name, kind, size, blob_id, created, created_by, modified, modified_by, updated FROM item
WHERE repo_id = :repo_id AND (path = :path OR (path >= :low AND path < :high)) ORDER BY path DESC, name DESC LIMIT :limit {update}
""")
_ALL = sql("""
SELECT id, path, name, kind, size, blob_id, created, created_by, modified, modified_by, updated FROM item
WHERE repo_id = :repo_id AND (path > :after_path OR (path = :after_path AND name > :after_name))
ORDER BY path, name LIMIT :limit
""")
_LAST = sql("""
SELECT id, path, name, kind, size, blob_id, created, created_by, modified, modified_by, updated FROM item
WHERE repo_id = :repo_id ORDER BY path DESC, name DESC LIMIT :limit {update}
""")
_AT = sql("""
SELECT id, path, name, kind, size, blob_id, created, created_by, modified, modified_by, updated FROM item
WHERE repo_id = :repo_id AND path = :path AND name {any:names}
""")
_STATISTICS = sql(
    "UPDATE stat SET item_id = :new WHERE item_id = :old AND NOT EXISTS (SELECT 1 FROM stat WHERE item_id = :new)"
)


@dataclass(slots=True)
class Count:
    """How much a step, or all of them, did."""

    files: int = 0
    folders: int = 0
    refused: list[str] = field(default_factory=list)  # why some were left out

    def add(self, item: Item) -> None:
        """Count an item."""
        if item.is_file:
            self.files += 1
        else:
            self.folders += 1


@dataclass(frozen=True, slots=True)
class Journey:
    """From where to where. `refusal` gives the reason why an item must not go to a path, where another may be, or None."""

    source: Where
    path: str
    target: Where
    to: str
    moving: bool
    refusal: Callable[[Item, str, Item | None], str | None]
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)  # properties that every file gets besides its own
    drops: str = ""  # what the keys of properties begin with that stay behind; empty: none do
    dry: bool = False  # only count


class Branches:
    """Work on folders with all that is below them. One per process."""

    def __init__(self, database: Database, tree: Tree) -> None:
        self._database = database
        self._tree = tree

    async def below(self, repo_id: int, path: str) -> AsyncIterator[Item]:
        """Yield what is below a folder, each folder before what it holds. Reads in pages; changes meanwhile may show."""
        after = ("", "")
        while page := await self._page(repo_id, path, after):
            for item in page:
                yield item
            after = split(page[-1].path)

    async def _page(self, repo_id: int, path: str, after: tuple[str, str]) -> list[Item]:
        if not path:
            rows = await self._database.rows(
                _ALL, repo_id=repo_id, after_path=after[0], after_name=after[1], limit=_STEP
            )
            return [read_item(row) for row in rows]
        rows = await self._database.rows(
            _BELOW,
            repo_id=repo_id,
            path=path,
            low=f"{path}/",
            high=f"{path}0",
            after_path=after[0],
            after_name=after[1],
            limit=_STEP,
        )
        return [read_item(row) for row in rows]

    async def remove(self, where: Where, path: str) -> int:
        """Remove an item and all below it; return how many items went."""
        gone = 0
        while True:
            step = await self._database.transact(lambda tx: self._remove_some(tx, where, path))
            gone += step
            if step < _STEP:
                return gone

    async def remove_file(self, where: Where, path: str) -> None:
        """Remove a file, and the folders above it that this leaves empty."""

        async def work(tx: Tx) -> None:
            await self._tree.remove(tx, where, path)
            await self._tree.prune(tx, where, split(path)[0].removeprefix("."))

        await self._database.transact(work)

    async def _remove_some(self, tx: Tx, where: Where, path: str) -> int:
        if path:
            rows = await tx.rows(
                _DEEPEST, repo_id=where.repo_id, path=path, low=f"{path}/", high=f"{path}0", limit=_STEP
            )
        else:
            rows = await tx.rows(_LAST, repo_id=where.repo_id, limit=_STEP)
        items = [read_item(row) for row in rows]
        if path and len(items) < _STEP:
            top = await find(tx, where.repo_id, path)
            if top is not None:
                items.append(top)
        return await self._tree.remove_items(tx, where, items) if items else 0

    async def carry(self, journey: Journey) -> Count:
        """Copy or move an item with all below it, step by step; return what was done. Raises NotFound."""
        top = await find(self._database, journey.source.repo_id, journey.path) if journey.path else None
        if journey.path and top is None:
            raise NotFound(f"Unable to find item {journey.source.repo_key}:{journey.path}")
        count, told = Count(), time.monotonic()
        if top is not None:
            await self._step(journey, [top], count)
            if top.is_file:
                return count
        after = ("", "")
        while page := await self._page(journey.source.repo_id, journey.path, after):
            after = split(page[-1].path)
            await self._step(journey, page, count)
            if time.monotonic() - told > _TOLD:
                told = time.monotonic()
                _tell(journey, count)
        if journey.moving and not journey.dry:
            await self._sweep(journey)
        return count

    async def _step(self, journey: Journey, items: Sequence[Item], count: Count) -> None:
        taking = []
        there = await self._there(journey, items)
        for item in items:
            destination = _destination(journey, item)
            reason = journey.refusal(item, destination, there.get(destination) if item.is_file else None)
            if reason is None:
                taking.append(item)
                count.add(item)
            else:
                count.refused.append(reason)
        if not journey.dry:
            await self._database.transact(lambda tx: self._carry_some(tx, journey, taking))

    async def _there(self, journey: Journey, items: Sequence[Item]) -> dict[str, Item]:
        """Return by path what is already where files are going."""
        names: dict[str, list[str]] = {}
        for item in items:
            if item.is_file:
                folder, name = split(_destination(journey, item))
                names.setdefault(folder, []).append(name)
        found: dict[str, Item] = {}
        for folder, wanted in names.items():
            rows = await self._database.rows(_AT, repo_id=journey.target.repo_id, path=folder, names=wanted)
            found |= {one.path: one for one in map(read_item, rows)}
        return found

    async def _carry_some(self, tx: Tx, journey: Journey, items: Sequence[Item]) -> None:
        files: dict[str, list[tuple[Item, NewFile]]] = {}
        properties_held = await properties_of_all(tx, [item.id for item in items if item.is_file])
        for item in items:
            destination = _destination(journey, item)
            if not item.is_file:
                await self._tree.ensure_folder(tx, journey.target, destination)
                continue
            folder, name = split(destination)
            held = properties_held.get(item.id, {})
            kept = {
                key: values for key, values in held.items() if not journey.drops or not key.startswith(journey.drops)
            }
            properties = {**kept, **journey.more}
            assert item.blob_id is not None
            stamps = Stamps(item.created, item.created_by, item.modified, item.modified_by)
            new = NewFile(name, item.blob_id, item.size, properties, stamps)
            files.setdefault(folder.removeprefix("."), []).append((item, new))
        for folder, pairs in files.items():
            came = Came(
                "moved" if journey.moving else "copied", journey.source.repo_key, [one.path for one, _ in pairs]
            )
            placed = await self._tree.put_files(tx, journey.target, folder, [new for _, new in pairs], came=came)
            if journey.moving:
                moved: list[dict[str, Parameter]] = [
                    {"old": old.id, "new": now.id} for (old, _), now in zip(pairs, placed, strict=True)
                ]
                await tx.many(_STATISTICS, moved)
                await self._tree.remove_items(tx, journey.source, [one for one, _ in pairs])

    async def _sweep(self, journey: Journey) -> None:
        """Remove the folders of a move that are empty now, deepest first; what was left out keeps its folders."""
        if not journey.path:
            return
        folders = [item.path async for item in self.below(journey.source.repo_id, journey.path) if not item.is_file]
        for folder in [*reversed(folders), journey.path]:
            await self._database.transact(lambda tx, folder=folder: self._tree.drop_empty(tx, journey.source, folder))  # type: ignore[misc]


def _tell(journey: Journey, count: Count) -> None:
    """Say in the log how far a long copy or move is."""
    log.info(
        "folder.moving" if journey.moving else "folder.copying",
        source=f"{journey.source.repo_key}/{journey.path}", target=f"{journey.target.repo_key}/{journey.to}",
        files=count.files, folders=count.folders, left_out=len(count.refused), dry=journey.dry,
    )  # fmt: skip


def _destination(journey: Journey, item: Item) -> str:
    rest = item.path[len(journey.path) :].strip("/") if journey.path else item.path
    return "/".join(filter(None, (journey.to, rest)))
