"""Folders with all that is below them, read and removed in bounded steps (reference 7.9, 7.16).

Each step is a transaction of its own over at most a few hundred items, so that a folder of any size keeps no other write
waiting and costs no memory. What is removed goes deepest first: a process that dies leaves the rest for the next attempt,
never an item without its folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from entrepot.errors import Denied
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import Item, find, read_item, split
from entrepot.metadata.sql import sql
from entrepot.metadata.tree import Tree

STEP: Final = 200  # items of one transaction

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
_FILES = sql("""
SELECT {item} FROM item
WHERE id {any:ids} AND kind = 1 ORDER BY path, name {update}
""")


class Branches:
    """Work on folders with all that is below them. One per process."""

    def __init__(self, database: Database, tree: Tree) -> None:
        self._database = database
        self._tree = tree

    async def below(self, repo_id: int, path: str) -> AsyncIterator[Item]:
        """Yield what is below a folder, each folder before what it holds. Reads in pages; changes meanwhile may show."""
        after = ("", "")
        while page := await self.page(repo_id, path, after):
            for item in page:
                yield item
            after = split(page[-1].path)
            await asyncio.sleep(0)  # others have their turn: on SQLite no read ever suspends

    async def page(self, repo_id: int, path: str, after: tuple[str, str]) -> list[Item]:
        """Return some of what is below a folder, in the order of folder and name, beyond `after`; empty at the end."""
        if not path:
            rows = await self._database.rows(
                _ALL, repo_id=repo_id, after_path=after[0], after_name=after[1], limit=STEP
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
            limit=STEP,
        )
        return [read_item(row) for row in rows]

    async def remove(self, where: Where, path: str, refusal: Callable[[Item], str | None] = lambda _: None) -> int:
        """Remove an item and all below it, also what comes there meanwhile; return how many items went.

        Raises Denied at the first file that must stay, for the reason that `refusal` gives.
        """
        gone = 0
        while True:
            items = await self._deepest(where.repo_id, path)
            went = await self._remove_all(where, items, refusal)
            gone += went
            if went == len(items) < STEP:  # else others came between, or there is more
                return gone

    async def remove_file(self, where: Where, path: str, *, before: int) -> bool:
        """Remove a file that was last changed before a time, with the folders that this leaves empty; whether it went."""

        async def work(tx: Tx) -> bool:
            item = await find(tx, where.repo_id, path)
            found = await as_they_are(tx, [item]) if item is not None and item.is_file else []
            if not found or found[0].updated >= before:  # another of the same path came meanwhile
                return False
            await self._tree.remove_items(tx, where, found)
            await self._tree.prune(tx, where, split(path)[0].removeprefix("."))
            return True

        return await self._database.transact(work)

    async def _deepest(self, repo_id: int, path: str) -> list[Item]:
        """Return a step's items, each before its folder; the item itself when there is room after all that it holds."""
        if not path:
            return [read_item(row) for row in await self._database.rows(_LAST, repo_id=repo_id, limit=STEP)]
        rows = await self._database.rows(
            _DEEPEST, repo_id=repo_id, path=path, low=f"{path}/", high=f"{path}0", limit=STEP
        )
        items = [read_item(row) for row in rows]
        top = await find(self._database, repo_id, path) if len(items) < STEP else None
        return items if top is None else [*items, top]

    async def _remove_all(self, where: Where, items: Sequence[Item], refusal: Callable[[Item], str | None]) -> int:
        """Remove files, and then those folders that are empty: what a deploy has put into one keeps it for now.

        In two transactions: a deploy holds its folder before its file, so in one they would wait for each other.
        """

        async def remove_files(tx: Tx) -> int:
            files = await as_they_are(tx, [item for item in items if item.is_file])
            reason = next(filter(None, map(refusal, files)), None)
            if reason is not None:
                raise Denied(reason)
            return await self._tree.remove_items(tx, where, files) if files else 0

        gone = await self._database.transact(remove_files) if any(item.is_file for item in items) else 0
        return gone + await self.drop(where, [item.path for item in items if not item.is_file])

    async def drop(self, where: Where, folders: Sequence[str]) -> int:
        """Remove those of some folders that are empty; return how many."""

        async def work(tx: Tx) -> int:
            return sum([await self._tree.drop_empty(tx, where, folder) for folder in folders])

        return await self._database.transact(work) if folders else 0


async def as_they_are(tx: Tx, items: Sequence[Item]) -> list[Item]:
    """Return items as they are now, without files that went or went elsewhere; no file of them changes before the commit."""
    rows = await tx.rows(_FILES, ids=[item.id for item in items if item.is_file])
    files = {one.id: one for one in map(read_item, rows)}
    found = [(item, files.get(item.id) if item.is_file else item) for item in items]
    return [now for item, now in found if now is not None and now.path == item.path]
