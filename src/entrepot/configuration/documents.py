"""What administrators configure beyond repositories and permissions: documents in sections, as this process knows them.

A section is either one document (`security`, key "") or several by key in an order (`ldapSettings`, `repoLayouts`).
Sections and fields have the names of the configuration descriptor (reference 15). Whoever reads a document reads the
snapshot (a look-up in memory); every change moves the epoch of configuration before it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from entrepot.configuration.secrets import Plain, Seals, opened, sealed
from entrepot.metadata.database import Database, Reads, T, Tx
from entrepot.metadata.sql import sql

Document = Mapping[str, Any]
Section = Mapping[str, Document]
Sections = Mapping[str, Section]

_NONE: Final[Section] = MappingProxyType({})
_EMPTY: Final[Document] = MappingProxyType({})

_ALL = sql("SELECT section, key, body FROM configuration ORDER BY section, position, key")
_ONE = sql("SELECT body FROM configuration WHERE section = :section AND key = :key {update}")
_PUT = sql("""
INSERT INTO configuration (section, key, position, body, modified)
SELECT CAST(:section AS VARCHAR), :key, (SELECT COALESCE(MAX(position), 0) + 1 FROM configuration
  WHERE section = CAST(:section AS VARCHAR)), :body, {now} WHERE 1 = 1
ON CONFLICT (section, key) DO UPDATE SET body = excluded.body, modified = excluded.modified
""")
_DELETE = sql("DELETE FROM configuration WHERE section = :section AND key = :key")


@dataclass(frozen=True, slots=True)
class Entry:
    """One document to store; `body` None removes it."""

    section: str
    key: str
    body: Document | None


class Documents:
    """The documents of this instance. One object per process, refreshed whenever their epoch has moved."""

    def __init__(
        self,
        database: Database,
        *,
        bump: Callable[[Tx, str], Awaitable[None]],
        announce: Callable[[str], None],
        seals: Seals | None = None,
    ) -> None:
        self._database = database
        self._seals = seals or Plain()
        self._bump = bump
        self._announce = announce
        self._sections: Sections = {}
        self._reading = asyncio.Lock()

    def section(self, name: str) -> Section:
        """Return the documents of a section by key, in their order."""
        return self._sections.get(name, _NONE)

    def revealed(self, name: str) -> Section:
        """Return the documents of a section with their secrets open; not for showing to anybody. Raises SealBroken."""
        return {key: opened(name, key, body, self._seals) for key, body in self.section(name).items()}

    def one(self, name: str) -> Document:
        """Return the document of a section that is only one; empty when it was never set."""
        return self.section(name).get("", _EMPTY)

    def flag(self, section: str, field: str, *, default: bool) -> bool:
        """Return a boolean field of a section's one document."""
        value = self.one(section).get(field)
        return value if isinstance(value, bool) else default

    async def refresh(self) -> None:
        """Read the rows again; called at start and whenever the epoch has moved. Raises DatabaseUnavailable."""
        async with self._reading:  # who read first must not be who stores last
            self._sections = await read_all(self._database)

    async def change(self, work: Callable[[Tx], Awaitable[T]], *scopes: str) -> T:
        """Run a transaction that changes documents (by `store`), and know its outcome before this returns.

        `scopes` are those that it changes something in beside configuration.
        """

        async def body(tx: Tx) -> T:
            for scope in ("configuration", *scopes):
                await self._bump(tx, scope)  # first, see `metadata.versions`
            return await work(tx)

        try:
            result = await self._database.transact(body)
        finally:  # a commit whose outcome we were not told may stand
            for scope in ("configuration", *scopes):
                self._announce(scope)
        await self.refresh()
        return result

    async def store(self, tx: Tx, entries: Iterable[Entry]) -> None:
        """Write documents within the transaction of `change`, their secrets sealed."""
        for entry in entries:
            if entry.body is None:
                await tx.execute(_DELETE, section=entry.section, key=entry.key)
            else:
                body = msgspec.json.encode(sealed(entry.section, entry.key, entry.body, self._seals)).decode()
                await tx.execute(_PUT, section=entry.section, key=entry.key, body=body)


async def read_all(reads: Reads) -> Sections:
    """Return all documents as the database has them now; in the transaction of `change` they stay so until its end."""
    found: dict[str, dict[str, Document]] = {}
    for section, key, body in await reads.rows(_ALL):
        found.setdefault(section, {})[key] = MappingProxyType(msgspec.json.decode(body, type=dict[str, Any]))
    return found


async def read(reads: Reads, section: str, key: str = "") -> dict[str, Any] | None:
    """Return a document as the database has it now; in a transaction it is locked for a change that depends on it."""
    row = await reads.row(_ONE, section=section, key=key)
    return None if row is None else msgspec.json.decode(row[0], type=dict[str, Any])
