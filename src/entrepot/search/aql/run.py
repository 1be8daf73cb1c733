"""Queries answered: parsed, planned for their caller, and streamed as they are read (reference 9, 10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from entrepot.access.actions import Action
from entrepot.metadata.database import Database, Row
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository
from entrepot.search.aql.merging import Merging
from entrepot.search.aql.nesting import Nesting
from entrepot.search.aql.parser import main_fields, parse
from entrepot.search.aql.plan import Plan, asks_for_repository, plan
from entrepot.search.aql.printing import printed
from entrepot.search.aql.repositories import Known
from entrepot.search.aql.roots import roots
from entrepot.search.aql.syntax import Query

_RELATED_AT_ONCE: Final = 4  # batches per process whose related rows are fetched; others wait
_SECONDS: Final = 60.0  # that a query may take for each batch of its rows


class Aql:
    """Answer queries. One per process."""

    def __init__(self, database: Database, repositories: Callable[[], Iterable[Repository]]) -> None:
        self._database = database
        self._repositories = repositories
        self._places = asyncio.Semaphore(_RELATED_AT_ONCE)

    async def answer(self, granted: Granted, text: str) -> AsyncIterator[bytes]:
        """Return the answer in pieces. Everything that can be wrong with the query is raised before: Invalid, TooMany, Unavailable."""
        query = parse(text, self._database.now())
        known = Known(granted, self._repositories())
        shown = [one for one in query.domain.fields.values() if one in main_fields(query.domain, query.includes)]
        first = await roots(self._database, query, known, hidden=asks_for_repository(query), fields=shown)
        merging = Merging(query, first)
        made = plan(merging.query, known, self._database.engine)
        pages = self._pages(granted, merging, known, made)
        page = await anext(pages, None)
        return self._told(query, page, pages)

    async def _told(
        self, query: Query, page: list[bytes] | None, pages: AsyncGenerator[list[bytes], None]
    ) -> AsyncIterator[bytes]:
        count = 0
        async with aclosing(pages):
            yield b'{\n"results" : [ '
            while page is not None:
                if page:
                    told = b",".join(page)
                    yield b"," + told if count else told
                    count += len(page)
                page = await anext(pages, None)
            ends: dict[str, int] = {"start_pos": query.offset, "end_pos": count, "total": count}
            if query.limit is not None:
                ends["limit"] = query.limit
            yield b' ],\n"range" : ' + msgspec.json.encode(ends) + b"\n}\n"

    async def _pages(
        self, granted: Granted, merging: Merging, known: Known, made: Plan
    ) -> AsyncGenerator[list[bytes], None]:
        """Yield rows as they are printed, in batches, for each of which its related rows are fetched.

        They are encoded at once: a client who reads slowly keeps a batch for long, and as values it takes many times the room.
        """
        query = merging.query
        if query.limit == 0:
            return
        nesting = Nesting(self._database, query, known) if made.identified else None
        shows_virtual = any(one.kind == "virtual" for one in main_fields(query.domain, query.includes))
        rows = self._database.stream(made.statement, seconds=_SECONDS, **made.binds.values)
        sorted_by = [made.fields.index(one) for one in query.sort]
        skip, left = (0, None) if made.pushed else (query.offset, query.limit)
        async with aclosing(rows):
            async for batch in rows:
                seen = [row for row in batch if made.pushed or _visible(granted, known, made, row)]
                skipped = min(skip, len(seen))
                skip -= skipped
                seen = seen[skipped:] if left is None else seen[skipped : skipped + left]
                told = await self._printed(query, known, made, seen, nesting=nesting, virtual=shows_virtual)
                merged = merging.page(zip(([row[place] for place in sorted_by] for row in seen), told, strict=True))
                yield [*map(msgspec.json.encode, merged)]
                if left is not None:
                    left -= len(seen)
                    if left <= 0:
                        break
        yield [*map(msgspec.json.encode, merging.rest())]

    async def _printed(
        self, query: Query, known: Known, made: Plan, rows: Sequence[Row], *, nesting: Nesting | None, virtual: bool
    ) -> list[dict[str, Any]]:
        related = {}
        if nesting is not None and rows:
            async with self._places:
                related = await nesting.of([row[-1] for row in rows])
        order = [one for one in query.domain.fields.values() if one in made.fields]
        places = {one: place for place, one in enumerate(made.fields)}
        told = []
        for row in rows:
            one: dict[str, Any] = {}
            for field in order:
                value = printed(field, row[places[field]], known)
                if value is not None:
                    one[field.key] = value
            if virtual:
                repository, path, _ = _owner(known, made, row)
                one["virtual_repos"] = [] if repository is None else known.virtuals_of(repository, path)
            if nesting is not None:
                one |= related[row[-1]]
            told.append(one)
        return told


def _owner(known: Known, made: Plan, row: Row) -> tuple[Repository | None, str, bool]:
    start = len(made.fields)
    repo_id, folder, name, kind = row[start : start + 4]
    return known.by_id.get(repo_id), name if folder == "." else f"{folder}/{name}", kind == 0


def _visible(granted: Granted, known: Known, made: Plan, row: Row) -> bool:
    repository, path, folder = _owner(known, made, row)
    return repository is not None and granted.may(Action.READ, repository, path, folder=folder)
