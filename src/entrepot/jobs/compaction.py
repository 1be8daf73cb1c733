"""Joining blobs that arrived in several chunks into one object each, so that the kernel can send them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from entrepot.blobs.ingest import Hashes
from entrepot.blobs.intake import Intake
from entrepot.errors import EntrepotError, Unavailable
from entrepot.metadata.blob_rows import assert_writer, move, segments
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.objects import Piece, discard, grace
from entrepot.metadata.sql import sql

log = structlog.get_logger()

_PAGE = 20
_AGAIN = 86_400_000  # ms until the same objects of a damaged blob are read again

_SEGMENTED = sql("SELECT DISTINCT blob_id FROM blob_segment WHERE blob_id > :after ORDER BY blob_id LIMIT :limit")
_LOCK = sql("SELECT sha256 FROM blob WHERE id = :id AND storage_key IS NULL {update}")


class SegmentsDiffer(EntrepotError):
    """The chunks of a stored blob no longer have its digest; run fsck."""


class Compaction:
    """Join segmented blobs in rounds. Verified by digest before the chunks go, and those stay for the grace time.

    A blob that is damaged is read once a day, unless it gets other objects.
    """

    def __init__(self, database: Database, intake: Intake) -> None:
        self._database = database
        self._intake = intake
        self._damaged: dict[int, tuple[tuple[Piece, ...], int]] = {}  # blob -> objects that failed, and when

    async def round(self) -> int:
        """Join what there is; return how many blobs."""
        joined, after, seen = 0, 0, set[int]()
        while page := [row[0] for row in await self._database.rows(_SEGMENTED, after=after, limit=_PAGE)]:
            for blob_id in page:
                joined += await self._tried(blob_id)
            seen.update(page)
            after = page[-1]
        self._damaged = {blob_id: failed for blob_id, failed in self._damaged.items() if blob_id in seen}
        return joined

    async def _tried(self, blob_id: int) -> bool:
        """Join a blob; one that is damaged is told of, then left alone, and keeps no others from being joined."""
        pieces, now = await segments(self._database, blob_id), self._intake.clock.now()
        failed, since = self._damaged.get(blob_id, ((), 0))
        if failed == pieces and now < since + _AGAIN:
            return False
        try:
            joined = await self._join(blob_id, pieces)
        except Unavailable:
            raise
        except EntrepotError as error:
            self._damaged[blob_id] = pieces, now
            log.warning("compaction.failed", blob=blob_id, reason=error.message)
            return False
        return joined

    async def _join(self, blob_id: int, pieces: tuple[Piece, ...]) -> bool:
        hashes = Hashes.proof()
        received = await self._intake.receive(self._read(pieces), hashes, inline=-1)

        async def work(tx: Tx) -> bool:
            await assert_writer(tx, self._intake.writer)
            row = await tx.row(_LOCK, id=blob_id)
            if row is None or await segments(tx, blob_id) != pieces:
                return False
            if row[0] != hashes.sha256:
                raise SegmentsDiffer
            await move(tx, blob_id, received.key)
            await discard(tx, pieces, wait=await grace(tx))
            return True

        async with self._intake.naming(received):
            joined = await self._database.transact(work)
        if not joined:
            await self._intake.abandon(received)
        return joined

    async def _read(self, pieces: tuple[Piece, ...]) -> AsyncIterator[bytes]:
        for piece in pieces:
            async for chunk in self._intake.driver.read(piece.key):
                yield chunk
