"""Pruning: an inspection for objects that no row names, with repair, which an administrator starts and stops over HTTP.

It does what `entrepot gc --repair` does with orphans, by the same steps and beside serving nodes. Objects that were not
made by us (by their keys), or are younger than the caller wants, stay. How it goes is one row, which outlives the job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from entrepot.blobs.contract import Driver
from entrepot.errors import EntrepotError
from entrepot.jobs.inspection import refuse_where_nothing_is
from entrepot.jobs.orphans import give_back, orphans, queue
from entrepot.jobs.queue import Job, Renew, enqueue, held
from entrepot.metadata import facts
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.objects import Piece
from entrepot.metadata.sql import sql

KIND: Final = "storage.prune"
_REPORT, _STOP = "prune", "prune.stop"
_DAY: Final = 86_400_000  # milliseconds
_OURS: Final = re.compile(r"[^/]+/(\d{10})/[0-9a-f]{32}")  # see `blobs.key_maker`

_BUSY = sql("SELECT 1 FROM job WHERE dedup = :dedup AND state <> 'failed'")


@dataclass(frozen=True, slots=True)
class Pruned:
    """How the last pruning goes or went: `state` is running, stopped, finished or error; times in epoch milliseconds."""

    state: str
    dry: bool
    started: int
    updated: int
    objects: int = 0  # that were looked at
    cleaned: int = 0  # that go after the grace time, or would
    size: int = 0  # of these, in bytes
    error: str = ""


async def start(tx: Tx, *, dry: bool, days: int, now: int) -> bool:
    """Have some node prune; False while one waits or runs. What is younger than `days` stays; `dry` only counts."""
    if await tx.row(_BUSY, dedup=KIND) is not None:
        return False
    await facts.forget(tx, _STOP)
    await _note(tx, Pruned("running", dry, now, now))
    await enqueue(tx, KIND, {"dry": dry, "days": days}, dedup=KIND, max_attempts=3)
    return True


async def stop(tx: Tx) -> bool:
    """Ask the one that waits or runs to end; False when there is none."""
    if await tx.row(_BUSY, dedup=KIND) is None:
        return False
    await facts.note(tx, _STOP, "")
    return True


async def report(reads: Reads) -> Pruned | None:
    """Return how the last one goes or went; None when there never was one."""
    last = await facts.known(reads, _REPORT)
    if last is None:
        return None
    told = msgspec.json.decode(last, type=Pruned)
    if told.state == "running" and await reads.row(_BUSY, dedup=KIND) is None:
        return replace(told, state="error", error="The processes that did it ended before it was done.")
    return told


async def _note(tx: Tx, told: Pruned) -> None:
    await facts.note(tx, _REPORT, msgspec.json.encode(told).decode())


class Pruning:
    """The handler of `storage.prune` jobs; begins anew where a process ended over it, for what is queued is orphaned no more."""

    def __init__(self, database: Database, driver: Driver) -> None:
        self._database = database
        self._driver = driver

    async def __call__(self, job: Job, renew: Renew) -> None:
        """Prune, noting every page; what goes wrong is told by the report."""
        now, days = self._database.now(), job.payload["days"]
        assert isinstance(days, int)
        told = Pruned("running", bool(job.payload["dry"]), now, now)
        async with held(renew):
            try:
                await self._prepare(told)
                async for listed, among in orphans(self._database, self._driver):
                    if await facts.known(self._database, _STOP) is not None:
                        await self._tell(replace(told, state="stopped"))
                        return
                    told = await self._page(
                        told, [piece for piece in among if _older(piece.key, now - days * _DAY)], listed
                    )
                    await self._tell(told)
                await self._tell(replace(told, state="finished"))
            except EntrepotError as error:
                await self._tell(replace(told, state="error", error=error.message))

    async def _prepare(self, told: Pruned) -> None:
        await refuse_where_nothing_is(self._database, self._driver)
        if not told.dry:
            await give_back(self._database, self._driver)  # else what was lost, and is back, would go for good

    async def _page(self, told: Pruned, among: list[Piece], listed: int) -> Pruned:
        cleaned, size = told.cleaned, told.size
        for orphan in among:
            if told.dry or await queue(self._database, orphan):
                cleaned, size = cleaned + 1, size + orphan.size
        return replace(told, objects=told.objects + listed, cleaned=cleaned, size=size)

    async def _tell(self, told: Pruned) -> None:
        await self._database.transact(lambda tx: _note(tx, replace(told, updated=self._database.now())))


def _older(key: str, before: int) -> bool:
    """Whether we made the key, in an hour that was over at a time."""
    found = _OURS.fullmatch(key)
    return found is not None and found[1] < datetime.fromtimestamp(before / 1000, UTC).strftime("%Y%m%d%H")
