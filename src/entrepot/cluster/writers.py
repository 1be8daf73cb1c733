"""Writers: which process may have left objects that no row names, and what becomes of them when it dies.

A process that stores objects has a row, beats every few seconds, and notes each hour in which it makes keys before the first
one. When it ends well it settles everything and its row goes. When it dies its beat stops; then its open hours are listed,
once, and what no row names is queued for deletion. A process that was taken for dead and comes back is fenced: the
transaction that would name its objects asks for its row first; it finds out at its next beat, and ends to be replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from entrepot.blobs.contract import Driver
from entrepot.blobs.intake import Intake
from entrepot.ending import end_process
from entrepot.metadata.blob_rows import WriterFenced
from entrepot.metadata.database import Database, Reads, ReferenceLost, Tx
from entrepot.metadata.objects import Piece, discard, named
from entrepot.metadata.sql import sql

BEAT_SECONDS = 5.0
_DEAD_AFTER = 120_000  # ms without a beat; far more than any pause that a live process survives with its connections
_UNSETTLED_AFTER = 300_000  # ms in doubt after which we ask what became of an object; no commit takes that long
_LATE = 30_000  # ms without a beat, after which nobody should count on a node
_STEADY = 60_000  # ms between two rounds of a sweep, beyond which it was held up, and perhaps the writers were, too
_EVER = 1 << 62
_PAGE = 500

log = structlog.get_logger()

_ENTER = sql(
    "INSERT INTO writer (id, node, started, heartbeat) VALUES (:id, :node, {now}, {now}) ON CONFLICT DO NOTHING"
)
_BEAT = sql("UPDATE writer SET heartbeat = {now} WHERE id = :id AND fenced IS NULL")
_LEAVE = sql("DELETE FROM writer WHERE id = :id")
_OPEN_HOUR = sql("INSERT INTO writer_hour (writer_id, hour) VALUES (:id, :hour) ON CONFLICT DO NOTHING")
_CLOSE_HOUR = sql("DELETE FROM writer_hour WHERE writer_id = :id AND hour = :hour")
_HOURS = sql("SELECT hour FROM writer_hour WHERE writer_id = :id ORDER BY hour")
_FENCED = sql("SELECT id FROM writer WHERE fenced <= {now} - :wait ORDER BY id LIMIT 100")
_BEATING = sql("SELECT DISTINCT node FROM writer WHERE heartbeat > {now} - :late AND fenced IS NULL")
_FENCE = sql("""
UPDATE writer SET fenced = {now} WHERE heartbeat < {now} - :dead_after AND fenced IS NULL AND {now} < :until
""")


async def live_nodes(reads: Reads) -> set[str]:
    """Return the ids of the nodes of which some process beats."""
    return {row[0].partition(" ")[0] for row in await reads.rows(_BEATING, late=_LATE)}


@dataclass(slots=True)
class Writer:
    """This process as a writer of objects."""

    database: Database
    id: str
    node: str
    entered: bool = False
    end: Callable[[], None] = end_process
    ending: bool = False

    async def enter(self) -> None:
        """Make the row, once; before the first key."""
        if self.entered:
            return

        async def work(tx: Tx) -> None:
            await tx.execute(_ENTER, id=self.id, node=self.node)

        await self.database.transact(work)
        self.entered = True

    async def opened(self, hour: str) -> None:
        """Note that objects of this hour may exist; before the first key of the hour (`blobs.keys.KeyMaker`).

        Raises WriterFenced.
        """

        async def work(tx: Tx) -> None:
            await tx.execute(_OPEN_HOUR, id=self.id, hour=hour)

        await self.enter()
        try:
            await self.database.transact(work)
        except ReferenceLost:
            raise WriterFenced from None

    async def beat(self, intake: Intake) -> None:
        """Say that we live, settle what is old, close the hours that hold nothing unsettled.

        One who was taken for dead can name nothing any more, whatever it stores: it ends.
        """

        async def work(tx: Tx) -> bool:
            return await tx.execute(_BEAT, id=self.id) > 0

        await self.enter()
        if not await self.database.transact(work):
            if not self.ending:
                self.ending = True
                log.error("writer.taken_for_dead", writer=self.id)
                self.end()
            return
        await self._settle(intake)
        await self._close_hours(intake)

    async def leave(self, intake: Intake) -> None:
        """End well: when nothing is unsettled the row goes, else the sweep will look.

        What is in doubt now may still be committed: a transaction goes on although its request was cut off.
        """
        if intake.unsettled:
            return

        async def work(tx: Tx) -> None:
            await tx.execute(_LEAVE, id=self.id)

        await self.database.transact(work)

    async def _settle(self, intake: Intake) -> None:
        """Ask what became of objects that are in doubt, and remove those that no row names."""
        long_ago = intake.clock.now() - _UNSETTLED_AFTER
        asked = [key for key, since in intake.unsettled.items() if since is not None and since < long_ago][:_PAGE]
        if not asked:
            return
        # In a transaction: on SQLite it waits its turn behind those that wait to be written, and may name them.
        kept = await self.database.transact(lambda tx: named(tx, asked))
        for key in asked:
            if key not in kept:
                intake.unsettled[key] = intake.clock.now()  # should this fail, the others have their turn before it
                await intake.driver.delete(key)
            intake.unsettled.pop(key, None)

    async def _close_hours(self, intake: Intake) -> None:
        hours = [row[0] for row in await self.database.rows(_HOURS, id=self.id)]
        busy = {key.split("/")[1] for key in intake.unsettled}
        closable = [hour for hour in hours[:-1] if hour not in busy]
        if not closable:
            return

        async def work(tx: Tx) -> None:
            for hour in closable:
                await tx.execute(_CLOSE_HOUR, id=self.id, hour=hour)

        await self.database.transact(work)


async def sweep_dead(
    database: Database, driver: Driver, *, dead_after: int = _DEAD_AFTER, wait: int = _DEAD_AFTER, until: int = _EVER
) -> int:
    """Take over from dead writers: queue for deletion what they stored and no row names. Return how many objects.

    `dead_after` is how long the beat must have stopped, `wait` how long a fence must stand, both in milliseconds; the
    latter must be longer than any transaction lasts. From the time `until` on nobody more is taken for dead.
    """

    async def fence(tx: Tx) -> None:
        await tx.execute(_FENCE, dead_after=dead_after, until=until)

    await database.transact(fence)
    found = 0
    for (writer,) in await database.rows(_FENCED, wait=wait):
        found += await sweep_writer(database, driver, writer)
    return found


class Sweep:
    """Sweep in rounds. One that was held up, or whose clock was set, first lets the others beat: they may have been, too."""

    def __init__(self, database: Database, driver: Driver) -> None:
        self._database = database
        self._driver = driver
        self._until = 0

    async def round(self) -> int:
        """Sweep, see `sweep_dead`; return how many objects were found."""
        found = await sweep_dead(self._database, self._driver, until=self._until)
        self._until = self._database.now() + _STEADY
        return found


async def sweep_writer(database: Database, driver: Driver, writer: str) -> int:
    """List the open hours of a fenced writer once, then forget them. May be repeated after a crash in the middle."""
    found = 0
    for (hour,) in await database.rows(_HOURS, id=writer):
        page: list[Piece] = []
        async for stored in driver.list(f"{writer}/{hour}"):
            page.append(Piece(stored.key, stored.size))
            if len(page) == _PAGE:
                found += await _queue_orphans(database, page)
                page = []
        found += await _queue_orphans(database, page)

        async def close(tx: Tx, hour: str = hour) -> None:
            await tx.execute(_CLOSE_HOUR, id=writer, hour=hour)

        await database.transact(close)

    async def forget(tx: Tx) -> None:
        await tx.execute(_LEAVE, id=writer)

    await database.transact(forget)
    return found


async def _queue_orphans(database: Database, page: list[Piece]) -> int:
    async def work(tx: Tx) -> int:
        kept = await named(tx, [piece.key for piece in page])
        orphans = tuple(piece for piece in page if piece.key not in kept)
        await discard(tx, orphans)
        return len(orphans)

    return await database.transact(work) if page else 0
