"""What was in the trash can for long enough goes for good (reference 7.16: `trashcanConfig.retentionPeriodDays`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from entrepot.artifacts.branches import Branches
from entrepot.configuration.documents import read
from entrepot.metadata.database import Database
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import FILE
from entrepot.metadata.sql import sql
from entrepot.repositories.catalog import TRASH_KEY
from entrepot.repositories.repository import Repository

_DAYS: Final = 14
_DAY: Final = 86_400_000  # milliseconds
_STEP: Final = 500  # items that are looked at in one statement

# By place, which has an index, and not by age, which has none: a can of any size is read in short statements.
_NEXT = sql("""
SELECT path, name, kind, updated FROM item
WHERE repo_id = :repo_id AND (path, name) > (:after_path, :after_name) ORDER BY path, name LIMIT :limit
""")


class TrashRetention:
    """Remove what is old, each file in a transaction of its own."""

    def __init__(
        self, database: Database, branches: Branches, find_repository: Callable[[str], Repository | None]
    ) -> None:
        self._database = database
        self._branches = branches
        self._repository = find_repository

    async def round(self) -> int:
        """Remove the files that are old enough, with the folders that they leave empty; return how many files."""
        trash = self._repository(TRASH_KEY)
        if trash is None:
            return 0
        settings = await read(self._database, "trashcanConfig") or {}
        days = settings.get("retentionPeriodDays")
        before = self._database.now() - _DAY * (days if isinstance(days, int) and days >= 0 else _DAYS)
        place = Where(trash.id, trash.key, trash.package_type, "_system_")
        gone, folder, name = 0, "", ""
        while rows := await self._database.rows(
            _NEXT, repo_id=trash.id, after_path=folder, after_name=name, limit=_STEP
        ):
            for folder, name, kind, updated in rows:
                if kind == FILE and updated < before:
                    path = name if folder == "." else f"{folder}/{name}"
                    gone += await self._branches.remove_file(place, path, before=before)
        return gone
