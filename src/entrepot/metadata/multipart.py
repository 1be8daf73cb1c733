"""Multi-part uploads as rows: parts come in any order and at once, from any number of connections, to any node.

    parts      parts are taken in; one that comes again replaces the earlier one
    hashing    all parts are here; a job reads them through for the checksums
    ready      the checksums are known: a deploy may name the file
    done       it did; the objects are the blob's
    failed     what came is not what was announced; `digest` says why
    cancelled  given up

The table is that of all uploads, also of `uploads.py`: whose a row is the signed ids tell, and of those under way the state.
Every row goes when its time is over, finished or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.objects import Piece, discard
from entrepot.metadata.sql import sql

PARTS, HASHING, READY, DONE, FAILED, CANCELLED = "parts", "hashing", "ready", "done", "failed", "cancelled"

_BEGIN = sql("""
INSERT INTO upload (id, repo_id, image, state, epoch, size, created_by, created, expires)
VALUES (:id, :repo_id, :path, 'parts', 1, 0, :actor, {now}, {now} + :lifetime)
""")
_GET = sql("""
SELECT id, repo_id, image, state, size, digest, created_by FROM upload
WHERE id = :id AND state <> 'open' AND expires > {now} {update}
""")
_SET = sql("UPDATE upload SET state = :state, digest = :digest, expires = {now} + :lifetime WHERE id = :id")
_READ = sql("UPDATE upload SET size = :size, expires = {now} + :lifetime WHERE id = :id AND state = 'hashing'")
_PROLONG = sql("UPDATE upload SET expires = {now} + :lifetime WHERE id = :id")
_PART = sql("SELECT storage_key, size FROM upload_segment WHERE upload_id = :id AND seq = :seq")
_DROP_PART = sql("DELETE FROM upload_segment WHERE upload_id = :id AND seq = :seq")
_ADD_PART = sql("INSERT INTO upload_segment (upload_id, seq, storage_key, size) VALUES (:id, :seq, :key, :size)")
_PIECES = sql("SELECT seq, storage_key, size FROM upload_segment WHERE upload_id = :id ORDER BY seq")
_ADOPT = sql("DELETE FROM upload_segment WHERE upload_id = :id")


class Sums(msgspec.Struct, frozen=True):
    """The checksums of a whole upload, in hex, and its size in bytes."""

    sha256: str
    sha1: str
    md5: str
    size: int


@dataclass(frozen=True, slots=True)
class Multipart:
    """Where an upload stands."""

    id: str
    repo_id: int
    path: str
    state: str
    read: int  # bytes read through for the checksums
    digest: str
    actor: str

    @property
    def sums(self) -> Sums:
        """The checksums of one that is ready or done."""
        return msgspec.json.decode(self.digest, type=Sums)


async def begin(tx: Tx, upload_id: str, repo_id: int, path: str, *, actor: str, lifetime: int) -> None:
    """Begin an upload of a file that is to be at a path."""
    await tx.execute(_BEGIN, id=upload_id, repo_id=repo_id, path=path, actor=actor, lifetime=lifetime)


async def find(reads: Reads, upload_id: str) -> Multipart | None:
    """Return an upload; in a transaction it is locked for the change that depends on it."""
    row = await reads.row(_GET, id=upload_id)
    return None if row is None else Multipart(row[0], row[1], row[2], row[3], row[4], row[5] or "", row[6])


async def put_part(tx: Tx, upload: Multipart, number: int, piece: Piece, lifetime: int) -> None:
    """Make an object the part of a number; the one that was it before is thrown away."""
    before = await tx.row(_PART, id=upload.id, seq=number)
    if before is not None:
        await tx.execute(_DROP_PART, id=upload.id, seq=number)
        await discard(tx, (Piece(*before),))
    await tx.execute(_ADD_PART, id=upload.id, seq=number, key=piece.key, size=piece.size)
    await tx.execute(_PROLONG, id=upload.id, lifetime=lifetime)


async def pieces(reads: Reads, upload_id: str) -> Sequence[tuple[int, Piece]]:
    """Return the parts with their numbers, in order."""
    return [(row[0], Piece(row[1], row[2])) for row in await reads.rows(_PIECES, id=upload_id)]


async def turn(tx: Tx, upload: Multipart, state: str, digest: str, lifetime: int) -> None:
    """Bring an upload, which was read in this transaction, into another state."""
    await tx.execute(_SET, id=upload.id, state=state, digest=digest, lifetime=lifetime)


async def progress(tx: Tx, upload_id: str, size: int, lifetime: int) -> bool:
    """Note how far the reading is. False: nobody waits for it any more."""
    return bool(await tx.execute(_READ, id=upload_id, size=size, lifetime=lifetime))


async def adopt(tx: Tx, upload_id: str) -> None:
    """Let go of the parts, which belong to a blob from this transaction on."""
    await tx.execute(_ADOPT, id=upload_id)


async def abandon(tx: Tx, upload: Multipart, lifetime: int) -> None:
    """Throw the parts away."""
    await discard(tx, tuple(piece for _, piece in await pieces(tx, upload.id)))
    await tx.execute(_ADOPT, id=upload.id)
    await turn(tx, upload, CANCELLED, "", lifetime)
