"""What was in the trash can for long enough goes for good (reference 7.16: `trashcanConfig.retentionPeriodDays`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from entrepot.artifacts.branches import Branches
from entrepot.configuration.documents import read
from entrepot.metadata.database import Database
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import read_item
from entrepot.metadata.sql import sql
from entrepot.repositories.catalog import TRASH_KEY
from entrepot.repositories.repository import Repository

_DAYS: Final = 14
_DAY: Final = 86_400_000  # milliseconds
_STEP: Final = 500  # items of one round

_OLD = sql("""
SELECT i.id, i.path, i.name, i.kind, i.size, i.blob_id, i.created, i.created_by, i.modified, i.modified_by, i.updated
FROM item i WHERE i.repo_id = :repo_id AND i.kind = 1 AND i.updated < :before ORDER BY i.id LIMIT :limit
""")


class TrashRetention:
    """Remove what is old, some at a time."""

    def __init__(
        self, database: Database, branches: Branches, find_repository: Callable[[str], Repository | None]
    ) -> None:
        self._database = database
        self._branches = branches
        self._repository = find_repository

    async def round(self) -> int:
        """Remove some of the files that are old enough, with the folders that they leave empty; return how many files."""
        trash = self._repository(TRASH_KEY)
        if trash is None:
            return 0
        settings = await read(self._database, "trashcanConfig") or {}
        days = settings.get("retentionPeriodDays")
        before = self._database.now() - _DAY * (days if isinstance(days, int) and days >= 0 else _DAYS)
        rows = await self._database.rows(_OLD, repo_id=trash.id, before=before, limit=_STEP)
        place = Where(trash.id, trash.key, trash.package_type, "_system_")
        for row in rows:
            await self._branches.remove_file(place, read_item(row).path)
        return len(rows)
