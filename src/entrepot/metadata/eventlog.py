"""The event log's writing end: every change of the tree adds its event in the same transaction.

On SQLite transactions commit one after another, so the id is the order. On PostgreSQL ids become visible out of order:
events are written without a `seq`, and one sequencer numbers them once they are visible (`events/followers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from entrepot.metadata.database import Tx
from entrepot.metadata.sql import Parameter, sql

_INSERT = sql("""
INSERT INTO event (time, kind, repo_id, repo_key, path, actor, origin, version, before, after)
VALUES ({now}, :kind, :repo_id, :repo_key, :path, :actor, :origin, 1, :before, :after)
""")

Kind = Literal["created", "updated", "deleted", "moved", "copied", "properties"]
Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one item: what it was before and is after, each None where there was or is nothing.

    `before` and `after` hold `sha256` (hex), `size`, `path` (of a move or copy) and `properties`, as far as they apply.
    """

    kind: Kind
    path: str
    before: Facts | None = None
    after: Facts | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """The repository that changes happen in, and who makes them."""

    repo_id: int
    repo_key: str
    package_type: str
    actor: str
    origin: str = ""  # the instance that a replicated change comes from


async def record(tx: Tx, where: Where, changes: Sequence[Change]) -> None:
    """Append the changes to the log."""
    if changes:
        await tx.many(_INSERT, [_row(where, change) for change in changes])


def _row(where: Where, change: Change) -> dict[str, Parameter]:
    return {
        "kind": change.kind,
        "repo_id": where.repo_id,
        "repo_key": where.repo_key,
        "path": change.path,
        "actor": where.actor,
        "origin": where.origin,
        "before": _json(change.before),
        "after": _json(change.after),
    }


def _json(facts: Facts | None) -> str | None:
    return None if facts is None else msgspec.json.encode(facts).decode()
