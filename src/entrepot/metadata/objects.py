"""Stored objects as the rows know them: which are in use, and which wait in the queue to be deleted.

An object is in use while a blob or an upload names it. The queue keeps one that no row names any more for a while, in which
it may be taken back: for the first half of the time that is spare, lest it is deleted while the transaction still runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import Statement, sql

_SPARE = 600_000  # ms, within a grace time, that redundant objects are kept

_HOLDERS: Final = """
SELECT storage_key FROM blob WHERE storage_key {any:keys}
UNION ALL SELECT storage_key FROM blob_segment WHERE storage_key {any:keys}
UNION ALL SELECT storage_key FROM upload_segment WHERE storage_key {any:keys}
"""
_USED = sql(_HOLDERS)
_QUEUED = sql("SELECT storage_key FROM delete_queue WHERE storage_key {any:keys}")
# In one statement, so that what is discarded or taken back meanwhile is seen on one side or the other.
_NAMED = sql(_HOLDERS + "UNION ALL SELECT storage_key FROM delete_queue WHERE storage_key {any:keys}")
_DISCARD = sql("""
INSERT INTO delete_queue (storage_key, not_before, attempts) VALUES (:storage_key, {now} + :wait, 0) ON CONFLICT DO NOTHING
""")
_TAKE_BACK = sql("DELETE FROM delete_queue WHERE storage_key = :storage_key AND not_before > {now} + :spare")
_GRACE = sql("SELECT millis FROM grace")
_SET_GRACE = sql("UPDATE grace SET millis = :millis WHERE millis <> :millis")


@dataclass(frozen=True, slots=True)
class Piece:
    """One stored object and its size in bytes."""

    key: str
    size: int


async def in_use(reads: Reads, keys: Sequence[str]) -> set[str]:
    """Return those of the keys that a blob or an upload names."""
    return await _those(reads, _USED, keys)


async def queued(reads: Reads, key: str) -> bool:
    """Whether an object waits to be deleted."""
    return bool(await _those(reads, _QUEUED, [key]))


async def named(reads: Reads, keys: Sequence[str]) -> set[str]:
    """Return those of the keys that some row names, and be it the queue's."""
    return await _those(reads, _NAMED, keys)


async def discard(tx: Tx, pieces: Sequence[Piece], wait: int = 0) -> None:
    """Queue objects that no row names any more for deletion, `wait` milliseconds from now."""
    if pieces:
        await tx.many(_DISCARD, [{"storage_key": piece.key, "wait": wait} for piece in pieces])


async def take_back(tx: Tx, pieces: Sequence[Piece]) -> bool:
    """Take objects out of the queue again; False when one of them is gone or soon will be: the others are out all the same."""
    left = await spare(tx) // 2  # the rest is for the commit
    return all([await tx.execute(_TAKE_BACK, storage_key=piece.key, spare=left) for piece in pieces])


async def spare(reads: Reads) -> int:
    """Return for how many milliseconds redundant objects are kept."""
    return min(_SPARE, await grace(reads))


async def grace(reads: Reads) -> int:
    """Return the grace time, in milliseconds."""
    row = await reads.row(_GRACE)
    assert row is not None
    return int(row[0])


async def set_grace(database: Database, millis: int) -> None:
    """Put a grace time in force for all that is stored from now on, by any node."""
    if await grace(database) != millis:
        await database.transact(lambda tx: tx.execute(_SET_GRACE, millis=millis))


async def _those(reads: Reads, statement: Statement, keys: Sequence[str]) -> set[str]:
    return {row[0] for row in await reads.rows(statement, keys=[*keys])} if keys else set()
