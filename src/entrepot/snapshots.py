"""Configuration and permissions as this process knows them, read again whenever their epoch has moved."""

from __future__ import annotations

import asyncio

from entrepot.access.permissions import Rules
from entrepot.auth.epochs import Epochs
from entrepot.auth.rules import LiveRules
from entrepot.configuration.documents import Documents
from entrepot.errors import Unavailable
from entrepot.repositories.catalog import Repositories


class Snapshots:
    """Keep repositories, documents and rules in step with the epochs; the hot path costs a few comparisons."""

    def __init__(self, epochs: Epochs, repositories: Repositories, rules: LiveRules, documents: Documents) -> None:
        self._epochs = epochs
        self._repositories = repositories
        self._rules = rules
        self._documents = documents
        self._seen = -1
        self._seen_documents = -1
        self._reading = asyncio.Lock()

    def rules(self) -> Rules:
        """Return the rules in force."""
        return self._rules()

    async def fresh(self) -> None:
        """Make sure that what was committed before this request is known. Raises Unavailable when that cannot be told."""
        if not self._epochs.trusted():
            raise Unavailable
        if self._seen != self._epochs.repositories():
            async with self._reading:
                now_at = self._epochs.repositories()
                if now_at != self._seen:
                    await self._repositories.refresh()
                    self._seen = now_at
        if self._seen_documents != self._epochs.configuration():
            async with self._reading:
                now_at = self._epochs.configuration()
                if now_at != self._seen_documents:
                    await self._documents.refresh()
                    self._seen_documents = now_at
        await self._rules.refresh()
