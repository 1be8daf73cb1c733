"""How `api/search/*` answers: results streamed as they are found and judged, in the detail that is asked for (AQL reference 13)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec

from entrepot.artifacts import describe
from entrepot.errors import NotFound, Unauthenticated
from entrepot.messages import Reply, Request
from entrepot.metadata.database import Database
from entrepot.metadata.properties import properties_of
from entrepot.repositories.content import Content
from entrepot.search.aql.binds import Binds
from entrepot.search.aql.repositories import shown
from entrepot.search.finder import Finder, Hit

T = TypeVar("T")
Told = Callable[[Request, Hit], Any]


class NoResults(NotFound):
    """No results found."""


class Answers:
    """Find and tell. One per process."""

    def __init__(self, database: Database, content: Content, finder: Finder) -> None:
        self._database = database
        self._content = content
        self.finder = finder

    async def answer(
        self,
        request: Request,
        conditions: Sequence[str],
        binds: Binds,
        kind: str,
        *,
        told: Told | None = None,
        needed: bool = False,
        keep: Callable[[Hit], bool] | None = None,
    ) -> Reply:
        """Stream what is found, and passes `keep`; with `needed`, to find nothing is not found."""
        hits = self.finder.find(request.granted, conditions, binds, repos=asked_repositories(request), keep=keep)
        first = await anext(hits, None)
        if needed and first is None:
            raise NoResults
        rows = self._rows(request, resumed(first, hits), told or self._described)
        return Reply(200, [("content-type", media_type(kind))], stream=results(rows))

    async def _rows(
        self, request: Request, hits: AsyncGenerator[Hit, None], told: Told
    ) -> AsyncIterator[Mapping[str, Any]]:
        async with aclosing(hits):
            async for hit in hits:
                yield await told(request, hit)

    async def _described(self, request: Request, hit: Hit) -> dict[str, Any]:
        detail = request.headers.get("x-result-detail") or ""
        found: dict[str, Any] = {"uri": uri(request, hit)}
        if "info" in detail:
            stored = None if hit.item.blob_id is None else await self._content.find(hit.item.blob_id)
            key = shown(hit.repository)
            if stored is not None:
                media = await describe.media_type_of(self._database, hit.item)
                found = describe.file_info(request.base, key, hit.item, stored, kind=media)
            elif not hit.item.is_file:
                found = describe.folder_info(request.base, key, hit.item.path, hit.item, [])
        if "properties" in detail:
            found["properties"] = await properties_of(self._database, hit.item.id)
        return found


def uri(request: Request, hit: Hit) -> str:
    """Return where an item is described."""
    return describe.url(request.base, shown(hit.repository), hit.item.path, api="api/storage")


def one(request: Request, name: str) -> str:
    """Return a parameter of the query; empty when it is absent."""
    return (request.query.get(name) or [""])[0].strip()


def media_type(kind: str) -> str:
    """Return the media type of an answer."""
    return f"application/vnd.org.jfrog.artifactory.search.{kind}+json"


def asked_repositories(request: Request) -> list[str]:
    """Return the keys that `repos` names."""
    return [key.strip() for text in request.query.get("repos", []) for key in text.split(",") if key.strip()]


def known_users_only(request: Request) -> None:
    """Raise Unauthenticated for a caller of no name."""
    if request.caller.is_anonymous:
        raise Unauthenticated("This resource is available to authenticated users only.")


async def resumed(first: T | None, rest: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what was looked at before the answer begins, so that what is wrong shows by then, and what comes after it."""
    async with aclosing(rest):
        if first is None:
            return
        yield first
        async for one_more in rest:
            yield one_more


async def results(rows: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """Write an answer, one result at a time."""
    yield b'{"results":['
    comma = b""
    async for row in rows:
        yield comma + msgspec.json.encode(row)
        comma = b","
    yield b"]}"
