"""Upload sessions as rows: any worker or node continues one.

A session has no row until its first bytes have arrived: opening one only signs an id. Each chunk is an object of its own;
it becomes part of the session only if the session is still at the epoch that the chunk began with, so of two chunks that
race one is refused, and a writer that comes back from the dead can never append. Epochs begin with the time, so that
those of one row are never those of another that has its id.

The row also has the checksums of all bytes so far, where the process that took the last ones in knew them: most clients send
all in one chunk and end with an empty request, which any process can then answer without having seen a byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.objects import Piece, discard
from entrepot.metadata.sql import Parameter, sql

OPEN, DONE, CANCELLED = "open", "done", "cancelled"

# In one statement, so that the size is that of the pieces, whoever adds one or finishes meanwhile.
_GET = sql("""
SELECT CASE WHEN u.expires > {now} THEN u.state ELSE 'expired' END, u.epoch, u.size, u.inline, u.digest, u.checksums,
  s.storage_key, s.size
FROM upload u LEFT JOIN upload_segment s ON s.upload_id = u.id
WHERE u.id = :id AND u.repo_id = :repo_id AND u.image = :image ORDER BY s.seq
""")
_SEGMENTS = sql("SELECT storage_key, size FROM upload_segment WHERE upload_id = :id ORDER BY seq")
_BEGIN = sql("""
INSERT INTO upload (id, repo_id, image, state, epoch, size, inline, digest, checksums, created_by, created, expires)
VALUES (:id, :repo_id, :image, :state, {now}, :size, :inline, :digest, :checksums, :actor, {now}, {now} + :lifetime)
ON CONFLICT (id) DO NOTHING
""")
_GO_ON = sql("""
UPDATE upload SET state = :state, epoch = epoch + 1, size = :size, inline = :inline, digest = :digest, checksums = :checksums,
  expires = {now} + :lifetime
WHERE id = :id AND epoch = :epoch AND state = 'open'
""")
_ADD_SEGMENT = sql("""
INSERT INTO upload_segment (upload_id, seq, storage_key, size) VALUES (:id, :seq, :storage_key, :size)
""")
_ADOPT = sql("DELETE FROM upload_segment WHERE upload_id = :id")
_EXPIRED = sql("SELECT id FROM upload WHERE expires < {now} ORDER BY expires LIMIT :limit")
_LOCK = sql("SELECT id FROM upload WHERE id = :id AND expires < {now} {skip}")
_DROP = sql("DELETE FROM upload WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Session:
    """Where an upload stands. `epoch` 0: nothing has arrived yet, and there is no row.

    `checksums` are, packed, those that somebody knew last: of `size` bytes, unless a node that knows nothing of them went on.
    """

    id: str
    repo_id: int
    image: str
    state: str = OPEN
    epoch: int = 0
    size: int = 0
    inline: bytes | None = None
    digest: str | None = None
    pieces: tuple[Piece, ...] = ()
    checksums: bytes | None = None


async def load(reads: Reads, upload_id: str, repo_id: int, image: str) -> Session:
    """Return the session as it stands; its state is `expired` until the collection has come to it."""
    rows = await reads.rows(_GET, id=upload_id, repo_id=repo_id, image=image)
    if not rows:
        return Session(upload_id, repo_id, image)
    pieces = tuple(Piece(key, length) for *_, key, length in rows if key is not None)
    state, epoch, size, inline, digest, checksums, *_ = rows[0]
    return Session(upload_id, repo_id, image, state, epoch, size, inline, digest, pieces, checksums)


async def append(
    tx: Tx,
    session: Session,
    *,
    inline: bytes | None,
    piece: Piece | None,
    checksums: bytes | None,
    actor: str,
    lifetime: int,
) -> bool:
    """Add a chunk: either the whole content so far as `inline`, or one more object. False: another chunk came first.

    `checksums` are those of all bytes with the chunk, packed, if they are known.
    """
    before = 0 if session.inline is not None else session.size  # what was inline has become part of the object
    size = len(inline) if inline is not None else before + (piece.size if piece else 0)
    if not await _step(
        tx, session, state=OPEN, size=size, inline=inline, checksums=checksums, actor=actor, lifetime=lifetime
    ):
        return False
    if piece is not None:
        await tx.execute(_ADD_SEGMENT, id=session.id, seq=len(session.pieces), storage_key=piece.key, size=piece.size)
    return True


async def finish(tx: Tx, session: Session, digest: str, *, actor: str, lifetime: int) -> bool:
    """Close a session whose objects become a blob's in this transaction. False: another request was first."""
    done = await _step(tx, session, state=DONE, size=session.size, digest=digest, actor=actor, lifetime=lifetime)
    if done and session.pieces:
        await tx.execute(_ADOPT, id=session.id)
    return done


async def cancel(tx: Tx, session: Session, *, actor: str, lifetime: int) -> bool:
    """Close a session and throw its objects away. False: another request was first."""
    done = await _step(tx, session, state=CANCELLED, size=0, actor=actor, lifetime=lifetime)
    if done and session.pieces:
        await discard(tx, session.pieces)
        await tx.execute(_ADOPT, id=session.id)
    return done


async def expired(reads: Reads, limit: int) -> list[str]:
    """Return ids of sessions whose time is over."""
    return [row[0] for row in await reads.rows(_EXPIRED, limit=limit)]


async def expire(tx: Tx, upload_id: str) -> bool:
    """Remove a session whose time is over, with what it stored. False when it went on meanwhile."""
    if await tx.row(_LOCK, id=upload_id) is None:
        return False
    pieces = tuple(Piece(*row) for row in await tx.rows(_SEGMENTS, id=upload_id))
    await discard(tx, pieces)
    await tx.execute(_DROP, id=upload_id)
    return True


async def _step(
    tx: Tx,
    session: Session,
    *,
    state: str,
    size: int,
    actor: str,
    lifetime: int,
    inline: bytes | None = None,
    digest: str | None = None,
    checksums: bytes | None = None,
) -> bool:
    stands: dict[str, Parameter] = {
        "state": state,
        "size": size,
        "inline": inline,
        "digest": digest,
        "checksums": checksums,
        "lifetime": lifetime,
    }
    if session.epoch == 0:
        place: dict[str, Parameter] = {"repo_id": session.repo_id, "image": session.image, "actor": actor}
        return await tx.execute(_BEGIN, id=session.id, **place, **stands) > 0
    return await tx.execute(_GO_ON, id=session.id, epoch=session.epoch, **stands) > 0
