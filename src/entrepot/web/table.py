"""The route table: rows joined from every room, and the search for the row of a request.

A template is matched against the percent-encoded path. `{word}` captures one segment, `{word*}` one or more, greedily: so
`/v2/{name*}/manifests/{reference}` is read from the right, as image names may hold a segment called `manifests`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from entrepot.errors import NotAllowed, NotFound
from entrepot.messages import Row

_REMEMBERED = 4096  # routes found: a fleet asks for the same few paths again and again
_SHORT = 512  # characters of a path that is remembered
_API = "artifactory/api"
_WORD = re.compile(r"\{([a-z_]+)(\*?)\}")


@dataclass(frozen=True, slots=True)
class Match:
    """The row of a request and what its template captured, still percent-encoded."""

    row: Row
    words: Mapping[str, str]


class Table:
    """All rows. Those that begin alike are tried together, in the order given; the first whose template fits is it."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._shelves: dict[str, list[tuple[str, re.Pattern[str], dict[str, Row]]]] = {}
        known: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            methods = known.get(row.path)
            if methods is None:
                methods = known[row.path] = {}
                self._shelves.setdefault(_shelf(row.path), []).append((_needle(row.path), _compiled(row.path), methods))
            if row.method in methods:
                raise AssertionError(f"two rows for {row.method} {row.path}")
            methods[row.method] = row
        self._remembered = lru_cache(_REMEMBERED)(self._find)

    def find(self, method: str, path: str) -> Match:
        """Return the row of a request; HEAD falls back to GET. Raises NotFound, NotAllowed (with the methods in detail)."""
        return self._remembered(method, path) if len(path) <= _SHORT else self._find(method, path)

    def _find(self, method: str, path: str) -> Match:
        allowed: dict[str, Row] = {}
        for shelf in (_shelf(path), ""):
            for needle, pattern, methods in self._shelves.get(shelf, ()):
                found = pattern.fullmatch(path) if needle in path else None
                if found is None:
                    continue
                row = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
                if row is not None:
                    return Match(row, found.groupdict())
                allowed.update(methods)
            if allowed or shelf == _API:
                break  # or else a path of the API would be looked for in a repository `api`
        if allowed:
            raise MethodNotAllowed(allowed)
        raise EndpointUnknown(path=path[:_SHORT]) if _shelf(path) == _API else NotFound


class EndpointUnknown(NotFound):
    """Entrepot has no endpoint {path}, or does not have it yet; /artifactory/api/openapi.json lists all that there are"""


class MethodNotAllowed(NotAllowed):
    """Method Not Allowed"""

    def __init__(self, methods: Mapping[str, Row]) -> None:
        super().__init__()
        names = set(methods) | ({"HEAD"} if "GET" in methods else set())
        self.allow = ", ".join(sorted(names))


def _shelf(path: str) -> str:
    """Return the first two segments when both are literal: what a path is looked up by."""
    parts = path.split("/", 3)
    head = parts[1:3]
    if not head or any("{" in part for part in head):
        return parts[1] if len(parts) > 1 and "{" not in parts[1] and _is_single(parts[1]) else ""
    return parts[1] if _is_single(parts[1]) else "/".join(head)


def _is_single(first: str) -> bool:
    """The faces whose second segment is a captured word: images under /v2, repositories under /artifactory but for its API."""
    return first == "v2"


def _needle(template: str) -> str:
    """Return the longest literal part: looking for it costs a twentieth of a match that fails."""
    return max(_WORD.sub("\0", template).split("\0"), key=len)


def _compiled(template: str) -> re.Pattern[str]:
    text, place = "", 0
    for word in _WORD.finditer(template):
        text += re.escape(template[place : word.start()])
        text += f"(?P<{word[1]}>{'.+' if word[2] else '[^/]+'})"
        place = word.end()
    return re.compile(text + re.escape(template[place:]), re.DOTALL)
