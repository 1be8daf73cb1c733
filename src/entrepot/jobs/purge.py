"""Removing the content of a repository that was deleted: its id is retired already, so nobody can see or add anything."""

from __future__ import annotations

from entrepot.jobs.queue import Job, Renew
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.objects import Piece, discard
from entrepot.metadata.sql import sql

KIND = "repository.purge"
_PAGE = 1000

_ITEMS = sql("SELECT id FROM item WHERE repo_id = :repo_id ORDER BY path, name LIMIT :limit")
_NAMES = sql("SELECT id FROM image_blob WHERE repo_id = :repo_id ORDER BY image, blob_id LIMIT :limit")
_UPLOADS = sql("SELECT id FROM upload WHERE repo_id = :repo_id ORDER BY id LIMIT :limit")
_SEGMENTS = sql("SELECT storage_key, size FROM upload_segment WHERE upload_id {any:ids}")
_DROP_ITEMS = sql("DELETE FROM item WHERE id {any:ids}")
_DROP_NAMES = sql("DELETE FROM image_blob WHERE id {any:ids}")
_DROP_UPLOADS = sql("DELETE FROM upload WHERE id {any:ids}")


class Purge:
    """The handler of `repository.purge` jobs; each page is a transaction of its own, so it may stop and go on anywhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, job: Job, renew: Renew) -> None:
        """Remove items, names and uploads; what derives from them goes by cascade, blobs by collection."""
        repo_id = job.payload["repo_id"]
        assert isinstance(repo_id, int)
        for page in (self._items, self._names, self._uploads):
            while await page(repo_id):
                if not await renew():
                    return

    async def _items(self, repo_id: int) -> int:
        ids = [row[0] for row in await self._database.rows(_ITEMS, repo_id=repo_id, limit=_PAGE)]

        async def work(tx: Tx) -> int:
            return await tx.execute(_DROP_ITEMS, ids=ids)

        return await self._database.transact(work) if ids else 0

    async def _names(self, repo_id: int) -> int:
        ids = [row[0] for row in await self._database.rows(_NAMES, repo_id=repo_id, limit=_PAGE)]

        async def work(tx: Tx) -> int:
            return await tx.execute(_DROP_NAMES, ids=ids)

        return await self._database.transact(work) if ids else 0

    async def _uploads(self, repo_id: int) -> int:
        ids = [row[0] for row in await self._database.rows(_UPLOADS, repo_id=repo_id, limit=_PAGE)]

        async def work(tx: Tx) -> int:
            await discard(tx, tuple(Piece(*row) for row in await tx.rows(_SEGMENTS, ids=ids)))
            return await tx.execute(_DROP_UPLOADS, ids=ids)

        return await self._database.transact(work) if ids else 0
