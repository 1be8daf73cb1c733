"""The event log's reading end: pages in the one order that all followers see.

On SQLite the order is the id. On PostgreSQL ids become visible out of order, so the sequencer gives each visible event the
next number, and followers read by that; a reader that goes by id alone misses events (measured: a third of them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import sql

_PAGE_BY_ID = sql("""
SELECT id, time, kind, repo_id, repo_key, path, actor, origin, version, before, after FROM event
WHERE id > :cursor ORDER BY id LIMIT :limit
""")
_PAGE_BY_SEQ = sql("""
SELECT seq, time, kind, repo_id, repo_key, path, actor, origin, version, before, after FROM event
WHERE seq > :cursor ORDER BY seq LIMIT :limit
""")
_LAST_ID = sql("SELECT COALESCE(MAX(id), 0) FROM event")
_LAST_SEQ = sql("SELECT COALESCE(MAX(seq), 0) FROM event")
_SEQUENCE_LOCK = sql("SELECT pg_advisory_xact_lock(7310868745137)")
_NUMBER = sql("""
WITH fresh AS (
  SELECT id, row_number() OVER (ORDER BY id) AS place FROM event WHERE seq IS NULL ORDER BY id LIMIT :limit
)
UPDATE event SET seq = (SELECT COALESCE(MAX(seq), 0) FROM event WHERE seq IS NOT NULL) + fresh.place
FROM fresh WHERE event.id = fresh.id
""")
# The newest stays, so that the next number is never one that followers have passed already.
_CUT_BY_ID = sql("""
DELETE FROM event WHERE id IN (
  SELECT id FROM event WHERE id <= :cursor AND time < {now} - :keep AND id < (SELECT MAX(id) FROM event)
  ORDER BY id LIMIT :limit
)
""")
_CUT_BY_SEQ = sql("""
DELETE FROM event WHERE seq IN (
  SELECT seq FROM event WHERE seq <= :cursor AND time < {now} - :keep AND seq < (SELECT MAX(seq) FROM event)
  ORDER BY seq LIMIT :limit {skip}
)
""")

_NUMBERED_AT_ONCE = 5000
_CUT_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Event:
    """One change, as followers see it. `seq` is the cursor after it; `before` and `after` are JSON objects or None."""

    seq: int
    time: int
    kind: str
    repo_id: int
    repo_key: str
    path: str
    actor: str
    origin: str
    version: int
    before: dict[str, object] | None
    after: dict[str, object] | None


async def number(database: Database) -> int:
    """Give the events that have become visible their numbers; one process at a time. Return how many."""
    if database.engine == "sqlite":
        return 0

    async def work(tx: Tx) -> int:
        await tx.row(_SEQUENCE_LOCK)
        return await tx.execute(_NUMBER, limit=_NUMBERED_AT_ONCE)

    return await database.transact(work)


async def page(database: Database, cursor: int, limit: int = 1000) -> Sequence[Event]:
    """Return the events after a cursor, in order."""
    statement = _PAGE_BY_ID if database.engine == "sqlite" else _PAGE_BY_SEQ
    return [_event(*row) for row in await database.rows(statement, cursor=cursor, limit=limit)]


async def last(reads: Reads, engine: str) -> int:
    """Return the cursor after the newest event."""
    row = await reads.row(_LAST_ID if engine == "sqlite" else _LAST_SEQ)
    return int(row[0]) if row else 0


async def cut(database: Database, cursor: int, keep: int) -> int:
    """Remove events up to a cursor that are older than `keep` milliseconds; return how many.

    After a long lag there may be millions: each few thousand are a transaction of their own.
    """
    statement = _CUT_BY_ID if database.engine == "sqlite" else _CUT_BY_SEQ

    async def work(tx: Tx) -> int:
        return await tx.execute(statement, cursor=cursor, keep=keep, limit=_CUT_AT_ONCE)

    gone = step = await database.transact(work)
    while step == _CUT_AT_ONCE:
        step = await database.transact(work)
        gone += step
    return gone


def _event(*row: Any) -> Event:
    return Event(*row[:9], *map(_json, row[9:]))


def _json(text: object) -> dict[str, object] | None:
    return msgspec.json.decode(text, type=dict[str, object]) if isinstance(text, str) else None
