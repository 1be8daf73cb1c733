"""Versions of what each process keeps a snapshot of, by scope: counted up by whoever changes it (`auth.epochs`)."""

from __future__ import annotations

from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql

_BUMP = sql("""
INSERT INTO cfg_version (scope, version) VALUES (:scope, 1)
ON CONFLICT (scope) DO UPDATE SET version = cfg_version.version + 1
""")


async def bump(tx: Tx, scope: str) -> None:
    """Count a scope up within the transaction that changes something in it.

    On PostgreSQL this waits for other transactions that have, so what is read after it is not changed meanwhile.
    """
    await tx.execute(_BUMP, scope=scope)
