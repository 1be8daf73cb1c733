"""Collection of garbage: online, always on, never listing the store (DESIGN section 5).

    names that have expired go  ->  blobs due for review are looked at  ->  those that nothing holds go to the delete queue
    ->  after one more grace time their objects are removed

A blob is deleted only by a statement that foreign keys may refuse, so no code has to know every holder. The row is locked
before its holders are looked at, in a statement of its own: what is let go meanwhile waits for the lock and is seen later.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from entrepot.blobs.contract import Driver, StoreUnavailable
from entrepot.metadata.blob_rows import segments
from entrepot.metadata.database import Database, ReferenceLost, Tx
from entrepot.metadata.objects import Piece, discard, grace, in_use
from entrepot.metadata.sql import Statement, sql
from entrepot.metadata.uploads import expire, expired

log = structlog.get_logger()

_PAGE = 200
_BUSY = -1

_EXPIRED_NAMES = sql("SELECT id FROM image_blob WHERE expires < {now} ORDER BY expires LIMIT :limit")
_DROP_NAMES = sql("DELETE FROM image_blob WHERE id {any:ids} AND expires < {now}")
_EXPIRED_CLAIMS = sql("SELECT id FROM image_blob_claim WHERE expires < {now} ORDER BY expires LIMIT :limit")
_DROP_CLAIMS = sql("DELETE FROM image_blob_claim WHERE id {any:ids} AND expires < {now}")
_DUE = sql("SELECT id FROM blob WHERE review < {now} ORDER BY review LIMIT :limit")
_LOCK = sql("SELECT storage_key, size FROM blob WHERE id = :id AND review IS NOT NULL {skip}")
_HELD = sql("""
SELECT 1 WHERE EXISTS (SELECT 1 FROM item WHERE blob_id = :id) OR EXISTS (SELECT 1 FROM image_blob WHERE blob_id = :id)
""")
_PASS = sql("UPDATE blob SET review = NULL WHERE id = :id")
_POSTPONE = sql("UPDATE blob SET review = {now} + (SELECT millis FROM grace) WHERE id = :id")
_LATER = sql("UPDATE blob SET review = keep_until WHERE id = :id")
_DELETE = sql("DELETE FROM blob WHERE id = :id AND keep_until < {now}")
_QUEUED = sql("SELECT storage_key FROM delete_queue WHERE not_before < {now} ORDER BY not_before LIMIT :limit")
_DONE = sql("DELETE FROM delete_queue WHERE storage_key = :storage_key")
_AGAIN = sql("""
UPDATE delete_queue SET attempts = attempts + 1, not_before = {now} + :wait WHERE storage_key = :storage_key
""")
_RETRY = 60_000  # ms
_AT_ONCE = 8  # of a page: half of the connections that a process has to PostgreSQL

K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class Report:
    """What one round did; sizes in bytes."""

    uploads: int = 0
    names: int = 0
    blobs: int = 0
    size: int = 0
    objects: int = 0
    failures: int = 0


class Collection:
    """Collect garbage in rounds. Any number of processes and nodes may do so at once."""

    def __init__(self, database: Database, driver: Driver) -> None:
        self._database = database
        self._driver = driver

    async def round(self) -> Report:
        """Do all that is due now, a page at a time, each item in a transaction of its own, a few at once."""
        report = Report()
        await self._expire_uploads(report)
        report.names += await self._expire(_EXPIRED_NAMES, _DROP_NAMES)
        await self._expire(_EXPIRED_CLAIMS, _DROP_CLAIMS)
        await self._review(report)
        await self._delete_objects(report)
        return report

    async def _expire_uploads(self, report: Report) -> None:
        while page := await expired(self._database, _PAGE):
            done = sum(await _each(page, self._expire_upload))
            report.uploads += done
            if not done:
                return

    async def _expire_upload(self, upload_id: str) -> bool:
        return await self._database.transact(lambda tx: expire(tx, upload_id))

    async def _expire(self, due: Statement, drop: Statement) -> int:
        """Drop rows whose time is over; return how many."""
        total = 0
        while page := [row[0] for row in await self._database.rows(due, limit=_PAGE)]:

            async def work(tx: Tx, page: list[int] = page) -> int:
                return await tx.execute(drop, ids=page)

            done = await self._database.transact(work)
            total += done
            if not done:
                break
        return total

    async def _review(self, report: Report) -> None:
        while page := [row[0] for row in await self._database.rows(_DUE, limit=_PAGE)]:
            found = await _each(page, self._look_at)
            sizes = [size for size in found if size is not None and size != _BUSY]
            report.blobs += len(sizes)
            report.size += sum(sizes)
            if all(size == _BUSY for size in found):
                return

    async def _look_at(self, blob_id: int) -> int | None:
        """Return the size when the blob was deleted, None when it stays, _BUSY when others hold it or have it in hand."""
        try:
            return await self._database.transact(functools.partial(self._judge, blob_id))
        except ReferenceLost:  # a holder that we do not know of refused; make room for the others
            await self._database.transact(functools.partial(_postpone, blob_id))
            return _BUSY

    async def _judge(self, blob_id: int, tx: Tx) -> int | None:
        row = await tx.row(_LOCK, id=blob_id)
        if row is None:
            return _BUSY
        storage_key, size = row
        if await tx.row(_HELD, id=blob_id) is not None:
            await tx.execute(_PASS, id=blob_id)
            return None
        pieces = await segments(tx, blob_id)
        if storage_key is not None:
            pieces = (Piece(storage_key, size),)
        if not await tx.execute(_DELETE, id=blob_id):
            await tx.execute(_LATER, id=blob_id)
            return None
        await discard(tx, pieces, wait=await grace(tx))
        return int(size)

    async def _delete_objects(self, report: Report) -> None:
        while page := [row[0] for row in await self._database.rows(_QUEUED, limit=_PAGE)]:
            used = await in_use(self._database, page)
            if used:  # the second lock: nothing that is named should be in the queue
                log.error("collection.in_use", count=len(used), objects=", ".join(sorted(used)[:5]))
            gone = await _each([key for key in page if key not in used], self._delete)
            failed = [key for key in gone if key is not None]
            await self._database.transact(functools.partial(_note, [key for key in page if key not in failed], failed))
            report.objects += len(gone) - len(failed)
            report.failures += len(failed)

    async def _delete(self, key: str) -> str | None:
        """Return the key of an object that could not be deleted now."""
        try:
            await self._driver.delete(key)
        except StoreUnavailable:
            return key
        return None


async def _each(page: Sequence[K], work: Callable[[K], Awaitable[T]]) -> list[T]:
    """Return what comes of each in the page, a few at once: SQLite commits them together, S3 and PostgreSQL overlap them.

    Raises what one of the few raised when all of them have ended.
    """
    results: list[T] = []
    for start in range(0, len(page), _AT_ONCE):
        ended = await asyncio.gather(*map(work, page[start : start + _AT_ONCE]), return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
    return results


async def _note(done: list[str], failed: list[str], tx: Tx) -> None:
    await tx.many(_DONE, [{"storage_key": key} for key in done])
    await tx.many(_AGAIN, [{"storage_key": key, "wait": _RETRY} for key in failed])


async def _postpone(blob_id: int, tx: Tx) -> None:
    await tx.execute(_POSTPONE, id=blob_id)
