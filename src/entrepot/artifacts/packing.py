"""A folder as an archive, written while it is sent: nothing is kept but the piece at hand (reference 7.15)."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from entrepot.access.actions import Action
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.storage import Place
from entrepot.blobs.threads import HASHING
from entrepot.configuration.documents import Documents
from entrepot.errors import Denied, Invalid, Unauthenticated
from entrepot.metadata.items import Item
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted

TYPES: Final = {
    "zip": "application/zip",
    "tar": "application/x-tar",
    "tar.gz": "application/x-gzip",
    "tgz": "application/x-gzip",
}
_ZIP_YEARS: Final = (315_532_800, 4_354_819_198)  # 1980 to 2107: the seconds that a zip can tell
_DEFAULTS: Final[dict[str, Any]] = {
    "enabled": False,
    "enabledForAnonymous": False,
    "maxDownloadSizeMb": 1024,
    "maxFiles": 5000,
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the archive: its name there, and its bytes' place."""

    name: str
    item: Item


class _Writer(Protocol):
    """Turn files into the bytes of an archive; called on threads, one call at a time: deflating takes long."""

    def begin(self, name: str, item: Item) -> bytes: ...
    def piece(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def close(self) -> bytes: ...


class Packing:
    """Send folders as archives. One per process."""

    def __init__(self, content: Content, branches: Branches, documents: Documents) -> None:
        self._content = content
        self._branches = branches
        self._documents = documents

    async def pack(self, granted: Granted, place: Place, path: str, kind: str) -> AsyncIterator[bytes]:
        """Return the archive in pieces. Raises Invalid for a type that there is not, Denied where it is off or too much."""
        settings = {**_DEFAULTS, **self._documents.one("folderDownloadConfig")}
        if granted.caller.is_anonymous and settings["enabledForAnonymous"] is not True:
            raise Unauthenticated("Downloading folders is not allowed without signing in.")
        if settings["enabled"] is not True:
            raise Denied(
                "Downloading folders is disabled; an administrator can enable it: folderDownloadConfig: {enabled: true}."
            )
        if kind not in TYPES:
            raise Invalid(f"The archive type must be one of {', '.join(TYPES)}.")
        if not place.is_folder:
            raise Invalid("Only a folder can be downloaded as an archive.")
        files = await self._files(granted, place, path, settings)
        return self._packed(files, _Zip() if kind == "zip" else _Tar(packed=kind != "tar"))

    async def _files(self, granted: Granted, place: Place, path: str, settings: dict[str, Any]) -> list[File]:
        files, size = [], 0
        above = path.rpartition("/")[0]
        async for item in self._branches.below(place.repository.id, path):
            if item.is_file and granted.may(Action.READ, place.repository, item.path):
                files.append(File(item.path[len(above) :].lstrip("/"), item))
                size += item.size
            if len(files) > settings["maxFiles"] or size > settings["maxDownloadSizeMb"] << 20:
                limits = f"{settings['maxFiles']} files, {settings['maxDownloadSizeMb']} MB"
                raise Denied(f"The folder is larger than may be downloaded at once: {limits}.")
        return files

    async def _packed(self, files: list[File], writer: _Writer) -> AsyncIterator[bytes]:
        for file in files:
            stored = None if file.item.blob_id is None else await self._content.find(file.item.blob_id)
            if stored is None:  # deleted meanwhile
                continue
            yield await HASHING.run(writer.begin, file.name, file.item)
            async for piece in self._content.span(stored, 0, stored.size):
                yield await HASHING.run(writer.piece, piece)
            yield await HASHING.run(writer.end)
        yield await HASHING.run(writer.close)


class _Tar:
    def __init__(self, *, packed: bool) -> None:
        self._size = 0
        self._gzip = zlib.compressobj(wbits=31) if packed else None

    def begin(self, name: str, item: Item) -> bytes:
        """Start a file."""
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = item.size, item.modified // 1000, 0o644
        self._size = item.size
        return self._out(info.tobuf(tarfile.PAX_FORMAT))

    def piece(self, data: bytes) -> bytes:
        """Add bytes."""
        return self._out(data)

    def end(self) -> bytes:
        """End the file: blocks have 512 bytes."""
        return self._out(bytes(-self._size % 512))

    def close(self) -> bytes:
        """End the archive."""
        last = self._out(bytes(1024))
        return last + self._gzip.flush() if self._gzip is not None else last

    def _out(self, data: bytes) -> bytes:
        return data if self._gzip is None else self._gzip.compress(data)


class _Pipe(io.RawIOBase):
    """What a zip is written into: it cannot seek, and gives up what it holds."""

    def __init__(self) -> None:
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.held += data
        return len(data)

    def take(self) -> bytes:
        """Return and forget what was written."""
        taken = bytes(self.held)
        self.held.clear()
        return taken


class _Zip:
    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._archive = zipfile.ZipFile(self._pipe, "w")
        self._file: Any = None

    def begin(self, name: str, item: Item) -> bytes:
        """Start a file."""
        modified = min(max(item.modified // 1000, _ZIP_YEARS[0]), _ZIP_YEARS[1])
        info = zipfile.ZipInfo(name, time.gmtime(modified)[:6])
        info.compress_type = zipfile.ZIP_DEFLATED  # java.util.zip reads nothing else whose size comes after the bytes
        info.file_size = item.size  # decides how wide its numbers are
        self._file = self._archive.open(info, "w")
        return self._pipe.take()

    def piece(self, data: bytes) -> bytes:
        """Add bytes."""
        self._file.write(data)
        return self._pipe.take()

    def end(self) -> bytes:
        """End the file."""
        self._file.close()
        return self._pipe.take()

    def close(self) -> bytes:
        """End the archive: its directory."""
        self._archive.close()
        return self._pipe.take()
