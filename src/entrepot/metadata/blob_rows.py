"""Blobs as rows: which bytes there are, where they lie, and until when they are kept.

The bytes are durable before a row names them (`blobs/ingest.py`). A blob that nobody refers to is kept until `keep_until`;
whoever is told that it exists raises that, and the triggers raise it when a reference goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.errors import Unavailable
from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.objects import Piece, discard, spare, take_back
from entrepot.metadata.sql import sql

_ALIVE = sql("SELECT 1 FROM writer WHERE id = :writer AND fenced IS NULL")
_INSERT = sql("""
INSERT INTO blob (sha256, sha1, md5, size, storage_key, created, keep_until, review)
VALUES (:sha256, :sha1, :md5, :size, :storage_key, {now},
  {now} + (SELECT millis FROM grace), {now} + (SELECT millis FROM grace))
ON CONFLICT (sha256) DO NOTHING RETURNING id
""")
_EXISTING = sql("SELECT id, storage_key FROM blob WHERE sha256 = :sha256 {share}")
_SHARE = sql("SELECT id FROM blob WHERE id = :id {share}")
_KEEP = sql("""
UPDATE blob SET keep_until = {now} + (SELECT millis FROM grace), review = COALESCE(review, {now} + (SELECT millis FROM grace))
WHERE id = :id AND keep_until < {now} + (SELECT millis FROM grace) / 2
""")
_DIGEST = sql("""
INSERT INTO blob_digest (algorithm, digest, blob_id) VALUES (:algorithm, :digest, :id) ON CONFLICT DO NOTHING
""")
_INLINE = sql("INSERT INTO blob_inline (blob_id, data) VALUES (:id, :data) ON CONFLICT DO NOTHING")
_SEGMENT = sql("INSERT INTO blob_segment (blob_id, seq, storage_key, size) VALUES (:id, :seq, :storage_key, :size)")
_IS_INLINE = sql("SELECT 1 FROM blob_inline WHERE blob_id = :id")
_LOCK = sql("SELECT storage_key, size FROM blob WHERE id = :id {update}")
_MOVE = sql("UPDATE blob SET storage_key = :storage_key WHERE id = :id")
_DROP_SEGMENTS = sql("DELETE FROM blob_segment WHERE blob_id = :id")
_LOCATE = sql("""
SELECT b.size, b.sha256, b.sha1, b.md5, b.storage_key, i.data FROM blob b LEFT JOIN blob_inline i ON i.blob_id = b.id WHERE b.id = :id
""")
_SEGMENTS = sql("SELECT storage_key, size FROM blob_segment WHERE blob_id = :id ORDER BY seq")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes that have become durable, and what was computed of them on the way; not yet known to anybody."""

    sha256: bytes
    sha1: bytes
    md5: bytes
    size: int
    sha512: bytes | None = None
    inline: bytes | None = None
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """The id of a blob that arrived, and the objects that had its bytes before; none when it was new, inline or healed."""

    id: int
    before: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob and where its bytes are: none of this ever changes, but for pieces that are joined, and objects that are lost."""

    id: int
    size: int
    sha256: bytes
    sha1: bytes
    md5: bytes
    inline: bytes | None
    pieces: tuple[Piece, ...]

    def __hash__(self) -> int:
        return self.id

    @property
    def is_lost(self) -> bool:
        """Whether its bytes are nowhere: they were lost or damaged, and a repair gave them up."""
        return self.inline is None and not self.pieces and self.size > 0

    @property
    def digest(self) -> str:
        """The digest as clients write it, `sha256:<hex>`."""
        return f"sha256:{self.sha256.hex()}"


class WriterFenced(Unavailable):
    """This process was taken for dead; try again in a few seconds."""


async def assert_writer(tx: Tx, writer: str) -> None:
    """Make sure that the sweep of dead writers has not taken us for one.

    Raises WriterFenced: the objects that we wrote may be gone. The sweep waits between fencing and listing for longer
    than any transaction lasts, so no lock is needed here.
    """
    if await tx.row(_ALIVE, writer=writer) is None:
        raise WriterFenced


async def admit(tx: Tx, arrival: Arrival) -> Admitted:
    """Record the blob, or find the one that has the same bytes. It is kept for the grace time from now.

    Objects that turn out to be redundant are queued for deletion, from where `replace` may take them back.
    """
    before: tuple[Piece, ...] = ()
    single = arrival.pieces[0].key if len(arrival.pieces) == 1 else None
    while True:
        made = await tx.row(
            _INSERT, sha256=arrival.sha256, sha1=arrival.sha1, md5=arrival.md5, size=arrival.size, storage_key=single
        )
        if made is not None:
            blob_id = int(made[0])
            await _place(tx, blob_id, arrival)
            break
        existing = await tx.row(_EXISTING, sha256=arrival.sha256)
        if existing is not None:
            blob_id = int(existing[0])
            before = await _place_again(tx, blob_id, existing[1], arrival)
            break
    if arrival.sha512 is not None:
        await tx.execute(_DIGEST, algorithm="sha512", digest=arrival.sha512, id=blob_id)
    return Admitted(blob_id, before)


async def keep(tx: Tx, blob_id: int) -> bool:
    """Keep a known blob for the grace time from now, and from collection until the commit; False when it is gone."""
    if await tx.row(_SHARE, id=blob_id) is None:
        return False
    await tx.execute(_KEEP, id=blob_id)
    return True


async def _place(tx: Tx, blob_id: int, arrival: Arrival) -> None:
    if arrival.inline is not None:
        await tx.execute(_INLINE, id=blob_id, data=arrival.inline)
    elif len(arrival.pieces) > 1:
        await tx.many(
            _SEGMENT,
            [
                {"id": blob_id, "seq": seq, "storage_key": piece.key, "size": piece.size}
                for seq, piece in enumerate(arrival.pieces)
            ],
        )


async def _place_again(tx: Tx, blob_id: int, storage_key: str | None, arrival: Arrival) -> tuple[Piece, ...]:
    """Keep the known blob alive and return its objects; one that has lost its bytes, as `gc --repair` says, is healed."""
    await tx.execute(_KEEP, id=blob_id)
    if storage_key is None and await tx.row(_IS_INLINE, id=blob_id) is not None:
        await discard(tx, arrival.pieces)
        return ()
    before = await _objects(tx, blob_id, storage_key, arrival.size)
    if before:
        await discard(tx, tuple(piece for piece in arrival.pieces if piece not in before), wait=await spare(tx))
    elif not await _bare(tx, blob_id):
        await discard(tx, arrival.pieces)
    else:
        if len(arrival.pieces) == 1:
            await tx.execute(_MOVE, id=blob_id, storage_key=arrival.pieces[0].key)
        await _place(tx, blob_id, arrival)
    return before


async def _objects(reads: Reads, blob_id: int, storage_key: str | None, size: int) -> tuple[Piece, ...]:
    if storage_key is not None:
        return (Piece(storage_key, size),)
    return await segments(reads, blob_id)


async def replace(tx: Tx, admitted: Admitted, arrival: Arrival) -> bool:
    """Give a blob the bytes that `admit` found redundant, for the objects that it had before are lost.

    False, and nothing is changed, when it has others by now, or is gone, or the redundant ones soon will be.
    """
    locked = await tx.row(_LOCK, id=admitted.id)
    if locked is None or await tx.row(_IS_INLINE, id=admitted.id) is not None:
        return False
    if await _objects(tx, admitted.id, *locked) not in (admitted.before, ()):  # none: it was given up a moment ago
        return False
    if not await take_back(tx, arrival.pieces):
        await discard(tx, arrival.pieces)
        return False
    single = arrival.pieces[0].key if len(arrival.pieces) == 1 else None
    await move(tx, admitted.id, single)
    await _place(tx, admitted.id, arrival)
    return True


async def move(tx: Tx, blob_id: int, key: str | None) -> None:
    """Let a blob's bytes be one object from now on, or none yet, whatever it had before; its row is locked."""
    await tx.execute(_MOVE, id=blob_id, storage_key=key)
    await tx.execute(_DROP_SEGMENTS, id=blob_id)


