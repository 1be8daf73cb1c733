"""Folders with all that is below them, removed, copied and moved in bounded steps (reference 7.9, 7.11, 7.16).

Each step is a transaction of its own over at most a few hundred items, so that a folder of any size keeps no other write
waiting and costs no memory. A process that dies leaves the rest for the next attempt, never an item without its folder:
what is removed goes deepest first, what is copied comes after its folder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from entrepot.errors import NotFound
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import Came, Item, NewFile, Stamps, find, read_item, split
from entrepot.metadata.properties import Properties, properties_of_all
from entrepot.metadata.sql import Parameter, sql
from entrepot.metadata.tree import FileInTheWay, FolderInTheWay, Tree

_STEP: Final = 200  # items of one transaction
_TOLD: Final = 5.0  # seconds between two lines about how far it is

log = structlog.get_logger()

# PostgreSQL reads from one place of its index to another only where both are bounds by themselves, and no part of an OR.
_BELOW = sql("""
SELECT {item} FROM item
WHERE repo_id = :repo_id AND path >= :path AND path < :high AND (path = :path OR path >= :low)
  AND (path, name) > (:after_path, :after_name) ORDER BY path, name LIMIT :limit
""")
_DEEPEST = sql("""
SELECT {item} FROM item
WHERE repo_id = :repo_id AND path >= :path AND path < :high AND (path = :path OR path >= :low)
ORDER BY path DESC, name DESC LIMIT :limit
""")
_ALL = sql("""
SELECT {item} FROM item
WHERE repo_id = :repo_id AND (path, name) > (:after_path, :after_name)
ORDER BY path, name LIMIT :limit
""")
_LAST = sql("""
SELECT {item} FROM item
WHERE repo_id = :repo_id ORDER BY path DESC, name DESC LIMIT :limit
""")
_AT = sql("""
SELECT {item} FROM item
WHERE repo_id = :repo_id AND path = :path AND name {any:names}
""")
_FILES = sql("""
SELECT {item} FROM item
WHERE id {any:ids} AND kind = 1 ORDER BY path, name {update}
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

    def join(self, step: Count) -> None:
        """Count what a step did."""
        self.files += step.files
        self.folders += step.folders
        self.refused += step.refused


