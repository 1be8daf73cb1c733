"""Where the blobs of an instance are, kept in its database: each start writes it down, commands and other nodes compare.

A store in the home folder is kept as an empty text, for the folder may be moved, or restored elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.sql import sql
from entrepot.settings import store_at_home

_LAST = sql("SELECT value FROM setting WHERE key = 'blob_store'")
_NOTE = sql("""
INSERT INTO setting (key, value) VALUES ('blob_store', :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value
""")


async def last_store(reads: Reads, home: Path) -> str | None:
    """Return the URL that the last start used; None when none has said so."""
    row = await reads.row(_LAST)
    return None if row is None else str(row[0]) or store_at_home(home)


async def note_store(tx: Tx, url: str, home: Path) -> str | None:
    """Write down which store is in use; return the URL of the one before, if that was another."""
    before = await last_store(tx, home)
    if before != url:
        await tx.execute(_NOTE, value="" if url == store_at_home(home) else url)
    return before if before != url else None
