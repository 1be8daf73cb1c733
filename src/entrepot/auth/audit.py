"""The trail of every change to who may do what, written in the transaction of the change itself."""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql

_LONGEST = 1000

_INSERT = sql("""
INSERT INTO audit (time, actor, address, action, outcome, subject, detail)
VALUES ({now}, :actor, :address, :action, :outcome, :subject, :detail)
""")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where."""

    name: str
    address: str


SYSTEM = Actor("_system_", "")


async def record(tx: Tx, by: Actor, action: str, subject: str, *, detail: str | None = None) -> None:
    """Write one row: `action` is a noun and a verb ("user.create"), `subject` what it was done to; never a secret."""
    await tx.execute(
        _INSERT,
        actor=by.name,
        address=by.address,
        action=action,
        outcome="done",
        subject=subject[:_LONGEST],
        detail=None if detail is None else detail[:_LONGEST],
    )
