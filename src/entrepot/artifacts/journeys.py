"""Items on their way from place to place: copied, moved, into the trash can and out of it (reference 7.11, 7.16).

It goes step by step, each a transaction of its own. A process that dies leaves the rest for the next attempt, never an item
without its folder: what is copied comes after its folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from entrepot.artifacts.branches import STEP, Branches, as_they_are
from entrepot.errors import NotFound
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import Came, Item, NewFile, Stamps, find, read_item, split
from entrepot.metadata.properties import Properties, properties_of_all
from entrepot.metadata.sql import Parameter, sql
from entrepot.metadata.tree import FileInTheWay, FolderInTheWay, Tree

_TOLD: Final = 5.0  # seconds between two lines about how far it is
_REASONS: Final = 100  # that are kept of those why something was left out

log = structlog.get_logger()

_FOLDERS_DEEPEST_FIRST = sql("""
SELECT path, name FROM item
WHERE repo_id = :repo_id AND kind = 0 AND path >= :path AND path < :high AND (path = :path OR path >= :low)
  AND (path, name) < (:before_path, :before_name) ORDER BY path DESC, name DESC LIMIT :limit
""")
_AT = sql("""
SELECT {item} FROM item
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
    left_out: int = 0
    reasons: list[str] = field(default_factory=list)  # why the first of them were

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
        self.left_out += step.left_out
        self.reasons += step.reasons[: _REASONS - len(self.reasons)]


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


class Journeys:
    """Carry items with all that is below them. One per process."""

    def __init__(self, database: Database, tree: Tree, branches: Branches) -> None:
        self._database = database
        self._tree = tree
        self._branches = branches

    async def carry(self, journey: Journey) -> Count:
        """Copy or move an item with all below it, step by step; return what was done. Raises NotFound."""
        top = await find(self._database, journey.source.repo_id, journey.path) if journey.path else None
        if journey.path and top is None:
            raise NotFound(f"Unable to find item {journey.source.repo_key}:{journey.path}")
        count, told = Count(), time.monotonic()
        if top is not None:
            await self._step(journey, [top], count)
            if top.is_file:
                if not count.files and not count.left_out:  # it went meanwhile
                    raise NotFound(f"Unable to find item {journey.source.repo_key}:{journey.path}")
                return count
        after = ("", "")
        while page := await self._branches.page(journey.source.repo_id, journey.path, after):
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
                await self._branches.remove(journey.target, path)
        while True:
            try:
                count.join(await self._database.transact(lambda tx: self._carry_some(tx, journey, items)))
            except _Overtaken:
                continue  # the next attempt sees what is there now
            except (FileInTheWay, FolderInTheWay) as error:
                if not journey.clears:
                    raise
                await self._branches.remove(journey.target, str(error.words["path"]))
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
                count.left_out += 1
                count.reasons.append(reason)
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
        taking, count = await self._judged(tx, journey, await as_they_are(tx, items))

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
        path = journey.path
        low, high = (f"{path}/", f"{path}0") if path else ("", "\U0010ffff")
        before = (high, "")
        while page := await self._database.rows(
            _FOLDERS_DEEPEST_FIRST, repo_id=journey.source.repo_id, path=path, low=low, high=high,
            before_path=before[0], before_name=before[1], limit=STEP,
        ):  # fmt: skip
            before = (page[-1][0], page[-1][1])
            await self._branches.drop(
                journey.source, [name if folder == "." else f"{folder}/{name}" for folder, name in page]
            )
        if path:
            await self._branches.drop(journey.source, [path])


def _tell(journey: Journey, count: Count) -> None:
    """Say in the log how far a long copy or move is."""
    log.info(
        "folder.moving" if journey.moving else "folder.copying",
        source=f"{journey.source.repo_key}/{journey.path}", target=f"{journey.target.repo_key}/{journey.to}",
        files=count.files, folders=count.folders, left_out=count.left_out, dry=journey.dry,
    )  # fmt: skip


def _new_file(journey: Journey, item: Item, name: str, properties: Properties) -> NewFile:
    kept = {key: values for key, values in properties.items() if not journey.drops or not key.startswith(journey.drops)}
    assert item.blob_id is not None
    stamps = Stamps(item.created, item.created_by, item.modified, item.modified_by)
    return NewFile(name, item.blob_id, item.size, {**kept, **journey.more}, stamps)


def _destination(journey: Journey, item: Item) -> str:
    rest = item.path[len(journey.path) :].strip("/") if journey.path else item.path
    return "/".join(filter(None, (journey.to, rest)))
