"""What archives hold, for searches: a follower that reads each archive once, by its bytes, however often it is placed.

Several nodes may come upon the same archive at once: whoever commits first has indexed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, Final

import structlog

from entrepot.blobs.threads import ARCHIVES
from entrepot.errors import EntrepotError, Unavailable
from entrepot.events.log import Event
from entrepot.metadata.database import Database, Duplicate, Tx
from entrepot.metadata.sql import sql
from entrepot.repositories import archives
from entrepot.repositories.content import Content

log = structlog.get_logger()

_LARGEST: Final = 8 << 30  # bytes of an archive that is looked into
_PAGE: Final = 500
_KINDS: Final = frozenset({"created", "updated", "copied", "moved"})

_BLOB = sql(
    "SELECT b.id FROM blob b WHERE b.sha256 = :sha256 AND NOT EXISTS (SELECT 1 FROM archive a WHERE a.blob_id = b.id)"
)
_MISSING = sql("""
SELECT i.id, i.name, i.blob_id FROM item i WHERE i.id > :after AND i.kind = 1 AND i.size > 0
AND NOT EXISTS (SELECT 1 FROM archive a WHERE a.blob_id = i.blob_id) ORDER BY i.id LIMIT :limit
""")
_ARCHIVE = sql("INSERT INTO archive (blob_id, state, entries, indexed) VALUES (:blob_id, :state, :entries, {now})")
_ENTRY = sql("INSERT INTO archive_entry (blob_id, path, name, size) VALUES (:blob_id, :path, :name, :size)")
_SHARE = sql("SELECT id FROM blob WHERE id = :id {share}")


class ArchiveIndex:
    """Keep `archive` and `archive_entry` in step with the tree (`events.followers.Follower`)."""

    name = "archives"

    def __init__(self, database: Database, content: Content) -> None:
        self._database = database
        self._content = content

    async def handle(self, events: Sequence[Event]) -> None:
        """Index the archives among what was placed."""
        for event in events:
            name = event.path.rpartition("/")[2]
            digest = (event.after or {}).get("sha256")
            if event.kind in _KINDS and archives.is_archive(name) and isinstance(digest, str):
                row = await self._database.row(_BLOB, sha256=bytes.fromhex(digest))
                if row is not None:
                    await self._index(name, int(row[0]))

    async def resync(self) -> None:
        """Index every archive in the tree that is not yet."""
        after = 0
        while rows := await self._database.rows(_MISSING, after=after, limit=_PAGE):
            for item_id, name, blob_id in rows:
                after = item_id
                if archives.is_archive(name):
                    try:
                        await self._index(name, blob_id)
                    except Unavailable:
                        raise
                    except Exception:  # the others are to be indexed, and the feed goes on only after the walk
                        log.exception("archive.not_indexed", blob=blob_id)

    async def _index(self, name: str, blob_id: int) -> None:
        stored = await self._content.find(blob_id)
        if stored is None or stored.size > _LARGEST:
            return
        try:
            with await self._content.opened(stored) as file:
                entries = await ARCHIVES.run(_entries, name, file, stored.size)
            await self._store(blob_id, "indexed", entries)
        except archives.Unreadable:
            await self._store(blob_id, "unreadable", [])
        except EntrepotError as error:
            log.warning("archive.not_indexed", blob=blob_id, reason=error.message)

    async def _store(self, blob_id: int, state: str, entries: Sequence[archives.Entry]) -> None:
        async def work(tx: Tx) -> None:
            if await tx.row(_SHARE, id=blob_id) is None:
                return
            await tx.execute(_ARCHIVE, blob_id=blob_id, state=state, entries=len(entries))
            rows = []
            for entry in entries:
                folder, _, name = entry.path.rpartition("/")
                rows.append({"blob_id": blob_id, "path": folder or ".", "name": name, "size": entry.size})
            for start in range(0, len(rows), _PAGE):
                await tx.many(_ENTRY, rows[start : start + _PAGE])  # type: ignore[arg-type]

        try:
            await self._database.transact(work)
        except Duplicate:
            return  # another node was first


def _entries(name: str, file: IO[bytes], size: int) -> list[archives.Entry]:
    return [entry for entry, _ in _unique(archives.open_archive(name, file, size).entries())]


def _unique(found: Iterable[tuple[archives.Entry, object]]) -> Iterable[tuple[archives.Entry, object]]:
    seen: set[str] = set()
    for entry, handle in found:
        if entry.path not in seen:
            seen.add(entry.path)
            yield entry, handle
