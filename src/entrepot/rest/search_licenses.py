"""`api/search/license` (AQL reference 13): files by what their property `artifactory.licenses` says, one result for each licence.

Nobody approves licences here yet, so a licence that has a name is unapproved, and none is approved or neutral.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from entrepot.errors import Invalid
from entrepot.messages import Parameter, Reply, Request, Row
from entrepot.metadata.database import Database
from entrepot.metadata.properties import properties_of
from entrepot.rest.search_answers import asked_repositories, known_users_only, media_type, one, results, resumed, uri
from entrepot.search.finder import Finder, Hit

_PROPERTY: Final = "artifactory.licenses"
_KIND: Final = media_type("LicenseResult")
_DEFAULTS: Final = {
    "unapproved": True, "unknown": True, "notfound": False, "neutral": False, "approved": False, "autofind": False,
}  # fmt: skip
_TOLD: Final = {"unapproved": "Unapproved", "unknown": "Unknown", "notfound": "Not Found"}
_NOT_FOUND: Final = frozenset({"", "not found", "notfound"})


class LicenseSearchApi:
    """The handler."""

    def __init__(self, database: Database, finder: Finder) -> None:
        self._database = database
        self._finder = finder

    def rows(self) -> tuple[Row, ...]:
        """Return the row."""
        flags = tuple(
            Parameter(name, f"1 or 0; {int(default)} when it is not given", "integer")
            for name, default in _DEFAULTS.items()
        )
        repos = Parameter("repos", "Only these repositories, with commas between")
        return (
            Row("GET", "/artifactory/api/search/license", "search.license", "user", self.license, response=_KIND,
                parameters=(*flags, repos), summary="Files by the status of their licences"),
        )  # fmt: skip

    async def license(self, request: Request) -> Reply:
        """GET: by the statuses that are wanted."""
        known_users_only(request)
        flags = {name: _flag(request, name) for name in _DEFAULTS}
        rows = self._rows(request, frozenset(name for name in _TOLD if flags[name]))
        return Reply(200, [("content-type", _KIND)], stream=results(resumed(await anext(rows, None), rows)))

    async def _rows(self, request: Request, wanted: frozenset[str]) -> AsyncGenerator[Mapping[str, Any], None]:
        if not wanted:
            return
        async for hit in self._hits(request, "i.id IN (SELECT p.item_id FROM prop p WHERE p.key = {key})"):
            for value in (await properties_of(self._database, hit.item.id)).get(_PROPERTY, ()):
                status = _status(value)
                if status in wanted:
                    yield _row(request, hit, value, status)
        if "notfound" in wanted:
            lacking = "NOT EXISTS (SELECT 1 FROM prop p WHERE p.item_id = i.id AND p.key = {key})"
            async for hit in self._hits(request, lacking):
                yield _row(request, hit, "", "notfound")

    async def _hits(self, request: Request, condition: str) -> AsyncGenerator[Hit, None]:
        binds = self._finder.binds()
        conditions = ["i.kind = 1", condition.replace("{key}", binds.add(_PROPERTY))]
        hits = self._finder.find(request.granted, conditions, binds, repos=asked_repositories(request))
        async with aclosing(hits):
            async for hit in hits:
                yield hit


def _flag(request: Request, name: str) -> bool:
    value = one(request, name)
    if value not in {"", "0", "1"}:
        raise Invalid(f"The parameter '{name}' must be 0 or 1.")
    return value == "1" if value else _DEFAULTS[name]


def _status(value: str) -> str:
    folded = value.strip().lower()
    return "notfound" if folded in _NOT_FOUND else "unknown" if folded == "unknown" else "unapproved"


def _row(request: Request, hit: Hit, value: str, status: str) -> Mapping[str, Any]:
    return {"uri": uri(request, hit), "license": value or _TOLD[status], "found": "", "status": _TOLD[status]}
