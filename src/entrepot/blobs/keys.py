"""The names under which objects are stored: `<writer>/<yyyymmddhh>/<32 hex digits>`.

A key is chosen when writing begins and never used again, so deleting an old object can never hit a new one. The writer
is one row per process start: whatever a crash leaves without a row of its own lies in one of that writer's open hours.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from entrepot.clock import new_id
from entrepot.errors import EntrepotError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from entrepot.clock import Clock

_LONGEST = 255  # characters: one row, one line, and well below every store's own limit
_SEGMENT = r"(?!\.\.?(?:/|\Z))[A-Za-z0-9._-]+"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_REMEMBERED = 4  # hours: enough for a clock that is set back over the boundary


class KeyInvalid(EntrepotError):
    """{key} is not a key of the blob store."""

    def __init__(self, key: str) -> None:
        super().__init__(key=ascii(key[:_LONGEST]))


def valid(key: str) -> bool:
    """Tell whether a text can name an object in every store: segments of [A-Za-z0-9._-], none `.` or `..`."""
    return len(key) <= _LONGEST and _KEY.fullmatch(key) is not None


def checked(key: str) -> str:
    """Return the key if it is valid; a driver asks before it touches disk or network.

    Raises KeyInvalid. Keys come from our own rows; this is the second lock.
    """
    if not valid(key):
        raise KeyInvalid(key)
    return key


def checked_prefix(prefix: str) -> str:
    """Return the folder that a listing is about, without a slash at its end; empty for all. Raises KeyInvalid."""
    return checked(prefix.removesuffix("/")) if prefix else ""


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
