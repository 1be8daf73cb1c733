"""The audit trail beyond the changes themselves: refusals, the log file, the search, and how long it is kept.

Changes are written by `audit.record` in their own transactions. Refusals are counted in each process and leave together
once a second: an attacker who is refused a thousand times a second costs one row, with the number in it. One process of
each node copies the rows of the whole cluster to `audit.log`, a JSON object a line, in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from entrepot.clock import iso
from entrepot.logs.lines import LineFile
from entrepot.metadata.database import Database, Row, Tx
from entrepot.metadata.sql import sql

_KINDS: Final = 200  # different refusals that are told apart within a second
_LONGEST: Final = 1000  # characters
_SETTLED: Final = 2_000  # milliseconds after which a row is committed, unless its transaction goes on
_KEPT: Final = 90 * 86_400_000  # milliseconds
_STEP: Final = 1000  # rows
_DEADLINE: Final = 20.0  # seconds

_DENIED = sql("""
INSERT INTO audit (time, actor, address, action, outcome, subject, detail)
VALUES ({now}, :actor, :address, :action, 'denied', :subject, :detail)
""")
_AFTER = sql("""
SELECT id, time, actor, address, action, outcome, subject, detail FROM audit
WHERE id > :after AND time <= :until ORDER BY id LIMIT :limit
""")
_LAST = sql("SELECT COALESCE(MAX(id), 0) FROM audit")
_OLDEST_OPEN = sql("""
SELECT CAST(extract(epoch FROM MIN(xact_start)) * 1000 AS BIGINT) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL
""")
_FIND = sql("""
SELECT id, time, actor, address, action, outcome, subject, detail FROM audit
WHERE id < :before AND time >= :since AND time < :until AND (:actor = '' OR actor = :actor)
  AND (:action = '' OR action = :action) AND (:outcome = '' OR outcome = :outcome)
  AND (:subject = '' OR subject = :subject)
ORDER BY id DESC LIMIT :limit
""")
_PRUNE = sql(
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit AS old WHERE time < :before ORDER BY time LIMIT :limit)"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who was refused what."""

    actor: str
    address: str
    action: str  # the operation of the route
    subject: str  # the path
    how: str  # "401", "403"


class Refusals:
    """What this process has refused since it was last written down. Used on the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: dict[Refusal, int] = {}
        self._beyond = 0

    def note(self, refusal: Refusal) -> None:
        """Count a refusal; never waits, never raises."""
        count = self._counts.get(refusal)
        if count is None and len(self._counts) >= _KINDS:
            self._beyond += 1
        else:
            self._counts[refusal] = (count or 0) + 1

    async def flush(self) -> None:
        """Write down what was counted. Raises Unavailable; what was not written is lost then, and in the access log still."""
        counts, beyond = self._counts, self._beyond
        self._counts, self._beyond = {}, 0
        if not counts:
            return
        if beyond:
            counts[Refusal("", "", "requests.refused", "*", "more")] = beyond

        async def work(tx: Tx) -> None:
            for one, count in counts.items():
                detail = one.how if count == 1 else f"{one.how}, {count} times"
                await tx.execute(
                    _DENIED, actor=one.actor[:255], address=one.address, action=one.action,
                    subject=one.subject[:_LONGEST].replace("\0", "%00"), detail=detail,
                )  # fmt: skip

        await self._database.transact(work)


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows are asked for; empty: all. Times in milliseconds."""

    actor: str = ""
    action: str = ""
    outcome: str = ""
    subject: str = ""
    since: int = 0
    until: int = 1 << 62
    before: int = 1 << 62  # rows with smaller ids, the newest first


async def search(database: Database, query: Query, limit: int) -> list[dict[str, Any]]:
    """Return rows, the newest first. Raises DatabaseUnavailable when that takes too long, as without an index it may."""
    rows = await database.scan(
        _FIND, seconds=_DEADLINE, actor=query.actor, action=query.action, outcome=query.outcome, subject=query.subject,
        since=query.since, until=query.until, before=query.before, limit=limit,
    )  # fmt: skip
    return [shown(row) for row in rows]


async def prune(database: Database) -> int:
    """Remove some rows that are older than 90 days; return how many."""
    before = database.now() - _KEPT
    return await database.transact(lambda tx: tx.execute(_PRUNE, before=before, limit=_STEP))


class AuditLog:
    """Copies the trail to a file. One per node; where it stands is kept beside, so that a restart loses and repeats nothing."""

    def __init__(self, database: Database, folder: Path, state: Path) -> None:
        self._database = database
        self._file = LineFile(folder / "audit.log")
        self._state = state
        self._after: int | None = None

    async def round(self) -> None:
        """Copy what has come since. Raises Unavailable."""
        if self._after is None:
            self._after = await self._begin()
        until = await self._settled()
        while rows := await self._database.rows(_AFTER, after=self._after, until=until, limit=_STEP):
            lines = [msgspec.json.encode(shown(row)) + b"\n" for row in rows]
            self._file.append(b"".join(lines))
            self._after = int(rows[-1][0])
            draft = self._state.with_suffix(".new")
            draft.write_text(str(self._after))
            draft.replace(self._state)
            if len(rows) < _STEP:
                return

    async def _settled(self) -> int:
        """Return the time up to which every row can be seen.

        On PostgreSQL a transaction may commit rows after others have committed rows with greater ids: none is told that is
        not older than each transaction that still writes. To be asked before the rows are, so that who ends is seen.
        """
        until = self._database.now() - _SETTLED
        if self._database.engine == "postgresql":
            row = await self._database.row(_OLDEST_OPEN)
            if row is not None and row[0] is not None:
                until = min(until, row[0] - 1)
        return until

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    async def _begin(self) -> int:
        if self._state.exists() and (text := self._state.read_text()).isdigit():
            return int(text)
        row = await self._database.row(_LAST) if self._database.engine == "postgresql" else None
        return 0 if row is None else int(row[0])  # a new node of a cluster does not repeat what others have told


def shown(row: Row) -> dict[str, Any]:
    """Return a row as it is logged and found."""
    told: Mapping[str, Any] = {
        "id": row[0], "time": iso(row[1]), "actor": row[2], "address": row[3], "action": row[4], "outcome": row[5],
        "subject": row[6], "detail": row[7],
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}
