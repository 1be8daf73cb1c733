"""Where an image lies in the tree, Artifactory's way (A15), and what a path of the tree says about images.

    <image>/<tag>/manifest.json            a manifest under its tag
    <image>/<tag>/list.manifest.json       an index under its tag
    <image>/sha256:<hex>/manifest.json     a manifest kept by digest alone; list.manifest.json likewise
    <image>/<tag>/sha256__<hex>            a blob of the manifest beside it

The layout speaks sha256 alone: what was pushed by another digest lies under its sha256 too.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.errors import Invalid
from entrepot.formats.docker.media_types import DOCKER_LIST, OCI_INDEX
from entrepot.formats.docker.names import ImageName, check_image, parse_reference

MANIFEST_FILE = "manifest.json"
LIST_FILE = "list.manifest.json"

_BLOB_FILE = re.compile(r"sha256__([0-9a-f]{64})")


class File(enum.Enum):
    """What a file of an image's folder is."""

    MANIFEST = MANIFEST_FILE
    LIST = LIST_FILE
    BLOB = "sha256__"


@dataclass(frozen=True, slots=True)
class Place:
    """A file of an image. `reference` names its folder, a tag or `sha256:<hex>`; `blob` is there for blob files."""

    image: ImageName
    reference: str
    file: File
    blob: Digest | None = None

    @property
    def is_tag(self) -> bool:
        """Whether the folder is that of a tag."""
        return ":" not in self.reference

    @property
    def is_manifest(self) -> bool:
        """Whether the file is a manifest or an index."""
        return self.file is not File.BLOB


def digest_folder(digest: Digest) -> str:
    """Return the reference of what is kept by digest alone. Raises DigestInvalid unless it is a sha256."""
    return str(_sha256(digest))


def folder_of(image: str, reference: str) -> str:
    """Return the folder of a tag, or of what `digest_folder` gave."""
    return f"{image}/{reference}"


def deeper_than(image: str) -> str:
    """Return the LIKE pattern, with `!` as its escape, of the folders that belong to images further down."""
    return image.replace("!", "!!").replace("_", "!_").replace("%", "!%") + "/%/%"


def manifest_path(image: str, reference: str, media_type: str = "") -> str:
    """Return the path of the manifest in its folder, `manifest.json` unless the media type says that it is an index."""
    return f"{image}/{reference}/{manifest_file_name(media_type)}"


def manifest_file_name(media_type: str) -> str:
    """Return `list.manifest.json` for the types of an index, `manifest.json` for all others."""
    return LIST_FILE if media_type in {DOCKER_LIST, OCI_INDEX} else MANIFEST_FILE


def blob_file_name(sha256: bytes) -> str:
    """Return the file name of a blob by its raw sha256."""
    return f"sha256__{sha256.hex()}"


def place_of(path: str) -> Place | None:
    """Return what a path of the tree is for Docker; None for folders and for files that images don't have."""
    folder, _, name = path.rpartition("/")
    image, _, reference = folder.rpartition("/")
    blob = _BLOB_FILE.fullmatch(name)
    if not blob and name not in {MANIFEST_FILE, LIST_FILE}:
        return None
    try:
        known = check_image(image)
        digest = parse_reference(reference).digest
    except Invalid:
        return None
    if digest is not None and digest.algorithm != "sha256":
        return None
    if blob:
        return Place(known, reference, File.BLOB, Digest("sha256", blob[1]))
    return Place(known, reference, File(name))


def _sha256(digest: Digest) -> Digest:
    if digest.algorithm != "sha256":
        raise DigestInvalid("The tree names files by sha256 alone.", detail=str(digest))
    return digest