class _Overtaken(Exception):
    """Where a file is going another was placed meanwhile, which it may not replace."""


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
    clears: bool = False  # what is in the way at the target goes, and whatever has the path of a file


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
            await asyncio.sleep(0)  # others have their turn: on SQLite no read ever suspends

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
        """Remove an item and all below it, also what comes there meanwhile; return how many items went."""
        gone = 0
        while True:
            items = await self._deepest(where.repo_id, path)
            went = await self._remove_all(where, items)
            gone += went
            if went == len(items) < _STEP:  # else others came between, or there is more
                return gone

    async def remove_file(self, where: Where, path: str) -> None:
        """Remove a file, and the folders above it that this leaves empty."""

        async def work(tx: Tx) -> None:
            await self._tree.remove(tx, where, path)
            await self._tree.prune(tx, where, split(path)[0].removeprefix("."))

        await self._database.transact(work)

    async def _deepest(self, repo_id: int, path: str) -> list[Item]:
        """Return a step's items, each before its folder; the item itself when there is room after all that it holds."""
        if not path:
            return [read_item(row) for row in await self._database.rows(_LAST, repo_id=repo_id, limit=_STEP)]
        rows = await self._database.rows(
            _DEEPEST, repo_id=repo_id, path=path, low=f"{path}/", high=f"{path}0", limit=_STEP
        )
        items = [read_item(row) for row in rows]
        top = await find(self._database, repo_id, path) if len(items) < _STEP else None
        return items if top is None else [*items, top]

    async def _remove_all(self, where: Where, items: Sequence[Item]) -> int:
        """Remove files, and then those folders that are empty: what a deploy has put into one keeps it for now.

        In two transactions: a deploy holds its folder before its file, so in one they would wait for each other.
        """

        async def remove_files(tx: Tx) -> int:
            files = await _now(tx, [item for item in items if item.is_file])
            return await self._tree.remove_items(tx, where, files) if files else 0

        async def drop_folders(tx: Tx) -> int:
            return sum([await self._tree.drop_empty(tx, where, item.path) for item in items if not item.is_file])

        gone = await self._database.transact(remove_files) if any(item.is_file for item in items) else 0
        folders = any(not item.is_file for item in items)
        return gone + (await self._database.transact(drop_folders) if folders else 0)

    async def carry(self, journey: Journey) -> Count:
        """Copy or move an item with all below it, step by step; return what was done. Raises NotFound."""
        top = await find(self._database, journey.source.repo_id, journey.path) if journey.path else None
        if journey.path and top is None:
            raise NotFound(f"Unable to find item {journey.source.repo_key}:{journey.path}")
        count, told = Count(), time.monotonic()
        if top is not None:
            await self._step(journey, [top], count)
            if top.is_file:
                if not count.files and not count.refused:  # it went meanwhile
                    raise NotFound(f"Unable to find item {journey.source.repo_key}:{journey.path}")
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
        if journey.dry:
            _, step = await self._judged(self._database, journey, items)
            count.join(step)
            return
        if journey.clears:
            for path in await self._there(self._database, journey, items):
                await self.remove(journey.target, path)
        while True:
            try:
                count.join(await self._database.transact(lambda tx: self._carry_some(tx, journey, items)))
            except _Overtaken:
                continue  # the next attempt sees what is there now
            except (FileInTheWay, FolderInTheWay) as error:
                if not journey.clears:
                    raise
                await self.remove(journey.target, str(error.words["path"]))
                continue
            return

    async def _judged(self, reads: Reads, journey: Journey, items: Sequence[Item]) -> tuple[dict[str, Item], Count]:
        """Return what goes, by where it goes, and how much that is and what is left out."""
        taking, count = {}, Count()
        there = await self._there(reads, journey, items)
        for item in items:
            destination = _destination(journey, item)
            reason = journey.refusal(item, destination, there.get(destination) if item.is_file else None)
            if reason is None:
                taking[destination] = item
                count.add(item)
            else:
                count.refused.append(reason)
        return taking, count

    async def _there(self, reads: Reads, journey: Journey, items: Sequence[Item]) -> dict[str, Item]:
        """Return by path what is already where files are going."""
        names: dict[str, list[str]] = {}
        for item in items:
            if item.is_file:
                folder, name = split(_destination(journey, item))
                names.setdefault(folder, []).append(name)
        found: dict[str, Item] = {}
        for folder, wanted in names.items():
            rows = await reads.rows(_AT, repo_id=journey.target.repo_id, path=folder, names=wanted)
            found |= {one.path: one for one in map(read_item, rows)}
        return found

    async def _carry_some(self, tx: Tx, journey: Journey, items: Sequence[Item]) -> Count:
        """Carry items that were read before: those that are still there, as they are now."""
        taking, count = await self._judged(tx, journey, await _now(tx, items))

        def may_replace(before: Item, _: NewFile) -> None:
            if journey.refusal(taking[before.path], before.path, before) is not None:
                raise _Overtaken

        files: dict[str, list[tuple[Item, NewFile]]] = {}
        properties = await properties_of_all(tx, [item.id for item in taking.values() if item.is_file])
        for destination, item in taking.items():
            if not item.is_file:
                await self._tree.ensure_folder(tx, journey.target, destination)
                continue
            folder, name = split(destination)
            new = _new_file(journey, item, name, properties.get(item.id, {}))
            files.setdefault(folder.removeprefix("."), []).append((item, new))
        for folder, pairs in files.items():
            came = Came(
                "moved" if journey.moving else "copied", journey.source.repo_key, [one.path for one, _ in pairs]
            )
            placed = await self._tree.put_files(
                tx, journey.target, folder, [new for _, new in pairs], came=came, may_replace=may_replace
            )
            if journey.moving:
                moved: list[dict[str, Parameter]] = [
                    {"old": old.id, "new": now.id} for (old, _), now in zip(pairs, placed, strict=True)
                ]
                await tx.many(_STATISTICS, moved)
                await self._tree.remove_items(tx, journey.source, [one for one, _ in pairs])
        return count

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


async def _now(tx: Tx, items: Sequence[Item]) -> list[Item]:
    """Return items as they are now, without files that went or went elsewhere; no file of them changes before the commit."""
    rows = await tx.rows(_FILES, ids=[item.id for item in items if item.is_file])
    files = {one.id: one for one in map(read_item, rows)}
    found = [(item, files.get(item.id) if item.is_file else item) for item in items]
    return [now for item, now in found if now is not None and now.path == item.path]


def _new_file(journey: Journey, item: Item, name: str, properties: Properties) -> NewFile:
    kept = {key: values for key, values in properties.items() if not journey.drops or not key.startswith(journey.drops)}
    assert item.blob_id is not None
    stamps = Stamps(item.created, item.created_by, item.modified, item.modified_by)
    return NewFile(name, item.blob_id, item.size, {**kept, **journey.more}, stamps)


def _destination(journey: Journey, item: Item) -> str:
    rest = item.path[len(journey.path) :].strip("/") if journey.path else item.path
    return "/".join(filter(None, (journey.to, rest)))
