"""The storage quota of a project: nothing more is taken into its repositories when they hold as much as they may.

How much they hold, with what has come in of uploads that are under way, is counted anew at most every minute, and at once
when its quota or its repositories change; what this process takes in meanwhile is added, as it arrives: what a request says
that it will bring takes nobody's place. So several processes together may overshoot by what arrives within a minute.
A soft limit only warns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from entrepot.auth import projects
from entrepot.errors import EntrepotError
from entrepot.messages import Body, Request
from entrepot.metadata.database import Database
from entrepot.metadata.sql import sql
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository

log = structlog.get_logger()

_FRESH: Final = 60.0  # seconds for which a count stands
_WARNED: Final = 3600.0  # seconds between two warnings
_HELD = sql("""
SELECT (SELECT COALESCE(SUM(size), 0) FROM item WHERE repo_id {any:ids})
  + (SELECT COALESCE(SUM(s.size), 0) FROM upload u JOIN upload_segment s ON s.upload_id = u.id WHERE u.repo_id {any:ids})
""")


class ProjectQuotaExceeded(EntrepotError):
    """The storage quota of the project '{project}' is used up. Delete what is not needed, or have the quota raised."""

    # No TooLarge, which those who read a body take for the limit that they have set themselves.
    code, status = "SIZE_INVALID", 413


@dataclass(frozen=True, slots=True)
class _Limit:
    """What a project says, and which repositories it has."""

    quota: float = -1  # bytes; below zero: none
    soft: bool = True
    repositories: tuple[int, ...] = ()


@dataclass(slots=True)
class _Count:
    state: object  # the epochs that the limit was read in
    limit: _Limit
    counted: float  # when
    held: int
    warned: float = -_WARNED


Room = Callable[[Repository, int], Awaitable[None]]
"""Makes sure that a repository may hold so many bytes more: `ProjectQuota.admit`."""


class _Counted:
    """A body that is counted piece by piece."""

    def __init__(self, body: Body, admit: Callable[[int], Awaitable[None]]) -> None:
        self._body = body
        self._admit = admit
        self.length = body.length
        self.received = body.received

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """See Body. Raises ProjectQuotaExceeded."""
        async for piece in self._body:
            self.received += len(piece)
            await self._admit(len(piece))
            yield piece

    async def read(self, limit: int) -> bytes:
        """See Body. Raises ProjectQuotaExceeded."""
        content = await self._body.read(limit)
        self.received += len(content)
        await self._admit(len(content))
        return content


class ProjectQuota:
    """A gate before whatever takes bytes in. One per process, used on its loop."""

    def __init__(self, database: Database, repositories: Repositories, state: Callable[[], object]) -> None:
        """`state` is equal as long as no project has changed."""
        self._database = database
        self._repositories = repositories
        self._state = state
        self._counts: dict[str, _Count] = {}
        self._counting = asyncio.Lock()

    async def check(self, request: Request) -> None:
        """Raise ProjectQuotaExceeded when the project, with what the request brings, would hold too much."""
        granted: Granted | None = request.granted
        if granted is None or not granted.physical:
            return
        repository = granted.physical[0]
        if await self._judge(repository, request.body.length or 0) is not None:
            request.body = _Counted(request.body, partial(self.admit, repository))

    async def admit(self, repository: Repository, length: int) -> None:
        """Count bytes that a repository is about to hold; fewer than none were counted and did not come.

        Raises ProjectQuotaExceeded when its project would hold too much.
        """
        count = await self._judge(repository, length)
        if count is not None:
            count.held += length

    async def _judge(self, repository: Repository, length: int) -> _Count | None:
        """Return what counts for a repository, if there is a limit. Raises ProjectQuotaExceeded."""
        project = repository.project
        if not project:
            return None
        count = await self._count(project)
        if count.limit.quota < 0:
            return None
        if length >= 0 and count.held + length > count.limit.quota:
            if not count.limit.soft:
                raise ProjectQuotaExceeded(project=project)
            self._warn(project, count)
        return count

    async def _count(self, project: str) -> _Count:
        count = self._counts.get(project)
        if count is not None and self._stands(count):
            return count
        async with self._counting:
            count = self._counts.get(project)
            if count is None or not self._stands(count):
                count = self._counts[project] = await self._counted(project, count)
        return count

    def _stands(self, count: _Count) -> bool:
        return count.state == self._state() and (count.limit.quota < 0 or _is_fresh(count))

    async def _counted(self, project: str, before: _Count | None) -> _Count:
        """Read the limit; what is held only when the limit has changed or the last count is too old: it is a look at each item."""
        state, limit = self._state(), await self._limit(project)
        if before is not None and before.limit == limit and _is_fresh(before):
            before.state = state
            return before
        now, held = time.monotonic(), 0
        if limit.quota >= 0 and limit.repositories:
            held = int((await self._database.scan(_HELD, ids=[*limit.repositories]))[0][0])
        return _Count(state, limit, now, held)

    async def _limit(self, project: str) -> _Limit:
        found = await projects.find(self._database, project)
        if found is None or found.storage_quota_bytes < 0:
            return _Limit()
        ids = (one.id for one in self._repositories.all() if one.project == project)
        return _Limit(found.storage_quota_bytes, found.soft_limit, tuple(sorted(ids)))

    def _warn(self, project: str, count: _Count) -> None:
        if time.monotonic() - count.warned > _WARNED:
            count.warned = time.monotonic()
            log.warning("project.quota", project=project, held=count.held, quota=int(count.limit.quota))


def _is_fresh(count: _Count) -> bool:
    return time.monotonic() - count.counted < _FRESH
