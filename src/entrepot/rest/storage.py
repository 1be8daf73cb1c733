"""The storage API: items and folders, their properties, statistics and lists (reference 7.12-7.14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import msgspec

from entrepot.access.actions import Action, letters
from entrepot.artifacts import annotate, describe
from entrepot.artifacts.annotate import Annotate
from entrepot.artifacts.listing import POLICY
from entrepot.artifacts.storage import ListOptions, Storage
from entrepot.clock import http_date, iso
from entrepot.errors import Invalid, NotFound, Unauthenticated
from entrepot.messages import Parameter, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.metadata.properties import properties_of
from entrepot.paths import RepoPath
from entrepot.rest.json_bodies import LONG, json_object

_STORAGE: Final = "/artifactory/api/storage/{repo}"
_METADATA: Final = "/artifactory/api/metadata/{repo}"
_FILE: Final = "application/vnd.org.jfrog.artifactory.storage.FileInfo+json"
_FOLDER: Final = "application/vnd.org.jfrog.artifactory.storage.FolderInfo+json"
_PROPERTIES: Final = "application/vnd.org.jfrog.artifactory.storage.ItemProperties+json"
_LIST: Final = "application/vnd.org.jfrog.artifactory.storage.FileList+json"
_XML_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_RECURSIVE: Final = Parameter("recursive", "0: the item alone; by default all below it, too", "integer")


class NoProperties(NotFound):
    """No properties could be found."""


class StorageApi:
    """The handlers of `api/storage` and `api/metadata`."""

    def __init__(self, database: Database, storage: Storage, annotating: Annotate) -> None:
        self._database = database
        self._storage = storage
        self._annotate = annotating

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        places = (("", ""), ("/{path*}", ".item"))
        return tuple(
            row
            for end, word in places
            for row in (
                Row("GET", f"{_STORAGE}{end}", f"storage.get{word}", "READ", self.get, target="node", response=dict,
                    parameters=_GET, summary="Information on an item, or what the query names"),
                Row("PUT", f"{_STORAGE}{end}", f"storage.properties.set{word}", "ANNOTATE", self.put, target="node", status=204,
                    parameters=(Parameter("properties", "k=v1,v2;k2=v3", required=True), _RECURSIVE),
                    summary="Set properties"),
                Row("DELETE", f"{_STORAGE}{end}", f"storage.properties.delete{word}", "ANNOTATE", self.delete, target="node",
                    status=204, parameters=(Parameter("properties", "k,k2", required=True), _RECURSIVE),
                    summary="Delete properties"),
                Row("PATCH", f"{_METADATA}{end}", f"metadata.patch{word}", "ANNOTATE", self.patch, target="node", request=dict,
                    status=204, parameters=(Parameter("recursiveProperties", "1: all below, too", "integer"),),
                    summary="Change properties by a JSON merge patch"),
                Row("DELETE", f"{_METADATA}{end}", f"metadata.delete{word}", "ANNOTATE", self.clear, target="node", status=204,
                    parameters=(_RECURSIVE,), summary="Delete all properties"),
            )
        )  # fmt: skip

    async def get(self, request: Request) -> Reply:
        """GET: what is told depends on which parameter is there."""
        query = request.query
        for name, handler in (
            ("list", self._list),
            ("stats", self._stats),
            ("lastModified", self._last_modified),
            ("properties", self._properties),
            ("propertiesXml", self._properties_xml),
            ("permissions", self._permissions),
        ):
            if name in query:
                return await handler(request)
        told = await self._storage.info(request.granted, _path(request), request.base)
        return json_reply(told, 200, _FOLDER if "children" in told else _FILE)

    async def put(self, request: Request) -> Reply:
        """PUT ?properties=."""
        raw = _as_sent(request)
        if raw.endswith(";"):
            wanted = annotate.parse_encoded_properties(raw)
        else:
            wanted = annotate.parse_properties((request.query.get("properties") or [""])[0])
        await self._change(request, annotate.setting(wanted), recursive=_recursive(request))
        return Reply(204)

    async def delete(self, request: Request) -> Reply:
        """DELETE ?properties=."""
        keys = [key.strip() for key in (request.query.get("properties") or [""])[0].split(",") if key.strip()]
        if not keys:
            raise Invalid("The parameter 'properties' names no property: k,k2.")
        await self._change(request, annotate.removing(keys), recursive=_recursive(request))
        return Reply(204)

    async def patch(self, request: Request) -> Reply:
        """PATCH with {"props": {...}}."""
        body = await json_object(request, LONG)
        props = body.get("props")
        if props is None and "stats" not in body:
            raise Invalid("props or stats fields required")
        if props is not None and not isinstance(props, dict):
            raise Invalid("The field props must be an object.")
        recursive = (request.query.get("recursiveProperties") or request.query.get("recursive") or ["0"])[0] == "1"
        await self._change(request, annotate.merging(props or {}), recursive=recursive)
        return Reply(204)

    async def clear(self, request: Request) -> Reply:
        """DELETE all properties."""
        await self._change(request, annotate.clearing, recursive=_recursive(request))
        return Reply(204)

    async def _change(self, request: Request, edit: annotate.Edit, *, recursive: bool) -> None:
        path = _path(request)
        place = await self._storage.place(request.granted, path, Action.ANNOTATE)
        await self._annotate.change(request.granted, place, path, edit, recursive=recursive)

    async def _list(self, request: Request) -> Reply:
        if request.caller.is_anonymous:
            raise Unauthenticated("This resource is available to authenticated users only.")
        options = ListOptions(
            deep=_on(request, "deep"),
            depth=_number(request, "depth"),
            folders=_on(request, "listFolders"),
            root=_on(request, "includeRootPath"),
            properties=_on(request, "mdTimestamps"),
            statistics=_on(request, "statsTimestamps"),
        )
        path = _path(request)
        entries = await self._storage.files(request.granted, path, options)
        uri = describe.url(request.base, request.granted.key, path, api="api/storage")
        head = {"uri": uri, "created": iso(self._database.now())}
        return Reply(200, [("content-type", _LIST)], stream=_streamed(head, entries))

    async def _stats(self, request: Request) -> Reply:
        return json_reply(await self._storage.statistics(request.granted, _path(request), request.base))

    async def _last_modified(self, request: Request) -> Reply:
        path, at = await self._storage.last_modified(request.granted, _path(request))
        uri = describe.url(request.base, request.granted.key, path, api="api/storage")
        moment = datetime.fromtimestamp(at / 1000, UTC)
        reply = json_reply({"uri": uri, "lastModified": f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}+0000"})
        reply.headers.append(("last-modified", http_date(at)))
        return reply

    async def _held(self, request: Request) -> dict[str, list[str]]:
        place = await self._storage.place(request.granted, _path(request))
        held = {} if place.item is None else await properties_of(self._database, place.item.id)
        wanted = {key for text in request.query.get("properties", []) for key in text.split(",") if key}
        return {key: values for key, values in held.items() if not wanted or key in wanted}

    async def _properties(self, request: Request) -> Reply:
        held = await self._held(request)
        if not held:
            raise NoProperties
        uri = describe.url(request.base, request.granted.key, _path(request), api="api/storage")
        return json_reply({"properties": held, "uri": uri}, 200, _PROPERTIES)

    async def _properties_xml(self, request: Request) -> Reply:
        held = await self._held(request)
        named = ((key, value) for key, values in held.items() for value in values if _XML_NAME.fullmatch(key))
        rows = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in named)
        headers = [("content-type", "application/xml"), POLICY]
        return Reply(200, headers, f"<properties>{rows}</properties>".encode())

    async def _permissions(self, request: Request) -> Reply:
        place = await self._storage.place(request.granted, _path(request), Action.MANAGE)
        found = request.granted.rules.principals(place.repository.facts, _path(request), folder=place.is_folder)
        principals = {
            kind: {name: letters(actions) for name, actions in held.items()}
            for kind, held in (("users", found.users), ("groups", found.groups))
        }
        uri = describe.url(request.base, request.granted.key, _path(request), api="api/storage")
        return json_reply({"uri": uri, "principals": principals})


_GET: Final = (
    Parameter("list", "A file list"),
    Parameter("deep", "1: with all that is below", "integer"),
    Parameter("depth", "How deep a deep list goes", "integer"),
    Parameter("listFolders", "1: folders, too", "integer"),
    Parameter("mdTimestamps", "1: when properties were changed", "integer"),
    Parameter("statsTimestamps", "1: when files were downloaded", "integer"),
    Parameter("includeRootPath", "1: the folder itself, too", "integer"),
    Parameter("properties", "All properties, or those of some keys"),
    Parameter("stats", "Downloads"),
    Parameter("lastModified", "The newest file below"),
)


async def _streamed(head: dict[str, Any], entries: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    yield msgspec.json.encode(head)[:-1] + b',"files":['
    comma = b""
    async for entry in entries:
        yield comma + msgspec.json.encode(entry)
        comma = b","
    yield b"]}"


def _path(request: Request) -> str:
    return RepoPath.parse(request.words.get("path", "")).text


def _on(request: Request, name: str) -> bool:
    return (request.query.get(name) or ["0"])[0] in {"1", "true"}


def _number(request: Request, name: str) -> int:
    text = (request.query.get(name) or ["0"])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _as_sent(request: Request) -> str:
    """Return the parameter `properties` as it was sent."""
    pairs = (pair.partition("=") for pair in request.query_string.split("&"))
    return next((value for name, _, value in pairs if name == "properties"), "")


def _recursive(request: Request) -> bool:
    return (request.query.get("recursive") or ["1"])[0] not in {"0", "false"}
