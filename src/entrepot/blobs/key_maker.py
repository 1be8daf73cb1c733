"""Makes the keys of new objects: `<writer>/<yyyymmddhh>/<32 hex digits>`.

A key is chosen when writing begins and never used again, so deleting an old object can never hit a new one. The writer
is one row per process start: whatever a crash leaves without a row of its own lies in one of that writer's open hours.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from entrepot.blobs.keys import checked
from entrepot.clock import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from entrepot.clock import Clock

_REMEMBERED = 4  # hours: enough for a clock that is set back over the boundary


class KeyMaker:
    """Make the keys of one writer. Safe to call from many tasks of one loop."""

    def __init__(self, writer_id: str, opened: Callable[[str], Awaitable[None]], clock: Clock) -> None:
        """`opened(hour)` makes SQL remember that objects of this writer and hour may exist; it must be repeatable."""
        self._writer = checked(writer_id)
        self._opened = opened
        self._clock = clock
        self._hours: dict[str, asyncio.Task[None]] = {}

    async def new(self) -> str:
        """Return a key that nobody had. Raises what `opened` raised for this hour; the next call tries it again."""
        hour = f"{datetime.fromtimestamp(self._clock.now() / 1000, UTC):%Y%m%d%H}"
        opening = self._hours.get(hour) or self._open(hour)
        # Shielded: whoever is cancelled here must not take the hour away from the others who wait for it.
        await asyncio.shield(opening)
        return f"{self._writer}/{hour}/{new_id()}"

    def _open(self, hour: str) -> asyncio.Task[None]:
        opening = self._hours[hour] = asyncio.create_task(self._tell(hour))
        if len(self._hours) > _REMEMBERED:
            del self._hours[next(iter(self._hours))]
        return opening

    async def _tell(self, hour: str) -> None:
        try:
            await self._opened(hour)
        except BaseException:
            self._hours.pop(hour, None)
            raise
