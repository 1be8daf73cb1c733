"""Collection with an account of itself: each run, and what is left to delete, is noted for the metrics of the node."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from entrepot.clock import SystemClock
from entrepot.errors import reason
from entrepot.jobs.collection import Collection, Report
from entrepot.metadata.database import Database
from entrepot.metadata.sql import sql
from entrepot.metrics.collected import Collected, Run, Sums, note, noted

log = structlog.get_logger()

_HOUR: Final = 3600_000  # milliseconds for which the sum of all sizes is good enough: every row is read for it
_SECONDS: Final = 300.0  # that adding up may take

_QUEUE: Final = sql("SELECT COUNT(*), COUNT(CASE WHEN attempts > 0 THEN 1 END), MIN(not_before) FROM delete_queue")
_SIZE: Final = sql("SELECT COALESCE(SUM(size), 0) FROM blob")


class Telling:
    """Collect in rounds, and tell of them in `folder`; without one nothing is told."""

    def __init__(self, collection: Collection, database: Database, folder: Path | None, interval: float) -> None:
        """`interval`: seconds between the end of one round of `by_itself` and the next."""
        self._collection = collection
        self._database = database
        self._folder = folder
        self._interval = int(interval * 1000)
        before = noted(folder) if folder else None  # by this process's predecessor
        self._last = before.last if before else None
        self._sums = before.sums if before else Sums()
        self._next = database.now() + self._interval
        self._size, self._added_up = 0, 0
        self._silent = False  # since something could not be noted, which was logged

    async def by_itself(self) -> Report:
        """Collect as every node does now and then."""
        try:
            return await self.round()
        finally:
            self._next = self._database.now() + self._interval

    async def round(self) -> Report:
        """Collect, and tell how it went."""
        start, report = self._database.now(), Report()
        well = False
        try:
            report = await self._collection.round()
            well = True
        finally:
            self._last = Run(start, self._database.now(), well, report.blobs, report.size)
            was = self._sums
            self._sums = Sums(
                was.runs + 1, was.blobs + report.blobs, was.size + report.size, was.objects + report.objects
            )
        return report

    async def look(self) -> None:
        """Note how things stand; that it cannot be noted is logged when it begins."""
        if self._folder is None:
            return
        collected = await self._collected()
        try:
            note(self._folder, collected)
            self._silent = False
        except OSError as error:
            if not self._silent:
                log.warning("metrics.collection.not_noted", reason=reason(error))
            self._silent = True

    async def _collected(self) -> Collected:
        now = self._database.now()
        if now - self._added_up >= _HOUR:
            self._size = int((await self._database.scan(_SIZE, seconds=_SECONDS))[0][0])
            self._added_up = now
        waiting, failing, due = (await self._database.scan(_QUEUE, seconds=_SECONDS))[0]
        ahead = now - SystemClock().now()  # those who are asked have the machine's clock only
        due = None if due is None else due - ahead
        return Collected(self._last, self._sums, self._next - ahead, self._size, int(waiting), int(failing), due)
