"""Configuration and permissions as this process knows them, read again whenever their epoch has moved."""

from __future__ import annotations

import asyncio

from entrepot.access.permissions import Rules
from entrepot.auth.epochs import Epochs
from entrepot.auth.rules import LiveRules
from entrepot.configuration.documents import Documents
from entrepot.metadata.database import Database
from entrepot.repositories.catalog import Repositories


class Snapshots:
    """Keep repositories, documents and rules in step with the epochs; the hot path costs a few comparisons."""

    def __init__(
        self, database: Database, epochs: Epochs, repositories: Repositories, rules: LiveRules, documents: Documents
    ) -> None:  # fmt: skip
        self._database = database
        self._epochs = epochs
        self._repositories = repositories
        self._rules = rules
        self._documents = documents
        self._known: tuple[int, int, int] | None = None  # the words under which all of it was read
        self._seen = -1
        self._seen_documents = -1
        self._reading = asyncio.Lock()

    def rules(self) -> Rules:
        """Return the rules in force."""
        return self._rules()

    async def fresh(self) -> None:
        """Make sure that what was committed before this request is known. Raises Unavailable when that cannot be told."""
        if not self._epochs.trusted():
            await self._epochs.renew(self._database)
        now_at = self._epochs.all()
        if now_at != self._known:
            await self._read()
            self._known = now_at  # what moved while we read shows as different the next time

    async def _read(self) -> None:
        async with self._reading:
            if self._seen != (now_at := self._epochs.repositories()):
                await self._repositories.refresh()
                self._seen = now_at
            if self._seen_documents != (now_at := self._epochs.configuration()):
                await self._documents.refresh()
                self._seen_documents = now_at
            read_under = self._seen, self._seen_documents
        # Not the words of now: what moves while the rules wait or compile is not in the snapshots that they are made of.
        await self._rules.refresh(*read_under)
