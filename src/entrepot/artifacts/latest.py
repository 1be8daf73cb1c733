"""Paths that name no version: `[RELEASE]` is the newest release there is, `[INTEGRATION]` the newest of all (reference 7.6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from entrepot.access.actions import Action
from entrepot.metadata.database import Database, Row
from entrepot.metadata.items import below
from entrepot.metadata.sql import sql
from entrepot.repositories.granted import Granted
from entrepot.repositories.layouts import Layouts, Module
from entrepot.repositories.repository import Repository
from entrepot.repositories.versions import Key, order

RELEASE: Final = "[RELEASE]"
INTEGRATION: Final = "[INTEGRATION]"
_PAGE: Final = 1000
_MOST: Final = 100_000  # files that are looked at
_TURN: Final = 0.01  # seconds after which others have their turn, for paths can be made that take long to read

_FILES = sql("""
SELECT path, name FROM item WHERE repo_id = :repo_id AND kind = 1 AND path >= :low AND path < :high
  AND (path, name) > (:path, :name)
ORDER BY path, name LIMIT :limit
""")
_OF_FOLDER = sql("""
SELECT path, name FROM item WHERE repo_id = :repo_id AND kind = 1 AND path = :path AND name > :name ORDER BY name LIMIT :limit
""")


class Latest:
    """Resolve such paths. One per process."""

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts

    async def resolve(self, granted: Granted, path: str) -> str | None:
        """Return the path of the newest file that the caller may read; None when there is none."""
        token = RELEASE if RELEASE in path else INTEGRATION
        folder = path.partition(token)[0].rpartition("/")[0]
        best: tuple[tuple[Key, bool, Key], str] | None = None
        since = time.monotonic()
        for repository in granted.physical:
            async for candidate in self._files(repository, folder):
                if time.monotonic() - since > _TURN:
                    await asyncio.sleep(0)
                    since = time.monotonic()
                module = self._layouts.read(str(repository.config.get("repoLayoutRef") or ""), candidate)
                if module is None or not _fits(path, token, candidate, module):
                    continue
                rank = order(module.base), not module.integration, order(module.integration)
                if (best is None or rank > best[0]) and granted.may(Action.READ, repository, candidate):
                    best = rank, candidate
        return None if best is None else best[1]

    async def _files(self, repository: Repository, folder: str) -> AsyncIterator[str]:
        """Yield the paths of the files in and below a folder, some `_MOST` of them."""
        looked = 0
        for page in (self._within, self._below) if folder else (self._below,):
            after: Row = ("", "")
            while looked < _MOST and (rows := await page(repository.id, folder, after)):
                for row in rows:
                    yield row[1] if row[0] == "." else f"{row[0]}/{row[1]}"
                after = rows[-1]
                looked += len(rows)
                await asyncio.sleep(0)  # others have their turn

    async def _within(self, repo_id: int, folder: str, after: Row) -> Sequence[Row]:
        return await self._database.rows(_OF_FOLDER, repo_id=repo_id, path=folder, name=after[1], limit=_PAGE)

    async def _below(self, repo_id: int, folder: str, after: Row) -> Sequence[Row]:
        low, high = below(folder) if folder else ("", "\U0010ffff")
        return await self._database.rows(
            _FILES, repo_id=repo_id, low=low, high=high, path=after[0], name=after[1], limit=_PAGE
        )


def wants_latest(path: str) -> bool:
    """Whether a path leaves the version open."""
    return RELEASE in path or INTEGRATION in path


def _fits(path: str, token: str, candidate: str, module: Module) -> bool:
    """Whether a file is what the path becomes with its version: the whole one or, as its folder has it, the base."""
    if token == RELEASE and module.integration:
        return False
    head, *rest = path.split(token)
    versions = {module.version, module.base, f"{module.base}-SNAPSHOT"} if module.integration else {module.version}
    return _spelled(candidate, head, rest, versions)


def _spelled(candidate: str, head: str, rest: list[str], versions: set[str]) -> bool:
    if not candidate.startswith(head):
        return False
    left = candidate[len(head) :]
    if not rest:
        return not left
    return any(
        left.startswith(version) and _spelled(left[len(version) :], rest[0], rest[1:], versions) for version in versions
    )
