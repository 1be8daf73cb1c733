"""Followers: whatever reacts to changes reads the log with a cursor of its own, and catches up after having been down.

A follower sees every event at least once and in order; its cursor moves only after it has handled them. One that is so far
behind that the log no longer holds its place is marked for resync: it notes the newest event, walks what it follows, and
goes on from there. An event that a follower fails on, round after round, is passed over and told in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from entrepot.errors import Unavailable
from entrepot.events.log import Event, cut, last, number, page
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.sql import Statement, sql

KEEP = 7 * 24 * 3600_000  # ms that the log waits for a follower
_PAGE = 500
_TRIES = 3  # rounds in which the same event may fail before a follower goes on without it

log = structlog.get_logger()

_JOIN = sql("""
INSERT INTO follower (name, cursor, state, updated) VALUES (:name, :cursor, 'live', {now}) ON CONFLICT (name) DO NOTHING
""")
_GET = sql("SELECT cursor, state FROM follower WHERE name = :name")
_MOVE = sql("""
UPDATE follower SET cursor = :cursor, updated = {now} WHERE name = :name AND cursor <= :cursor AND state = 'live'
""")
_RESYNCED = sql("""
UPDATE follower SET cursor = :cursor, state = 'live', updated = {now} WHERE name = :name AND cursor <= :cursor
""")
_LIVE = sql("SELECT name, cursor FROM follower WHERE state = 'live'")
_LEFT_BEHIND = sql("""
UPDATE follower SET state = 'resync', updated = {now} WHERE name = :name AND cursor = :cursor AND state = 'live'
""")
_SLOWEST = sql("SELECT MIN(cursor) FROM follower WHERE state = 'live'")


class Follower(Protocol):
    """Something that reacts to changes. `handle` may see an event again after a crash."""

    name: str

    async def handle(self, events: Sequence[Event]) -> None:
        """React to a page of events."""
        ...

    async def resync(self) -> None:
        """Start over from the state of the tree: events were missed."""
        ...


class Feed:
    """Bring events to the followers of one process."""

    def __init__(self, database: Database, followers: Sequence[Follower]) -> None:
        self._database = database
        self._followers = followers
        self._failing: dict[str, tuple[int, int]] = {}  # by follower: the event that it fails on, and how often it has

    async def join(self) -> None:
        """Enter followers that are new; they see what happens from now on."""
        now_at = await last(self._database, self._database.engine)
        for follower in self._followers:

            async def work(tx: Tx, name: str = follower.name) -> None:
                await tx.execute(_JOIN, name=name, cursor=now_at)

            await self._database.transact(work)

    async def round(self) -> int:
        """Number what is new, let each follower catch up, cut what all have seen. Return how many events were handled."""
        while await number(self._database):
            pass
        handled = 0
        for follower in self._followers:
            handled += await self._catch_up(follower)
        await self._leave_behind()
        row = await self._database.row(_SLOWEST)
        slowest = row[0] if row and row[0] is not None else await last(self._database, self._database.engine)
        await cut(self._database, slowest, 60_000)
        return handled

    async def _leave_behind(self) -> None:
        """Mark the followers for which the log has waited long enough, wherever they run."""
        oldest = self._database.now() - KEEP
        for name, cursor in await self._database.rows(_LIVE):
            waiting = await page(self._database, cursor, 1)
            if waiting and waiting[0].time < oldest:

                async def work(tx: Tx, name: str = name, cursor: int = cursor) -> None:
                    await tx.execute(_LEFT_BEHIND, name=name, cursor=cursor)

                await self._database.transact(work)

    async def _catch_up(self, follower: Follower) -> int:
        row = await self._database.row(_GET, name=follower.name)
        if row is None:
            return 0
        cursor, state = int(row[0]), row[1]
        if state == "resync":
            cursor = await last(self._database, self._database.engine)
            await follower.resync()
            await self._move(follower, cursor, _RESYNCED)
        handled = 0
        while events := await page(self._database, cursor, _PAGE):
            moved = await self._handle(follower, events)
            cursor = events[-1].seq
            handled += len(events)
            if not moved:
                break
        return handled

    async def _handle(self, follower: Follower, events: Sequence[Event]) -> bool:
        """Have events handled and the cursor moved past them; one by one where together they fail.

        False: it was not moved, for others have moved it, or marked the follower for resync, and perhaps cut the log.
        """
        try:
            await follower.handle(events)
        except Unavailable:
            raise
        except Exception:
            if len(events) > 1:
                return all([await self._handle(follower, (event,)) for event in events])
            (event,) = events
            if not self._failed_often(follower, event):
                raise
            log.exception("events.passed_over", follower=follower.name, seq=event.seq, kind=event.kind, path=event.path)
        return await self._move(follower, events[-1].seq, _MOVE)

    def _failed_often(self, follower: Follower, event: Event) -> bool:
        """Count a failure; whether the follower has failed on the event in so many rounds that it goes on without."""
        seq, tries = self._failing.pop(follower.name, (event.seq, 0))
        tries = tries + 1 if seq == event.seq else 1
        if tries < _TRIES:
            self._failing[follower.name] = (event.seq, tries)
        return tries >= _TRIES

    async def _move(self, follower: Follower, cursor: int, how: Statement) -> bool:
        async def work(tx: Tx) -> bool:
            return await tx.execute(how, name=follower.name, cursor=cursor) > 0

        return await self._database.transact(work)