async def heal(tx: Tx, blob_id: int, key: str) -> bool:
    """Give a blob that has lost its bytes an object that has them; False when it has others by now, or is gone."""
    return await _bare(tx, blob_id) and await tx.execute(_MOVE, id=blob_id, storage_key=key) > 0


async def _bare(tx: Tx, blob_id: int) -> bool:
    """Whether a blob has no bytes, neither of its own nor in objects. It is locked: nobody gives it any until the commit."""
    # Of two pushes that heal it at the same time, each with a share lock, one begins anew.
    locked = await tx.row(_LOCK, id=blob_id)
    if locked is None or locked[0] is not None or await tx.row(_IS_INLINE, id=blob_id) is not None:
        return False
    return not await segments(tx, blob_id)


async def segments(reads: Reads, blob_id: int) -> tuple[Piece, ...]:
    """Return the objects of a blob that lies in several, in their order; none of any other blob."""
    return tuple(Piece(*row) for row in await reads.rows(_SEGMENTS, id=blob_id))


async def locate(reads: Reads, blob_id: int) -> Stored | None:
    """Return where a blob's bytes are; None when it is gone. Pieces are empty when its bytes are known to be lost."""
    row = await reads.row(_LOCATE, id=blob_id)
    if row is None:
        return None
    size, sha256, sha1, md5, storage_key, inline = row
    pieces = () if inline is not None else await _objects(reads, blob_id, storage_key, size)
    return Stored(blob_id, size, sha256, sha1, md5, inline, pieces)
