"""Inspecting the store: do the rows and the objects agree, and are the bytes what their digests say?

Both inspections only read, in pages, and may run beside a serving node: what is in flight (keys of live writers, chunks of
open sessions, blobs that are collected meanwhile) is not a finding. `repair` mends what they find: a blob whose bytes are lost
or damaged says so, which makes the next push of the same bytes heal it; an orphan that has lost bytes is given back to its blob
(it was restored from a backup, say, or its disk is mounted again), and the others go after the grace time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from entrepot.blobs.contract import BlobMissing, Driver, StoreUnavailable
from entrepot.blobs.ingest import Hashes, rehash
from entrepot.cluster.writers import named
from entrepot.errors import Invalid, reason
from entrepot.metadata.blob_rows import Piece, discard, grace, heal, locate, segments
from entrepot.metadata.database import Database, Reads, Row, Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump

_PAGE = 500
_LISTED = 10_000  # findings of each kind that are told one by one
_MISSING, _NO_BYTES = "the object is missing", "it has no bytes"

Progress = Callable[[int, int], None]

_COUNT = sql("SELECT COUNT(*), (SELECT COUNT(*) FROM blob_inline) FROM blob")
_BLOBS = sql("SELECT id, sha256, size, storage_key FROM blob WHERE id > :after ORDER BY id LIMIT :limit")
_INLINE = sql("SELECT data FROM blob_inline WHERE blob_id = :id")
_LOCK = sql("SELECT id FROM blob WHERE id = :id {update}")
_HOLDERS = sql("""
SELECT r.key, i.path, i.name FROM item i JOIN repository r ON r.id = i.repo_id WHERE i.blob_id = :id ORDER BY i.id LIMIT 20
""")
_KNOWN_WRITERS = sql("SELECT id FROM writer WHERE id {any:ids}")
_OPEN = sql("SELECT 1 FROM writer_hour WHERE writer_id = :writer AND hour = :hour")
_LOSE = sql("UPDATE blob SET storage_key = NULL WHERE id = :id AND storage_key IS NOT NULL")
_LOST = sql("""
SELECT id, sha256, size FROM blob b WHERE storage_key IS NULL AND size > 0
AND NOT EXISTS (SELECT 1 FROM blob_inline i WHERE i.blob_id = b.id)
AND NOT EXISTS (SELECT 1 FROM blob_segment s WHERE s.blob_id = b.id) LIMIT :limit
""")
_LOSE_INLINE = sql("DELETE FROM blob_inline WHERE blob_id = :id")
_LOSE_SEGMENTS = sql("DELETE FROM blob_segment WHERE blob_id = :id")


class NothingThere(Invalid):
    """Not one of the {count} blobs is in this blob store. Is it the right one, and mounted? Nothing was mended."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A blob, and where its bytes lay when it was looked at."""

    id: int
    sha256: bytes
    size: int
    inline: bytes | None
    pieces: tuple[Piece, ...]

    @property
    def key(self) -> str | None:
        """The key of its object, where that is one."""
        return self.pieces[0].key if len(self.pieces) == 1 else None


@dataclass(frozen=True, slots=True)
class Finding:
    """A blob that is not as it should be: `why`, and up to twenty paths that hold it."""

    blob_id: int
    digest: str
    size: int
    key: str | None
    why: str
    paths: tuple[str, ...]


@dataclass(slots=True)
class Inspection:
    """What an inspection found. The lists are cut at ten thousand; the counts are not."""

    blobs: int = 0
    in_database: int = 0  # of the blobs: those whose bytes are too few for an object of the store
    objects: int = 0  # of the store
    bytes: int = 0
    orphan_count: int = 0
    orphan_bytes: int = 0
    orphans: list[Piece] = field(default_factory=list)
    missing_count: int = 0
    missing: list[Finding] = field(default_factory=list)
    corrupt_count: int = 0
    corrupt: list[Finding] = field(default_factory=list)
    repaired: int = 0

    @property
    def clean(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.orphan_count or self.missing_count or self.corrupt_count)


