"""Objects that no row names: told, queued for deletion, or given back to the blobs that have lost just these bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from entrepot.blobs.contract import BlobMissing, Driver
from entrepot.blobs.ingest import Hashes, rehash
from entrepot.metadata.blob_rows import heal
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.objects import Piece, discard, grace, in_use, named, queued, take_back
from entrepot.metadata.sql import sql

_PAGE = 500
_AT_ONCE = 10_000  # lost blobs whose bytes are looked for

_KNOWN_WRITERS = sql("SELECT id FROM writer WHERE id {any:ids}")
_WAITING = sql("SELECT COUNT(*), COALESCE(MAX(not_before), 0) FROM delete_queue")
_OPEN = sql("SELECT 1 FROM writer_hour WHERE writer_id = :writer AND hour = :hour")
_LOST = sql("""
SELECT id, sha256, size FROM blob b WHERE storage_key IS NULL AND size > 0
AND NOT EXISTS (SELECT 1 FROM blob_inline i WHERE i.blob_id = b.id)
AND NOT EXISTS (SELECT 1 FROM blob_segment s WHERE s.blob_id = b.id) LIMIT :limit
""")


async def orphans(database: Database, driver: Driver) -> AsyncIterator[tuple[int, list[Piece]]]:
    """Yield how many objects were listed, and those of them that no row names and that no known writer may have left.

    What a writer left that is dead, the sweep will see to.
    """
    page: list[Piece] = []
    async for stored in driver.list(""):
        page.append(Piece(stored.key, stored.size))
        if len(page) == _PAGE:
            yield len(page), await _unnamed(database, page)
            page = []
    yield len(page), await _unnamed(database, page)


async def _unnamed(reads: Reads, page: list[Piece]) -> list[Piece]:
    # Writers first: one that has a row when its object is listed, and none now, has had all that it wrote named or removed.
    writers = list({_writer(piece.key) for piece in page})
    known = {row[0] for row in await reads.rows(_KNOWN_WRITERS, ids=writers)}
    page = [piece for piece in page if _writer(piece.key) not in known]
    kept = await named(reads, [piece.key for piece in page])
    return [piece for piece in page if piece.key not in kept]


def _writer(key: str) -> str:
    return key.partition("/")[0]


async def queue(database: Database, orphan: Piece) -> int:
    """Have an orphan deleted after the grace time; 0 when something names it by now."""

    async def work(tx: Tx) -> int:
        if not await _unnamed(tx, [orphan]):
            return 0
        await discard(tx, (orphan,), wait=await grace(tx))
        return 1

    return await database.transact(work)


async def waiting(reads: Reads) -> tuple[int, int]:
    """Return how many objects wait for their deletion, and when the last of them may go, in milliseconds; 0 without any."""
    row = await reads.row(_WAITING)
    assert row is not None
    return int(row[0]), int(row[1])


async def _lost(reads: Reads) -> dict[int, dict[bytes, int]]:
    """Return the ids of blobs that have no bytes, by size and digest."""
    found: dict[int, dict[bytes, int]] = {}
    for blob_id, sha256, size in await reads.rows(_LOST, limit=_AT_ONCE):
        found.setdefault(size, {})[sha256] = blob_id
    return found


async def give_back(database: Database, driver: Driver) -> int:
    """Give objects to the blobs that have lost just their bytes, those that wait to be deleted too; return how many."""
    lost = await _lost(database)
    if not lost:
        return 0
    given = 0
    async for stored in driver.list(""):
        if stored.size in lost:
            given += await _given(database, driver, Piece(stored.key, stored.size), lost[stored.size])
    return given


async def _given(database: Database, driver: Driver, piece: Piece, lost: dict[bytes, int]) -> bool:
    """Give an object to the blob that has lost its bytes, also one that waits to be deleted."""
    if await _in_flight(database, piece.key) or await in_use(database, [piece.key]):
        return False
    try:
        read = await rehash(driver.read(piece.key), Hashes.proof())
    except BlobMissing:  # it has just been collected
        return False
    blob_id = lost.get(read.sha256)
    if blob_id is None:
        return False

    async def work(tx: Tx) -> bool:
        waits = await queued(tx, piece.key)
        if (waits and not await take_back(tx, [piece])) or await named(tx, [piece.key]):
            return False
        if await heal(tx, blob_id, piece.key):
            return True
        if waits:
            await discard(tx, [piece], wait=await grace(tx))
        return False

    return await database.transact(work)


async def _in_flight(reads: Reads, key: str) -> bool:
    """Whether a push may still name the object, or remove it: its writer lives, and has not closed the hour."""
    writer, _, rest = key.partition("/")
    return await reads.row(_OPEN, writer=writer, hour=rest.partition("/")[0]) is not None
