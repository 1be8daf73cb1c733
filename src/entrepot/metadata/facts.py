"""What an installation knows of itself: one text by key, shared by its nodes (table `setting`)."""

from __future__ import annotations

from typing import Final

from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.sql import sql

FILLED: Final = "bootstrapped"
"""There once the first contents are."""
SERVICE_ID: Final = "service_id"
"""The id of the installation, which its tokens name."""

_GET = sql("SELECT value FROM setting WHERE key = :key")
_PUT = sql(
    "INSERT INTO setting (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_FORGET = sql("DELETE FROM setting WHERE key = :key")


async def known(reads: Reads, key: str) -> str | None:
    """Return what is known under the key; None for nothing."""
    row = await reads.row(_GET, key=key)
    return None if row is None else str(row[0])


async def note(tx: Tx, key: str, value: str) -> None:
    """Write it down, in place of what was known."""
    await tx.execute(_PUT, key=key, value=value)


async def forget(tx: Tx, key: str) -> None:
    """Know nothing under the key."""
    await tx.execute(_FORGET, key=key)