async def check(
    database: Database, driver: Driver, *, repair: bool = False, progress: Progress | None = None
) -> Inspection:
    """Compare rows with objects both ways; `progress` is called with (blobs looked at, blobs in all).

    Raises StoreUnavailable, and NothingThere before anything is mended.
    """
    if repair:
        await _refuse_where_nothing_is(database, driver)
    found = Inspection()
    async for seen in _walk(database, found, progress):
        why, key = await _fault(driver, seen)
        if why and await _still(database, seen):
            found.missing_count += 1
            finding = await _finding(database, seen, why, key)
            found.missing[len(found.missing) :] = [finding] if len(found.missing) < _LISTED else []
            if repair:
                found.repaired += await _lose(database, seen)
    if repair:
        found.repaired += await _give_back(database, driver)
    async for orphan in _orphans(database, driver, found):
        found.orphan_count += 1
        found.orphan_bytes += orphan.size
        if len(found.orphans) < _LISTED:
            found.orphans.append(orphan)
        if repair:
            found.repaired += await _queue(database, orphan)
    return found


async def fsck(
    database: Database, driver: Driver, *, repair: bool = False, progress: Progress | None = None
) -> Inspection:
    """Read every blob again and compare its digest. Raises as `check`."""
    if repair:
        await _refuse_where_nothing_is(database, driver)
    found = Inspection()
    async for seen in _walk(database, found, progress):
        why, sure = await _damage(driver, seen)
        if why and await _still(database, seen):
            missing = why in (_MISSING, _NO_BYTES)
            found.missing_count += missing
            found.corrupt_count += not missing
            listed = found.missing if missing else found.corrupt
            if len(listed) < _LISTED:
                listed.append(await _finding(database, seen, why, seen.key))
            if repair and sure:
                found.repaired += await _lose(database, seen)
    async for _ in driver.list(""):
        found.objects += 1
    return found


async def _damage(driver: Driver, seen: _Seen) -> tuple[str, bool]:
    """Return what is wrong with a blob's bytes, empty when nothing is, and whether that is sure and no whim of the store."""
    try:
        for _ in range(2):  # what is read wrong once may have been spoilt on its way
            read = await rehash(_bytes(driver, seen), Hashes.proof())
            if read.sha256 == seen.sha256:
                return "", True
    except BlobMissing:
        return _MISSING, True
    except StoreUnavailable as error:
        await driver.probe()  # an outage is no damage
        return f"the bytes cannot be read: {reason(error)}", False
    return (await _fault(driver, seen))[0] or "the bytes do not match the digest", True


async def _refuse_where_nothing_is(database: Database, driver: Driver) -> None:
    """Raise NothingThere when several blobs should be in the store and not one is: it is the wrong one, or not mounted."""
    absent, after = 0, 0
    while page := await database.rows(_BLOBS, after=after, limit=_PAGE):
        for row in page:
            after = row[0]
            why, key = await _fault(driver, await _seen(database, row))
            if not why and key is not None:
                return
            absent += bool(why)
    if absent > 1:
        raise NothingThere(count=absent)


async def _walk(database: Database, found: Inspection, progress: Progress | None) -> AsyncIterator[_Seen]:
    total = await database.row(_COUNT)
    assert total is not None
    found.in_database = int(total[1])
    after = 0
    while page := await database.rows(_BLOBS, after=after, limit=_PAGE):
        for row in page:
            yield await _seen(database, row)
            found.blobs += 1
            found.bytes += row[2]
        after = page[-1][0]
        if progress is not None:
            progress(found.blobs, max(int(total[0]), found.blobs))


async def _seen(reads: Reads, row: Row) -> _Seen:
    blob_id, sha256, size, storage_key = row
    if storage_key is not None:
        return _Seen(blob_id, sha256, size, None, (Piece(storage_key, size),))
    inline = await reads.row(_INLINE, id=blob_id)
    pieces = await segments(reads, blob_id) if inline is None else ()
    return _Seen(blob_id, sha256, size, None if inline is None else inline[0], pieces)


async def _fault(driver: Driver, seen: _Seen) -> tuple[str, str | None]:
    """Return what is wrong with where a blob's bytes lie, empty when nothing is, and the object that was looked at last."""
    if seen.inline is not None:
        return ("" if len(seen.inline) == seen.size else "the inline bytes are too few"), None
    if sum(piece.size for piece in seen.pieces) != seen.size or not seen.pieces:
        return _NO_BYTES, None
    for piece in seen.pieces:
        if fault := await _object_fault(driver, piece):
            return fault, piece.key
    return "", seen.key


