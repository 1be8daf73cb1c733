"""Bytes of the tree on their way out: files, their checksums, entries of archives, folders as pages (reference 7.6, 7.8)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Final

from entrepot.access.actions import Action
from entrepot.artifacts import listing
from entrepot.artifacts.address import Address, fits
from entrepot.artifacts.describe import media_type, media_type_of
from entrepot.artifacts.latest import Latest, wants_latest
from entrepot.artifacts.sidecars import Sidecar, value
from entrepot.blobs.threads import ARCHIVES
from entrepot.clock import http_date
from entrepot.errors import Denied, NotFound, Unauthenticated
from entrepot.messages import Reply, Request, located
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Database
from entrepot.metadata.items import BATCH, Item, all_children, find
from entrepot.metadata.properties import properties_of
from entrepot.repositories import archives
from entrepot.repositories.content import Content
from entrepot.repositories.deadline import Timed
from entrepot.repositories.delivery import deliver, naming
from entrepot.repositories.downloads import Downloads
from entrepot.repositories.granted import FROM_CACHE, Granted
from entrepot.repositories.repository import Repository

_PATIENCE: Final = 20.0  # seconds for which a thread looks for an entry: all who want one share few
_LISTED: Final = 10_000  # items of each repository on one page


class FileNotFound(NotFound):
    """File not found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and in which repository it was found."""

    repository: Repository
    item: Item
    stored: Stored


class Download:
    """The ways out. One per process."""

    def __init__(self, database: Database, content: Content, downloads: Downloads, latest: Latest) -> None:
        self._database = database
        self._content = content
        self._downloads = downloads
        self._latest = latest

    async def file(self, request: Request, address: Address) -> Reply:
        """Return a file, the checksum of one, an entry of an archive, or a folder. Raises FileNotFound."""
        granted: Granted = request.granted
        path = address.path.text
        sidecar = None if address.entry else Sidecar.read(path)
        if sidecar is not None and (reply := await self._checksum(granted, sidecar, address.matrix)) is not None:
            return reply
        if wants_latest(path):
            path = await self._latest.resolve(granted, path) or path
        found = await self.find(granted, path, conditions=address.matrix)
        if found is None:
            return await self._otherwise(request, address)
        if address.entry:
            return await self._entry(request, found, address.entry)
        return await self._deliver(request, found)

    async def find(self, granted: Granted, path: str, *, conditions: str = "") -> Found | None:
        """Return the file in the first repository where the caller may read it and its properties meet the conditions."""
        for repository in granted.physical:
            if not granted.may(Action.READ, repository, path):
                continue
            item = await find(self._database, repository.id, path)
            stored = None if item is None or item.blob_id is None else await self._content.find(item.blob_id)
            if item is None or stored is None:
                continue
            if conditions and not fits(conditions, await properties_of(self._database, item.id)):
                continue
            return Found(repository, item, stored)
        return None

    async def _deliver(self, request: Request, found: Found) -> Reply:
        headers = [
            ("content-type", await media_type_of(self._database, found.item)),
            ("x-artifactory-docker-registry", found.repository.key),
        ]
        reply = deliver(
            request,
            self._content,
            found.stored,
            headers=headers,
            etag=found.stored.sha1.hex(),
            file_name=found.item.name,
            modified=found.item.modified,
        )
        if found.repository.is_remote:
            reply.headers += FROM_CACHE
        if request.method == "GET" and reply.status == 200:
            reply.after = lambda: self._downloads.count(found.item.id, request.caller.name)
        return reply

    # --- what is no file ----------------------------------------------------------------------------------------------

    async def _otherwise(self, request: Request, address: Address) -> Reply:
        path, granted = address.path.text, request.granted
        if not address.entry and not address.matrix:
            folder = await self._folder(request, granted, path)
            if folder is not None:
                return folder
        raise FileNotFound(f"File not found.{granted.caches}")

    async def _checksum(self, granted: Granted, sidecar: Sidecar, conditions: str) -> Reply | None:
        path = sidecar.of
        if wants_latest(path):
            path = await self._latest.resolve(granted, path) or path
        found = await self.find(granted, path, conditions=conditions)
        if found is None:
            return None
        headers = [("content-type", "application/x-checksum")]
        return Reply(200, headers, value(found.stored, sidecar.algorithm).encode())

    async def _folder(self, request: Request, granted: Granted, path: str) -> Reply | None:
        held = [one for one in granted.physical if await self._is_folder(one, path)]
        if not held:
            return None
        if not request.path.partition(";")[0].endswith("/"):
            return Reply(302, [located(f"{request.base}{request.path}/")])
        items: dict[str, Item] = {}
        for repository in held:
            async for item in all_children(self._database, repository.id, path, _LISTED):
                if granted.may(Action.READ, repository, item.path, folder=not item.is_file):
                    items.setdefault(item.name, item)
        if not items and not any(granted.may(Action.READ, one, path, folder=True) for one in held):
            raise Unauthenticated if granted.caller.is_anonymous else Denied
        lines: list[str] = []
        for name in sorted(items):
            lines.append(listing.line(items[name]))
            if len(lines) % BATCH == 0:
                await asyncio.sleep(0)  # others have their turn
        body = listing.page(granted.key, path, lines)
        return Reply(200, [("content-type", "text/html; charset=utf-8"), listing.POLICY], body)

    async def _is_folder(self, repository: Repository, path: str) -> bool:
        if not path:
            return True
        item = await find(self._database, repository.id, path)
        return item is not None and not item.is_file

    # --- entries of archives ------------------------------------------------------------------------------------------

    async def _entry(self, request: Request, found: Found, path: str) -> Reply:
        file = await self._content.opened(found.stored)
        try:
            opened = await ARCHIVES.run(_open_entry, found.item.name, file, found.stored.size, path)
        except BaseException:
            file.close()
            raise
        if opened is None:
            file.close()
            raise FileNotFound(f"{found.item.name} has no entry {path}.")
        entry, stream = opened
        headers = [
            ("content-type", media_type(path)),
            ("last-modified", http_date(found.item.modified)),
            *naming(path.rpartition("/")[2]),
        ]
        reply = Reply(200, headers, length=entry.size)
        if request.method == "HEAD":
            stream.close()
            file.close()
        else:
            reply.stream = _pieces(stream, file)
        return reply


def _open_entry(name: str, file: IO[bytes], size: int, path: str) -> tuple[archives.Entry, IO[bytes]] | None:
    timed = Timed(file, _PATIENCE)  # from when a thread is free
    archive = archives.open_archive(name, io.BufferedReader(timed), size)
    for entry, handle in archive.entries():
        if entry.path == path:
            timed.lift()
            return entry, archive.open(handle)
    return None


async def _pieces(stream: IO[bytes], file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while piece := await ARCHIVES.run(archives.piece, stream):
            yield piece
    finally:
        stream.close()
        file.close()
