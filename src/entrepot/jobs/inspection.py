"""Inspecting the store: do the rows and the objects agree, and are the bytes what their digests say?

Both inspections only read, in pages, and may run beside a serving node: what is in flight (keys of live writers, chunks of
open sessions, blobs that are collected meanwhile) is not a finding. `repair` mends what they find: a blob whose bytes are lost
or damaged says so, which makes the next push of the same bytes heal it; an orphan that has lost bytes is given back to its blob
(it was restored from a backup, say, or its disk is mounted again), and the others go after the grace time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from entrepot.blobs.contract import Driver
from entrepot.errors import Invalid
from entrepot.jobs.damage import MISSING, NO_BYTES, Seen, damage_of, fault_of, give_up, lies_there, seen_now
from entrepot.jobs.orphans import give_back, orphans, queue, waiting
from entrepot.metadata.database import Database, Reads
from entrepot.metadata.objects import Piece
from entrepot.metadata.sql import sql

_PAGE = 500
_LISTED = 10_000  # findings of each kind that are told one by one

Progress = Callable[[int, int], None]

_COUNT = sql("SELECT COUNT(*), (SELECT COUNT(*) FROM blob_inline) FROM blob")
_BLOBS = sql("SELECT id, sha256, size, storage_key FROM blob WHERE id > :after ORDER BY id LIMIT :limit")
_HOLDERS = sql("""
SELECT r.key, i.path, i.name FROM item i JOIN repository r ON r.id = i.repo_id WHERE i.blob_id = :id ORDER BY i.id LIMIT 20
""")


class NothingThere(Invalid):
    """Not one of the {count} blobs is in this blob store. Is it the right one, and mounted? Nothing was mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A blob that is not as it should be: `why`, and up to twenty paths that hold it."""

    blob_id: int
    digest: str
    size: int
    key: str | None
    why: str
    paths: tuple[str, ...]


@dataclass(slots=True)
class Inspection:
    """What an inspection found. The lists are cut at ten thousand; the counts are not."""

    blobs: int = 0
    in_database: int = 0  # of the blobs: those whose bytes are too few for an object of the store
    objects: int = 0  # of the store
    bytes: int = 0
    orphan_count: int = 0
    orphan_bytes: int = 0
    orphans: list[Piece] = field(default_factory=list)
    missing_count: int = 0
    missing: list[Finding] = field(default_factory=list)
    given_up: int = 0  # of the missing: an earlier repair said so, and nobody has pushed them since
    corrupt_count: int = 0
    corrupt: list[Finding] = field(default_factory=list)
    unreadable: int = 0  # of the corrupt: the store refuses to read them, and no repair gives them up
    repaired: int = 0
    waiting_count: int = 0  # objects that nothing names any more, in their grace time
    waiting_until: int = 0  # when the last of them may go, in milliseconds

    @property
    def clean(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.orphan_count or self.missing_count or self.corrupt_count)


async def check(
    database: Database, driver: Driver, *, repair: bool = False, progress: Progress | None = None
) -> Inspection:
    """Compare rows with objects both ways; `progress` is called with (blobs looked at, blobs in all).

    Raises StoreUnavailable, and NothingThere before anything is mended.
    """
    if repair:
        await refuse_where_nothing_is(database, driver)
    found = Inspection()
    async for seen in _walk(database, found, progress):
        why, key = await fault_of(driver, seen)
        if why and await lies_there(database, seen):
            found.missing_count += 1
            found.given_up += why == NO_BYTES
            if len(found.missing) < _LISTED:
                found.missing.append(await _finding(database, seen, why, key))
            if repair:
                found.repaired += await give_up(database, seen)
    if repair:
        found.repaired += await give_back(database, driver)
    async for listed, among in orphans(database, driver):
        found.objects += listed
        found.orphan_count += len(among)
        found.orphan_bytes += sum(orphan.size for orphan in among)
        found.orphans += among[: _LISTED - len(found.orphans)]
        if repair:
            found.repaired += sum([await queue(database, orphan) for orphan in among])
    found.waiting_count, found.waiting_until = await waiting(database)
    return found


async def fsck(
    database: Database, driver: Driver, *, repair: bool = False, progress: Progress | None = None
) -> Inspection:
    """Read every blob again and compare its digest. Raises as `check`."""
    if repair:
        await refuse_where_nothing_is(database, driver)
    found = Inspection()
    async for seen in _walk(database, found, progress):
        why, sure = await damage_of(driver, seen)
        if why and await lies_there(database, seen):
            missing = why in (MISSING, NO_BYTES)
            found.missing_count += missing
            found.given_up += why == NO_BYTES
            found.corrupt_count += not missing
            found.unreadable += not sure
            listed = found.missing if missing else found.corrupt
            if len(listed) < _LISTED:
                listed.append(await _finding(database, seen, why, seen.key))
            if repair and sure:
                found.repaired += await give_up(database, seen)
    async for _ in driver.list(""):
        found.objects += 1
    return found


async def refuse_where_nothing_is(database: Database, driver: Driver) -> None:
    """Raise NothingThere when several blobs should be in the store and not one is: it is the wrong one, or not mounted."""
    absent, after = 0, 0
    while page := await database.rows(_BLOBS, after=after, limit=_PAGE):
        for row in page:
            after = row[0]
            why, key = await fault_of(driver, await seen_now(database, row))
            if not why and key is not None:
                return
            absent += bool(why)
    if absent > 1:
        raise NothingThere(count=absent)


async def _walk(database: Database, found: Inspection, progress: Progress | None) -> AsyncIterator[Seen]:
    total = await database.row(_COUNT)
    assert total is not None
    found.in_database = int(total[1])
    after = 0
    while page := await database.rows(_BLOBS, after=after, limit=_PAGE):
        for row in page:
            yield await seen_now(database, row)
            found.blobs += 1
            found.bytes += row[2]
        after = page[-1][0]
        if progress is not None:
            progress(found.blobs, max(int(total[0]), found.blobs))


async def _finding(reads: Reads, seen: Seen, why: str, key: str | None) -> Finding:
    paths = tuple(
        f"{repo}/{name}" if path == "." else f"{repo}/{path}/{name}"
        for repo, path, name in await reads.rows(_HOLDERS, id=seen.id)
    )
    return Finding(seen.id, f"sha256:{seen.sha256.hex()}", seen.size, key, why, paths)