async def _object_fault(driver: Driver, piece: Piece) -> str:
    try:
        size = await driver.size(piece.key)
    except BlobMissing:
        return _MISSING
    return "" if size == piece.size else f"the object has {size} bytes instead of {piece.size}"


async def _bytes(driver: Driver, seen: _Seen) -> AsyncIterator[bytes]:
    if seen.inline is not None:
        yield seen.inline
    for piece in seen.pieces:
        async for chunk in driver.read(piece.key):
            yield chunk


async def _still(reads: Reads, seen: _Seen) -> bool:
    """Whether the blob still lies where we looked: else it was collected, compacted or pushed again meanwhile."""
    now = await locate(reads, seen.id)
    return now is not None and (now.inline, now.pieces) == (seen.inline, seen.pieces)


async def _finding(reads: Reads, seen: _Seen, why: str, key: str | None) -> Finding:
    paths = tuple(
        f"{repo}/{name}" if path == "." else f"{repo}/{path}/{name}"
        for repo, path, name in await reads.rows(_HOLDERS, id=seen.id)
    )
    return Finding(seen.id, f"sha256:{seen.sha256.hex()}", seen.size, key, why, paths)


async def _orphans(database: Database, driver: Driver, found: Inspection) -> AsyncIterator[Piece]:
    """Yield objects that no row names and that no known writer may have left: the sweep will see to those."""
    page: list[Piece] = []
    async for stored in driver.list(""):
        found.objects += 1
        page.append(Piece(stored.key, stored.size))
        if len(page) == _PAGE:
            for orphan in await _unnamed(database, page):
                yield orphan
            page = []
    for orphan in await _unnamed(database, page):
        yield orphan


async def _unnamed(reads: Reads, page: list[Piece]) -> list[Piece]:
    # Writers first: one that has a row when its object is listed, and none now, has had all that it wrote named or removed.
    writers = list({_writer(piece.key) for piece in page})
    known = {row[0] for row in await reads.rows(_KNOWN_WRITERS, ids=writers)}
    page = [piece for piece in page if _writer(piece.key) not in known]
    kept = await named(reads, [piece.key for piece in page])
    return [piece for piece in page if piece.key not in kept]


def _writer(key: str) -> str:
    return key.partition("/")[0]


async def _lose(database: Database, seen: _Seen) -> int:
    async def work(tx: Tx) -> int:
        await bump(tx, "blobs")
        if await tx.row(_LOCK, id=seen.id) is None or not await _still(tx, seen):
            return 0
        return sum([await tx.execute(given_up, id=seen.id) for given_up in (_LOSE, _LOSE_SEGMENTS, _LOSE_INLINE)])

    return min(await database.transact(work), 1)


async def _queue(database: Database, orphan: Piece) -> int:
    async def work(tx: Tx) -> int:
        if not await _unnamed(tx, [orphan]):
            return 0
        await discard(tx, (orphan,), wait=await grace(tx))
        return 1

    return await database.transact(work)


async def _lost(reads: Reads) -> dict[int, dict[bytes, int]]:
    """Return the ids of blobs that have no bytes, by size and digest."""
    found: dict[int, dict[bytes, int]] = {}
    for blob_id, sha256, size in await reads.rows(_LOST, limit=_LISTED):
        found.setdefault(size, {})[sha256] = blob_id
    return found


async def _give_back(database: Database, driver: Driver) -> int:
    """Give objects to the blobs that have lost just their bytes; return how many."""
    lost = await _lost(database)
    if not lost:
        return 0
    given = 0
    async for stored in driver.list(""):
        if stored.size in lost:
            given += await _given(database, driver, stored.key, lost[stored.size])
    return given


async def _given(database: Database, driver: Driver, key: str, lost: dict[bytes, int]) -> bool:
    if await _in_flight(database, key) or await named(database, [key]):
        return False
    try:
        read = await rehash(driver.read(key), Hashes.proof())
    except BlobMissing:  # it has just been collected
        return False
    blob_id = lost.get(read.sha256)
    if blob_id is None:
        return False

    async def work(tx: Tx) -> bool:
        return not await named(tx, [key]) and await heal(tx, blob_id, key)

    return await database.transact(work)


async def _in_flight(reads: Reads, key: str) -> bool:
    """Whether a push may still name the object, or remove it: its writer lives, and has not closed the hour."""
    writer, _, rest = key.partition("/")
    return await reads.row(_OPEN, writer=writer, hour=rest.partition("/")[0]) is not None
