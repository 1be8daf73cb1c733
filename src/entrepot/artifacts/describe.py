"""What clients are told of an item: the JSON of the storage API and of a deploy (reference 7.2, 7.7, 7.12)."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from entrepot.clock import iso
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Reads
from entrepot.metadata.items import Item
from entrepot.metadata.properties import properties_of

_MANIFESTS: Final = frozenset({"manifest.json", "list.manifest.json"})
_MEDIA_TYPE: Final = re.compile(r"[a-zA-Z0-9][\w!#$&^.+-]*/[a-zA-Z0-9][\w!#$&^.+-]*", re.ASCII)  # RFC 6838, 4.2
_SAFE: Final = "/!$&'()*+,=:@~-._"
_TYPES: Final = {
    ".pom": "application/x-maven-pom+xml", ".jar": "application/java-archive", ".war": "application/java-archive",
    ".ear": "application/java-archive", ".json": "application/json", ".xml": "application/xml", ".tgz": "application/x-gzip",
    ".gz": "application/x-gzip", ".zip": "application/zip", ".tar": "application/x-tar",
    ".deb": "application/vnd.debian.binary-package",
    ".rpm": "application/x-rpm", ".nupkg": "application/x-nupkg", ".gem": "application/x-rubygems", ".md5": "application/x-checksum",
    ".sha1": "application/x-checksum", ".sha256": "application/x-checksum", ".properties": "text/plain", ".txt": "text/plain",
    ".log": "text/plain", ".md": "text/plain", ".yaml": "text/plain", ".yml": "text/plain",
}  # fmt: skip


def media_type(name: str) -> str:
    """Return the media type of a file, by the end of its name."""
    dot = name.rfind(".")
    known = _TYPES.get(name[dot:].lower()) if dot >= 0 else None
    return known or mimetypes.guess_type(name, strict=True)[0] or "application/octet-stream"


async def media_type_of(reads: Reads, item: Item) -> str:
    """Return the media type of a file that is stored: that of a manifest is a property of it."""
    if item.name in _MANIFESTS:
        stated = (await properties_of(reads, item.id)).get("docker.manifest.type")
        if stated and _MEDIA_TYPE.fullmatch(stated[0]):
            return stated[0]
    return media_type(item.name)


def url(base: str, key: str, path: str, *, api: str = "") -> str:
    """Return the URL of an item: below `api` ("api/storage") or, without it, that of its bytes."""
    place = "/".join(filter(None, (api, key, path)))
    return f"{base}/artifactory/{quote(place, safe=_SAFE)}"


def checksums(stored: Stored) -> dict[str, str]:
    """Return the three checksums, as hex."""
    return {"sha1": stored.sha1.hex(), "md5": stored.md5.hex(), "sha256": stored.sha256.hex()}


def created_file(
    base: str, key: str, item: Item, stored: Stored, *, stated: Mapping[str, str], old: bool = False
) -> dict[str, Any]:
    """Return the answer to a deploy; `old` clients do not know sha256, and refuse fields that they do not know."""
    known = checksums(stored)
    if old:
        del known["sha256"]
    where = url(base, key, item.path)
    return {
        "repo": key, "path": f"/{item.path}", "created": iso(item.created), "createdBy": item.created_by,
        "downloadUri": where, "mimeType": media_type(item.name), "size": str(item.size),
        "checksums": known, "originalChecksums": dict(stated), "uri": where,
    }  # fmt: skip


def created_folder(base: str, key: str, path: str, item: Item | None) -> dict[str, Any]:
    """Return the answer to the making of a folder; the root has no item."""
    told: dict[str, Any] = {"repo": key, "path": f"/{path}/" if path else "/"}
    if item is not None:
        told |= {"created": iso(item.created), "createdBy": item.created_by}
    return {**told, "uri": f"{url(base, key, path)}/"}


def file_info(base: str, key: str, item: Item, stored: Stored, *, kind: str) -> dict[str, Any]:
    """Return what the storage API says of a file; `kind` is its media type."""
    return {
        **_item(key, item), "downloadUri": url(base, key, item.path), "mimeType": kind,
        "size": str(item.size), "checksums": checksums(stored), "originalChecksums": checksums(stored),
        "uri": url(base, key, item.path, api="api/storage"),
    }  # fmt: skip


def folder_info(base: str, key: str, path: str, item: Item | None, children: list[tuple[str, bool]]) -> dict[str, Any]:
    """Return what the storage API says of a folder; `children` are names with whether they are folders."""
    told = {"repo": key, "path": f"/{path}"} if item is None else _item(key, item)
    listed = [{"uri": f"/{name}", "folder": folder} for name, folder in children]
    return {**told, "children": listed, "uri": url(base, key, path, api="api/storage")}


def _item(key: str, item: Item) -> dict[str, Any]:
    return {
        "repo": key, "path": f"/{item.path}", "created": iso(item.created), "createdBy": item.created_by,
        "lastModified": iso(item.modified), "modifiedBy": item.modified_by, "lastUpdated": iso(item.updated),
    }  # fmt: skip
