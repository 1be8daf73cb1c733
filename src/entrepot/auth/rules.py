"""The compiled permission targets of this process, compiled anew when the security epoch has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from entrepot.access.permissions import PermissionTarget, Rules
from entrepot.auth import targets
from entrepot.auth.epochs import Epochs
from entrepot.metadata.database import Database


class LiveRules:
    """Call it for the rules in force, after `refresh` in each request. One object per process, used on its loop."""

    def __init__(self, database: Database, epochs: Epochs, *, anonymous: Callable[[], bool]) -> None:
        self._database = database
        self._epochs = epochs
        self._anonymous = anonymous  # whether callers without credentials are let in
        self._rules = Rules()
        self._state: tuple[int, bool] | None = None
        self._parsed: dict[str, PermissionTarget] = {}  # by stored text: what did not change is not read again
        self._compiling = asyncio.Lock()

    def __call__(self) -> Rules:
        """Return the rules of the last refresh; none grants anything before the first."""
        return self._rules

    async def refresh(self) -> None:
        """Read and compile the targets if anything may have moved, else do nothing. Raises DatabaseUnavailable."""
        if self._state != (self._epochs.security(), self._anonymous()):
            async with self._compiling:
                await self._compile()

    async def _compile(self) -> None:
        state = (self._epochs.security(), self._anonymous())
        if state == self._state:
            return
        texts: list[str] = []
        after = ""
        while found := await targets.page(self._database, after=after):
            texts += [text for _, text in found]
            after = found[-1][0]
        known = self._parsed
        # Thousands of patterns take tenths of a second, in which other requests must go on.
        self._parsed = await asyncio.to_thread(
            lambda: {text: known.get(text) or targets.parsed(text) for text in texts}
        )
        self._rules = Rules(self._parsed.values(), anonymous=state[1])
        self._state = state
