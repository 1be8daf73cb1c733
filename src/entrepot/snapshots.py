"""Configuration and permissions as this process knows them, read again whenever their epoch has moved."""

from __future__ import annotations

import asyncio

import msgspec

from entrepot.access.permissions import Rules
from entrepot.access.views import parse
from entrepot.auth.epochs import Epochs
from entrepot.errors import Unavailable
from entrepot.metadata.database import Database
from entrepot.metadata.sql import sql
from entrepot.repositories.catalog import Repositories

_TARGETS = sql("SELECT body FROM permission_target ORDER BY name")


class Snapshots:
    """Keep repositories and rules in step with the epochs; the hot path costs two comparisons."""

    def __init__(self, database: Database, epochs: Epochs, repositories: Repositories, *, anonymous: bool) -> None:
        self._database = database
        self._epochs = epochs
        self._repositories = repositories
        self._anonymous = anonymous
        self._rules = Rules()
        self._seen = (-1, -1)
        self._lock = asyncio.Lock()

    def rules(self) -> Rules:
        """Return the rules in force."""
        return self._rules

    async def fresh(self) -> None:
        """Make sure that what was committed before this request is known. Raises Unavailable when that cannot be told."""
        if not self._epochs.trusted():
            raise Unavailable
        if self._seen != (self._epochs.repositories(), self._epochs.security()):
            async with self._lock:
                await self._read()

    async def _read(self) -> None:
        now_at = (self._epochs.repositories(), self._epochs.security())
        if now_at == self._seen:
            return
        await self._repositories.refresh()
        rows = await self._database.rows(_TARGETS)
        targets = [parse(msgspec.json.decode(row[0])) for row in rows]
        self._rules = Rules(targets, anonymous=self._anonymous)
        self._seen = now_at
