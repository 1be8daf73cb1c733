"""What a manifest is as files of the tree: itself, its properties, and the blobs that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from entrepot.blobs.digest import Digest
from entrepot.formats.docker.errors import ManifestInvalid
from entrepot.formats.docker.images import Image
from entrepot.formats.docker.layout import blob_file_name, digest_folder, folder_of, manifest_file_name
from entrepot.formats.docker.manifest_rows import Manifest, manifest_by_reference, manifests_by_digest
from entrepot.formats.docker.manifests import Manifest as Document
from entrepot.formats.docker.projection import DIGEST_PROPERTY
from entrepot.metadata.database import Tx
from entrepot.metadata.items import NewFile
from entrepot.metadata.properties import Properties, properties_of
from entrepot.metadata.sql import sql

# Files, properties and children: half a second of SQLite's one writer. Other registries end at 4,200 layers.
_ROWS_AT_ONCE = 5000

_IN_FOLDER = sql("SELECT name, blob_id FROM item WHERE repo_id = :repo_id AND path = :folder AND kind = 1")


@dataclass(frozen=True, slots=True)
class Held:
    """A blob that a manifest names and its image holds."""

    blob_id: int
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """A manifest that was verified and admitted, ready to be placed."""

    document: Document
    digest: Digest  # sha256 of its bytes
    blob_id: int
    size: int
    blobs: Sequence[Held]
    pushed: str  # the digest that the client named it by, if it did
    labels: Mapping[str, Sequence[str]]
    kept: Mapping[str, Properties] = field(default_factory=dict)  # of each file, by its name, where it comes from


def bound(document: Document, rows: int, tags: Sequence[str]) -> None:
    """Refuse a manifest whose files and properties are too many `rows` for one transaction. Raises ManifestInvalid."""
    rows += len(document.children)
    if rows * len(tags) > _ROWS_AT_ONCE:
        raise ManifestInvalid(
            f"The manifest has {rows} blobs, children and labels, for {len(tags)} tags: more than {_ROWS_AT_ONCE} in all."
        )


async def is_held(tx: Tx, image: Image, new: Placement, files: Sequence[NewFile]) -> bool:
    """Whether some reference holds a manifest, and all of its blobs are still beside it."""
    held = await manifests_by_digest(tx, image.repository.id, image.name, new.digest)
    return bool(held) and not await _missing(tx, image, held[0], files)


async def is_kept(tx: Tx, image: Image, new: Placement) -> bool:
    """Whether a manifest lies whole under its digest, and not only for the grace time."""
    kept = await manifest_by_reference(tx, image.repository.id, image.name, digest_folder(new.digest))
    if kept is None or kept.retired is not None or kept.media_type != new.document.media_type:
        return False
    return kept.blob_id == new.blob_id and not await _missing(tx, image, kept, files_of(image, new, tag=""))


async def files_again(tx: Tx, image: Image, existing: Manifest, new: Placement, *, tag: str) -> list[NewFile]:
    """Return what a push of the manifest that is there places: the manifest, for its time, and blobs that were taken away.

    What others have noted in properties of the manifest stays, and what was noted where it comes from does not arrive.
    """
    files = files_of(image, replace(new, kept={}), tag=tag)
    manifest = files[0]
    properties = {**await properties_of(tx, existing.item_id), **(manifest.properties or {})}
    if DIGEST_PROPERTY not in (manifest.properties or {}):
        properties.pop(DIGEST_PROPERTY, None)
    missing = await _missing(tx, image, existing, files)
    return [replace(manifest, properties=properties), *(file for file in missing if file.name != manifest.name)]


async def _missing(tx: Tx, image: Image, existing: Manifest, files: Sequence[NewFile]) -> list[NewFile]:
    folder = folder_of(image.name, existing.reference)
    there = {row[0]: row[1] for row in await tx.rows(_IN_FOLDER, repo_id=image.repository.id, folder=folder)}
    return [file for file in files if there.get(file.name) != file.blob_id]


def files_of(image: Image, new: Placement, *, tag: str) -> list[NewFile]:
    """Return the files of a manifest: itself with its properties, and its blobs in the order in which removals lock them."""
    media_type = new.document.media_type
    name = manifest_file_name(media_type)
    properties: dict[str, Sequence[str]] = {
        **new.kept.get(name, {}),
        "docker.manifest": [tag],
        "docker.repoName": [image.name],
        "docker.manifest.digest": [str(new.digest)],
        "docker.manifest.type": [media_type],
        "sha256": [new.digest.hex],
    }
    if not tag:
        del properties["docker.manifest"]
    properties.pop(DIGEST_PROPERTY, None)  # what was noted where it comes from may be anything
    if new.pushed and new.pushed != str(new.digest):
        properties[DIGEST_PROPERTY] = [new.pushed]
    properties.update({f"docker.label.{key}": values for key, values in new.labels.items()})
    manifest = NewFile(name, new.blob_id, new.size, properties)
    named = sorted((blob_file_name(blob.sha256), blob) for blob in new.blobs)
    return [manifest, *(NewFile(file, blob.blob_id, blob.size, new.kept.get(file)) for file, blob in named)]
