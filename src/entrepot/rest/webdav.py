"""WebDAV as far as people mount and look at repositories with it: OPTIONS, PROPFIND, MKCOL (reference 7.17; RFC 4918).

There are no locks, so this is class 1; a file is written by PUT as ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from entrepot.artifacts import describe
from entrepot.artifacts.deploy import Deploy, writable
from entrepot.artifacts.storage import ItemNotFound, Storage
from entrepot.clock import http_date
from entrepot.errors import Denied, Invalid, NotAllowed
from entrepot.messages import Parameter, Reply, Request, Row
from entrepot.metadata.items import Item
from entrepot.paths import RepoPath
from entrepot.repositories.fields import DOCKER
from entrepot.rest.artifacts import ImagesOnly

_ONE: Final = "/artifactory/{repo}/{path*}"
_PLACES: Final = (("/artifactory/{repo}", "0"), ("/artifactory/{repo}/", "1"), (_ONE, ""))
_ALLOW: Final = "GET, HEAD, PUT, DELETE, OPTIONS, PROPFIND, MKCOL"
_XML: Final = "application/xml; charset=utf-8"
_ASKED: Final = 1 << 16  # bytes of a request, which may name properties: all there are, are told
_FINITE: Final = b'<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>'


class WebDavApi:
    """The handlers."""

    def __init__(self, storage: Storage, deploy: Deploy) -> None:
        self._storage = storage
        self._deploy = deploy

    def rows(self) -> tuple[Row, ...]:
        """Return the rows; they fit any path, as those of artifacts do."""
        depth = Parameter("Depth", "0 or 1: with what is directly in the folder", place="header")
        return (
            *(Row("OPTIONS", path, f"webdav.options{end}", "READ", self.options, target="node",
                  summary="What can be done with a path") for path, end in _PLACES),
            *(Row("PROPFIND", path, f"webdav.find{end}", "READ", self.find, target="node", status=207, parameters=(depth,),
                  response="application/xml", summary="A file or folder, and what is in it") for path, end in _PLACES),
            Row("MKCOL", _ONE, "webdav.make", "DEPLOY", self.make, target="node", status=201, summary="Make a folder"),
        )  # fmt: skip

    async def options(self, request: Request) -> Reply:
        """OPTIONS: the same everywhere. Raises ItemNotFound where there is no repository."""
        if request.granted.addressed is None:
            raise ItemNotFound
        return Reply(200, [("allow", _ALLOW), ("dav", "1"), ("ms-author-via", "DAV")])

    async def find(self, request: Request) -> Reply:
        """PROPFIND: never deeper than one level, which clients ask for level by level."""
        depth = (request.headers.get("depth") or "1").strip().lower()
        if depth not in {"0", "1", "infinity"}:
            raise Invalid("The header Depth must be 0 or 1.")
        await request.body.read(_ASKED)
        path = _path(request).text
        place = await self._storage.place(request.granted, path)
        if place.is_folder and depth == "infinity":
            return Reply(403, [("content-type", _XML)], _FINITE)
        listed = place.is_folder and depth == "1"
        return Reply(207, [("content-type", _XML)], stream=self._told(request, path, place.item, listed=listed))

    async def make(self, request: Request) -> Reply:
        """MKCOL: a folder, with those above it."""
        await request.body.read(0)
        path = _path(request)
        repository = writable(request.granted, path)
        if repository.package_type in DOCKER:
            raise ImagesOnly(key=repository.key)
        try:
            await self._storage.place(request.granted, path.text)
        except (ItemNotFound, Denied):  # what may not be seen is made again, which changes nothing
            await self._deploy.folder(request.granted, repository, path.text)
            return Reply(201)
        raise NotAllowed(
            "There is something at this path already.", headers=[("allow", _ALLOW.removesuffix(", MKCOL"))]
        )

    async def _told(self, request: Request, path: str, item: Item | None, *, listed: bool) -> AsyncIterator[bytes]:
        key, base = request.granted.key, request.base
        yield b'<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
        yield _response(base, key, path, item)
        if listed:
            async with aclosing(self._storage.within(request.granted, path)) as items:
                async for one in items:
                    yield _response(base, key, one.path, one)
        yield b"</D:multistatus>\n"


def _path(request: Request) -> RepoPath:
    """Return the path, as that of a folder: which it is, is not known yet."""
    raw = request.words.get("path", "")
    return RepoPath.parse(f"{raw.rstrip('/')}/" if raw else "")


def _response(base: str, key: str, path: str, item: Item | None) -> bytes:
    """Return one answer; no item is the root. Whatever is a name stands in it percent-encoded only."""
    place = describe.url(base, key, path).partition("://")[2].partition("/")[2]
    file = item is not None and item.is_file
    facts = "" if file else "<D:collection/>"
    told = f"<D:resourcetype>{facts}</D:resourcetype>"
    if item is not None:
        created = datetime.fromtimestamp(item.created / 1000, UTC)
        told += f"<D:creationdate>{created:%Y-%m-%dT%H:%M:%SZ}</D:creationdate>"
        told += f"<D:getlastmodified>{http_date(item.modified)}</D:getlastmodified>"
    if item is not None and file:
        told += f"<D:getcontentlength>{item.size}</D:getcontentlength>"
        told += f"<D:getcontenttype>{escape(describe.media_type(item.name))}</D:getcontenttype>"
    href = escape(f"/{place}" if file else f"/{place.rstrip('/')}/")
    return (
        f"<D:response><D:href>{href}</D:href><D:propstat><D:prop>{told}</D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    ).encode()
