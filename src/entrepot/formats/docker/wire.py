"""Manifests as they are on the wire: strict JSON, and the shape that each media type has.

Clients read JSON with parsers that differ: of two equal keys the first or the last counts, keys match without regard to
case, `layers` beside `manifests` makes an image of an index (CVE-2021-41190). What is stored must mean to everyone what
it meant to us, so all such documents are refused; fields that nobody knows are passed over.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, TypeVar

import msgspec

from entrepot.formats.docker.errors import ManifestInvalid, shown
from entrepot.formats.docker.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    ORAS_ARTIFACT,
    SCHEMA1,
    SCHEMA1_SIGNED,
)

MOST_DESCRIPTORS = 10_000  # layers or children of one manifest; the docker engine stops at 127 layers
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on documents that are not JSON, not of the type, not UTF-8, or too deep."""

_MOST_VALUES = 100_000  # commas and brackets, in strings or not

_Text = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,255}\Z")]
_MaybeText = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{0,255}\Z")]
_TOLD_PATTERN = re.compile(r"matching regex '.*'")  # of these two, which nobody should have to read
_Annotations = dict[str, str]
_T = TypeVar("_T")


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A reference to content (OCI image specification, "Descriptors"); the digest is not checked yet."""

    media_type: _Text
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    urls: tuple[str, ...] | None = None
    annotations: _Annotations | None = None
    artifact_type: _MaybeText | None = None


Descriptors = Annotated[tuple[Descriptor, ...], msgspec.Meta(max_length=MOST_DESCRIPTORS)]


class Layer1(msgspec.Struct, frozen=True, rename="camel"):
    """A layer of schema 1."""

    blob_sum: str


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What manifests of every kind may say."""

    artifact_type: _MaybeText | None = None
    subject: Descriptor | None = None
    annotations: _Annotations | None = None


class Image(Document, frozen=True, kw_only=True, rename="camel"):
    """A Docker schema 2 or OCI image."""

    config: Descriptor
    layers: Descriptors | None = None


class Index(Document, frozen=True, kw_only=True, rename="camel"):
    """A Docker manifest list or OCI index; Go writes an empty one as null."""

    manifests: Descriptors | None


class Artifact(Document, frozen=True, kw_only=True, rename="camel"):
    """An artifact of the time before OCI 1.1."""

    blobs: Descriptors | None = None


class Schema1(msgspec.Struct, frozen=True, rename="camel"):
    """A Docker schema 1 image."""

    fs_layers: Annotated[tuple[Layer1, ...], msgspec.Meta(max_length=MOST_DESCRIPTORS)]


Shape = Image | Index | Artifact | Schema1

SHAPES: dict[str, type[Shape]] = {
    DOCKER_MANIFEST: Image,
    OCI_MANIFEST: Image,
    DOCKER_LIST: Index,
    OCI_INDEX: Index,
    OCI_ARTIFACT: Artifact,
    ORAS_ARTIFACT: Artifact,
    SCHEMA1: Schema1,
    SCHEMA1_SIGNED: Schema1,
}
_VERSIONS: dict[type[Shape], int] = {Image: 2, Index: 2, Schema1: 1}
_ELSEWHERE: dict[type[Shape], tuple[str, ...]] = {  # what would make it a document of another shape
    Image: ("manifests", "fsLayers"),
    Index: ("config", "layers", "fsLayers"),
    Artifact: ("config", "layers", "manifests", "fsLayers"),
    Schema1: ("config", "layers", "manifests"),
}
_DESCRIPTOR_LISTS = ("layers", "manifests", "blobs", "fsLayers")
_KEYS = {
    key.casefold(): key
    for key in ("schemaVersion", "mediaType", "artifactType", "config", "subject", "annotations", *_DESCRIPTOR_LISTS)
}
_DESCRIPTOR_KEYS = {
    key.casefold(): key
    for key in ("mediaType", "digest", "size", "urls", "annotations", "artifactType", "data", "platform", "blobSum")
}


def is_bounded(body: bytes) -> bool:
    """Whether reading a JSON document takes no more than some tens of MiB, whatever it holds."""
    return body.count(b",") + body.count(b"[") + body.count(b"{") <= _MOST_VALUES


def read_tree(body: bytes) -> dict[str, object]:
    """Return a JSON object, nothing in which can be read in two ways. Raises ManifestInvalid."""
    if not is_bounded(body):
        raise ManifestInvalid("The manifest holds too many values.")
    try:
        tree = json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise ManifestInvalid("The manifest is not JSON, or not such as can be read.") from None
    if not isinstance(tree, dict):
        raise ManifestInvalid("The manifest is not a JSON object.")
    _check_case(tree, _KEYS)
    for one in _descriptors(tree):
        _check_case(one, _DESCRIPTOR_KEYS)
    return tree


def check_shape(tree: dict[str, object], media_type: str, shape: type[Shape]) -> None:
    """Refuse a document that is not, or not only, of the shape that its media type has. Raises ManifestInvalid."""
    version = _VERSIONS.get(shape)
    stated = tree.get("schemaVersion")
    if version is not None and (stated != version or type(stated) is not int):
        raise ManifestInvalid(f"The schemaVersion of a manifest of type {media_type} must be {version}.")
    if shape in {Image, Index} and media_type.startswith("application/vnd.docker.") and not tree.get("mediaType"):
        raise ManifestInvalid(f"A manifest of type {media_type} must state its mediaType.")
    for key in _ELSEWHERE[shape]:
        if tree.get(key) is not None:
            raise ManifestInvalid(f"A manifest of type {media_type} must not hold '{key}'.")


def decode(body: bytes, shape: type[_T]) -> _T:
    """Decode what `read_tree` has let through. Raises ManifestInvalid with the place of the fault."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        fault = _TOLD_PATTERN.sub("of at most 255 printable ASCII characters", str(error))
        raise ManifestInvalid(f"The manifest is not valid: {shown(fault)}.") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ManifestInvalid("The manifest has two equal keys in one object.")
    return found


def _descriptors(tree: dict[str, object]) -> list[dict[str, object]]:
    found = [tree.get("config"), tree.get("subject")]
    for key in _DESCRIPTOR_LISTS:
        listed = tree.get(key)
        if isinstance(listed, list):
            found += listed
    return [one for one in found if isinstance(one, dict)]


def _check_case(found: dict[str, object], known: dict[str, str]) -> None:
    for key in found:
        if known.get(key.casefold(), key) != key:
            raise ManifestInvalid(f"The manifest has a key '{shown(key)}' that some clients take for another.")
