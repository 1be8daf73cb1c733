"""Where the blobs of an instance are, kept in its database: each start writes it down, commands and other nodes compare.

A store in the home folder is kept as an empty text, for the folder may be moved, or restored elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from entrepot.metadata import facts
from entrepot.metadata.database import Reads, Tx
from entrepot.settings import store_at_home

_KEY = "blob_store"


async def last_store(reads: Reads, home: Path) -> str | None:
    """Return the URL that the last start used; None when none has said so."""
    last = await facts.known(reads, _KEY)
    return None if last is None else last or store_at_home(home)


async def note_store(tx: Tx, url: str, home: Path) -> str | None:
    """Write down which store is in use; return the URL of the one before, if that was another."""
    before = await last_store(tx, home)
    if before != url:
        await facts.note(tx, _KEY, "" if url == store_at_home(home) else url)
    return before if before != url else None
