"""The API described by its own route table: OpenAPI 3.1, and a page to read it by that needs nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec

from entrepot import __version__
from entrepot.messages import Parameter, Reply, Request, Row, json_reply

_PAGE: Final = "/artifactory/api/docs"
_NOT_OPENAPI: Final = frozenset({"OPTIONS", "PROPFIND", "MKCOL"})  # of WebDAV; there is no word for two of them
_WORD = re.compile(r"\{([a-z_]+)\*?\}")
_POLICY: Final = ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
_ERRORS: Final[Mapping[str, Any]] = {
    "artifactory": ("status", "integer"), "access": ("code", "string"), "oci": ("code", "string"), "plain": ("code", "string"),
}  # fmt: skip
_FORM: Final = "application/x-www-form-urlencoded"
_BODIES: Final = frozenset({"PUT", "POST", "PATCH"})
_NEEDS: Final = {
    "public": "Open to all.",
    "user": "Any user may ask, and anybody where anonymous access is on; who may do what is then judged by what is asked for.",
    "admin": "Administrators only.",
}  # fmt: skip
_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1b1f24}
h1{font-size:1.5rem}h2{margin-top:2.2rem;border-bottom:1px solid #d0d7de;font-size:1.1rem}
details{border-bottom:1px solid #eaeef2;padding:.35rem 0}summary{cursor:pointer}
code{font:13px ui-monospace,monospace}b.m{display:inline-block;width:4.6rem;font:600 12px ui-monospace,monospace}
td{padding:.15rem .8rem .15rem 0;vertical-align:top}p{margin:.4rem 0}
"""


class OpenApi:
    """The handlers of the description. `rows` gives the whole table, once it is made."""

    def __init__(self, rows: Callable[[], Sequence[Row]]) -> None:
        self._rows = rows
        self._document: dict[str, Any] | None = None  # made when it is first wanted: 50 ms, for anybody who asks

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", "/artifactory/api/openapi.json", "openapi.document", "public", self.document, response=dict,
                summary="This API as an OpenAPI 3.1 document"),
            Row("GET", _PAGE, "openapi.page", "public", self.page, response="text/html",
                summary="This API as a page to read"),
            Row("GET", "/", "openapi.entrance", "public", self.entrance, status=302,
                summary="To the page that people read"),
        )  # fmt: skip

    async def entrance(self, _: Request) -> Reply:
        """GET what somebody types who was told a host name only."""
        return Reply(302, [("location", _PAGE)])

    async def document(self, request: Request) -> Reply:
        """GET the document."""
        if self._document is None:
            self._document = document(self._rows())
        return json_reply({**self._document, "servers": [{"url": request.base}]})

    async def page(self, request: Request) -> Reply:
        """GET the page."""
        body = page(self._rows(), request.base).encode()
        return Reply(200, [("content-type", "text/html; charset=utf-8"), _POLICY], body)


def document(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the OpenAPI document of a route table, which is the same for all who ask but for `servers`."""
    listed = [row for row in rows if row.method not in _NOT_OPENAPI]
    types = [kind for row in listed for kind in (row.request, row.response) if _is_typed(kind)]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for row in listed:
        paths.setdefault(_WORD.sub(r"{\1}", row.path), {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Entrepot", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "A home for every binary: the Docker Registry API V2 and the Artifactory REST API.",
        },
        "security": [{"basic": []}, {"bearer": []}, {"key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, **{f"Errors_{face}": _errors(*field) for face, field in _ERRORS.items()}},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-JFrog-Art-Api"},
            },
        },
    }  # fmt: skip


def _operation(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": f"{row.operation}.{row.method.lower()}" if row.method != "GET" else row.operation,
        "summary": row.summary,
        "description": _NEEDS.get(row.action, f"Needs the right to {row.action} on what is addressed."),
        "tags": [row.operation.partition(".")[0]],
        "parameters": [*map(_in_path, _WORD.findall(row.path)), *map(_parameter, row.parameters)],
        "responses": {
            str(row.status): _answer(row.response),
            "default": {"description": "What is wrong", "content": _wrong(row)},
        },
    }  # fmt: skip
    if row.method in _BODIES and row.request is not None:
        told["requestBody"] = {"content": _content(row.request)}
    if row.action == "public":
        told["security"] = [{}]
    return told


def _wrong(row: Row) -> dict[str, Any]:
    """Return the envelope of the row's face; some answers of a type of their own say in it what is wrong."""
    told: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/Errors_{row.face}"}}}
    if row.request == _FORM:  # OAuth has its own words (RFC 6749, 5.2)
        told["application/json"] = {"schema": {"type": "object"}}
    if isinstance(row.response, str) and row.response.endswith("json"):
        told.setdefault(row.response, {"schema": {}})
    return told


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name, "in": one.place, "description": one.summary, "required": one.required, "schema": {"type": one.kind},
    }  # fmt: skip


def _answer(kind: Any) -> dict[str, Any]:
    return {"description": "Done"} if kind is None else {"description": "Done", "content": _content(kind)}


def _content(kind: Any) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {} if kind.endswith("json") else {"type": "string"}}}
    if not _is_typed(kind):
        return {"application/json": {"schema": {"type": "array" if kind is list else "object"}}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return {"application/json": {"schema": schema}}


def _is_typed(kind: Any) -> bool:
    return kind is not None and not isinstance(kind, str) and kind not in {dict, list}


def _errors(field: str, kind: str) -> dict[str, Any]:
    one = {
        "type": "object",
        "properties": {field: {"type": kind}, "message": {"type": "string"}},
        "required": [field, "message"],
    }
    return {"type": "object", "properties": {"errors": {"type": "array", "items": one}}, "required": ["errors"]}


def page(rows: Iterable[Row], base: str) -> str:
    """Return the page of a route table: every operation under its subject, closed until it is clicked."""
    by_tag: dict[str, list[Row]] = {}
    for row in rows:
        by_tag.setdefault(row.operation.partition(".")[0], []).append(row)
    parts = [
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Entrepot API</title><style>{_STYLE}</style></head><body>",
        f"<h1>Entrepot {escape(__version__)}: the API</h1><p>For programs: <a href='openapi.json'>openapi.json</a>. ",
        f"The URLs below begin with <code>{escape(base)}</code>.</p>",
    ]
    for tag in sorted(by_tag):
        parts.append(f"<h2 id='{escape(tag)}'>{escape(tag)}</h2>")
        parts += map(_entry, by_tag[tag])
    return "".join([*parts, "</body></html>\n"])


def _entry(row: Row) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one.name)}</code></td><td>{one.place}</td><td>{escape(one.summary)}</td></tr>"
        for one in row.parameters
    )
    table = f"<table>{rows}</table>" if rows else ""
    needs = escape(_NEEDS.get(row.action, f"Needs the right to {row.action} on what is addressed."))
    path = escape(_WORD.sub(r"{\1}", row.path))
    return (
        f"<details><summary><b class=m>{row.method}</b><code>{path}</code> {escape(row.summary)}</summary>"
        f"<p>{needs} Answers {row.status}.</p>{table}</details>"
    )
