"""The compiled permission targets of this process, compiled anew when the security epoch has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from entrepot.access.permissions import PermissionTarget, Rules
from entrepot.auth import projects, targets
from entrepot.auth.epochs import Epochs
from entrepot.auth.project_targets import Locate, targets_of
from entrepot.auth.roles import Role
from entrepot.metadata.database import Database


class LiveRules:
    """Call it for the rules in force, after `refresh` in each request. One object per process, used on its loop."""

    def __init__(
        self, database: Database, epochs: Epochs, *, anonymous: Callable[[], bool], located: Locate = tuple,
        roles: Callable[[], Mapping[str, Role]] = dict,
    ) -> None:  # fmt: skip
        self._database = database
        self._epochs = epochs
        self._anonymous = anonymous  # whether callers without credentials are let in
        self._located = located  # all repositories, with their projects
        self._roles = roles  # those that all projects have
        self._rules = Rules()
        self._state: tuple[int, bool, int, int] | None = None
        self._parsed: dict[str, PermissionTarget] = {}  # by stored text: what did not change is not read again
        self._has_projects = False
        self._compiling = asyncio.Lock()

    def __call__(self) -> Rules:
        """Return the rules of the last refresh; none grants anything before the first."""
        return self._rules

    async def refresh(self, repositories: int = 0, configuration: int = 0) -> None:
        """Read and compile the targets if anything may have moved, else do nothing. Raises DatabaseUnavailable.

        The words are those under which the repositories and the roles that this process knows were read.
        """
        if self._state != self._now(repositories, configuration):
            async with self._compiling:
                await self._compile(repositories, configuration)

    def _now(self, repositories: int, configuration: int) -> tuple[int, bool, int, int]:
        if not self._has_projects:  # without projects neither of the two matters
            repositories = configuration = 0
        return self._epochs.security(), self._anonymous(), repositories, configuration

    async def _compile(self, repositories: int, configuration: int) -> None:
        state = self._now(repositories, configuration)
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
        of_projects = await projects.all_of_them(self._database)
        granted = targets_of(of_projects, self._located(), self._roles()) if of_projects else ()
        self._rules = Rules((*self._parsed.values(), *granted), anonymous=state[1])
        self._has_projects = bool(of_projects)
        words = (repositories, configuration) if self._has_projects else (0, 0)
        self._state = (state[0], state[1], *words)
