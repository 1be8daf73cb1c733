"""Download statistics: counted in memory, written in batches. A download is no event, and a kill may lose some seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entrepot.metadata.database import Database, ReferenceLost, Tx
from entrepot.metadata.sql import Parameter, sql

FLUSH_SECONDS = 5.0
_WAITING = 100_000  # items; beyond, the oldest counts wait for nobody

_ADD = sql("""
INSERT INTO stat (item_id, downloads, last_downloaded, last_downloaded_by)
SELECT id, CAST(:downloads AS BIGINT), CAST(:at AS BIGINT), CAST(:by AS TEXT) FROM item WHERE id = :item_id
ON CONFLICT (item_id) DO UPDATE SET downloads = stat.downloads + excluded.downloads,
  last_downloaded = excluded.last_downloaded, last_downloaded_by = excluded.last_downloaded_by
""")


@dataclass(slots=True)
class _Count:
    downloads: int
    at: int
    by: str


class Downloads:
    """Count downloads of items. One per process."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now
        self._counts: dict[int, _Count] = {}

    def count(self, item_id: int, by: str) -> None:
        """Note one download."""
        known = self._counts.get(item_id)
        if known is None:
            if len(self._counts) < _WAITING:
                self._counts[item_id] = _Count(1, self._now(), by)
            return
        known.downloads += 1
        known.at, known.by = self._now(), by

    async def flush(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        counts, self._counts = self._counts, {}
        rows: list[dict[str, Parameter]] = [
            {"item_id": item_id, "downloads": one.downloads, "at": one.at, "by": one.by}
            for item_id, one in sorted(counts.items())
        ]
        if not rows:
            return

        async def work(tx: Tx) -> None:
            await tx.many(_ADD, rows)

        try:
            await self._database.transact(work)
        except ReferenceLost:  # an item went away between its row's look and ours: the next look will not find it
            self._keep(counts)
        except BaseException:
            self._keep(counts)
            raise

    def _keep(self, counts: dict[int, _Count]) -> None:
        for item_id, one in counts.items():
            newer = self._counts.setdefault(item_id, one)
            if newer is not one:
                newer.downloads += one.downloads
