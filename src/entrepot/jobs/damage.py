"""One blob as an inspection looks at it: where its bytes lie, what is wrong with them, and giving them up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from entrepot.blobs.contract import BlobMissing, Driver, StoreUnavailable
from entrepot.blobs.ingest import Hashes, rehash
from entrepot.errors import reason
from entrepot.metadata.blob_rows import locate, segments
from entrepot.metadata.database import Database, Reads, Row, Tx
from entrepot.metadata.objects import Piece
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump

MISSING: Final = "the object is missing"
NO_BYTES: Final = "it has no bytes"

_INLINE = sql("SELECT data FROM blob_inline WHERE blob_id = :id")
_LOCK = sql("SELECT id FROM blob WHERE id = :id {update}")
_LOSE = sql("UPDATE blob SET storage_key = NULL WHERE id = :id AND storage_key IS NOT NULL")
_LOSE_INLINE = sql("DELETE FROM blob_inline WHERE blob_id = :id")
_LOSE_SEGMENTS = sql("DELETE FROM blob_segment WHERE blob_id = :id")


@dataclass(frozen=True, slots=True)
class Seen:
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


async def seen_now(reads: Reads, row: Row) -> Seen:
    """Return a blob of which (id, sha256, size, key of its object) was read, with where its bytes lie."""
    blob_id, sha256, size, storage_key = row
    if storage_key is not None:
        return Seen(blob_id, sha256, size, None, (Piece(storage_key, size),))
    inline = await reads.row(_INLINE, id=blob_id)
    pieces = await segments(reads, blob_id) if inline is None else ()
    return Seen(blob_id, sha256, size, None if inline is None else inline[0], pieces)


async def fault_of(driver: Driver, seen: Seen) -> tuple[str, str | None]:
    """Return what is wrong with where a blob's bytes lie, empty when nothing is, and the object that was looked at last."""
    if seen.inline is not None:
        return ("" if len(seen.inline) == seen.size else "the inline bytes are too few"), None
    if sum(piece.size for piece in seen.pieces) != seen.size or not seen.pieces:
        return NO_BYTES, None
    for piece in seen.pieces:
        if fault := await _object_fault(driver, piece):
            return fault, piece.key
    return "", seen.key


async def _object_fault(driver: Driver, piece: Piece) -> str:
    try:
        size = await driver.size(piece.key)
    except BlobMissing:
        return MISSING
    return "" if size == piece.size else f"the object has {size} bytes instead of {piece.size}"


async def damage_of(driver: Driver, seen: Seen) -> tuple[str, bool]:
    """Return what is wrong with a blob's bytes, empty when nothing is, and whether that is sure and no whim of the store."""
    try:
        for _ in range(2):  # what is read wrong once may have been spoilt on its way
            read = await rehash(_bytes(driver, seen), Hashes.proof())
            if read.sha256 == seen.sha256:
                return "", True
    except BlobMissing:
        return MISSING, True
    except StoreUnavailable as error:
        await driver.probe()  # an outage is no damage
        return f"the bytes cannot be read: {reason(error)}", False
    return (await fault_of(driver, seen))[0] or "the bytes do not match the digest", True


async def _bytes(driver: Driver, seen: Seen) -> AsyncIterator[bytes]:
    if seen.inline is not None:
        yield seen.inline
    for piece in seen.pieces:
        async for chunk in driver.read(piece.key):
            yield chunk


async def lies_there(reads: Reads, seen: Seen) -> bool:
    """Whether the blob still lies where we looked: else it was collected, compacted or pushed again meanwhile."""
    now = await locate(reads, seen.id)
    return now is not None and (now.inline, now.pieces) == (seen.inline, seen.pieces)


async def give_up(database: Database, seen: Seen) -> int:
    """Say that a blob has lost its bytes, so that the next push of them heals it; 0 when it has others by now."""

    async def work(tx: Tx) -> int:
        await bump(tx, "blobs")
        if await tx.row(_LOCK, id=seen.id) is None or not await lies_there(tx, seen):
            return 0
        return sum([await tx.execute(given_up, id=seen.id) for given_up in (_LOSE, _LOSE_SEGMENTS, _LOSE_INLINE)])

    return min(await database.transact(work), 1)
