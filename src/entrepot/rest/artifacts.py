"""Paths of the tree for GET and HEAD (reference 7.6); the rest of the artifact API comes with its own issue."""

from __future__ import annotations

import mimetypes

from entrepot.errors import NotFound
from entrepot.messages import Reply, Request, Row
from entrepot.metadata.database import Database
from entrepot.metadata.items import Item, find
from entrepot.metadata.properties import properties_of
from entrepot.paths import RepoPath
from entrepot.repositories.content import Content
from entrepot.repositories.delivery import deliver
from entrepot.repositories.downloads import Downloads
from entrepot.repositories.granted import Granted

_MANIFESTS = frozenset({"manifest.json", "list.manifest.json"})


class FileNotFound(NotFound):
    """File not found."""


class Artifacts:
    """The handlers of repository paths."""

    def __init__(self, database: Database, content: Content, downloads: Downloads) -> None:
        self._database = database
        self._content = content
        self._downloads = downloads

    def rows(self) -> tuple[Row, ...]:
        """Return the rows; they come last, for they fit any path."""
        return (
            Row("GET", "/artifactory/{repo}/{path*}", "artifacts.fetch", "READ", self.fetch, target="item",
                summary="Download a file"),
        )  # fmt: skip

    async def fetch(self, request: Request) -> Reply:
        """GET and HEAD of a file."""
        granted: Granted = request.granted
        path = RepoPath.parse(request.words["path"]).text
        for repository in granted.physical:
            if not repository.patterns.accepts(path):
                continue
            item = await find(self._database, repository.id, path)
            stored = None if item is None or item.blob_id is None else await self._content.find(item.blob_id)
            if item is not None and stored is not None:
                headers = [
                    ("content-type", await self._media_type(item)),
                    ("x-artifactory-docker-registry", repository.key),
                ]
                reply = deliver(
                    request,
                    self._content,
                    stored,
                    headers=headers,
                    etag=stored.sha1.hex(),
                    file_name=item.name,
                    modified=item.modified,
                )
                if request.method == "GET" and reply.status == 200:
                    reply.after = lambda item_id=item.id: self._downloads.count(item_id, request.caller.name)
                return reply
        raise FileNotFound

    async def _media_type(self, item: Item) -> str:
        if item.name in _MANIFESTS:
            stated = (await properties_of(self._database, item.id)).get("docker.manifest.type")
            if stated:
                return stated[0]
        return mimetypes.guess_type(item.name)[0] or "application/octet-stream"
