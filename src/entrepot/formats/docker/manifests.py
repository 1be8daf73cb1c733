"""Manifests as values (A5): what the bytes of a push say. The bytes are kept as they came, never written anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import msgspec

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.formats.docker import wire
from entrepot.formats.docker.errors import ManifestInvalid, ManifestTooLarge, shown
from entrepot.formats.docker.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1,
    SCHEMA1_SIGNED,
    essence,
    is_foreign,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ON_THE_LOOP = 64 << 10  # bytes of a manifest that are read and hashed in less than a thread hop is worth
_MOST_CONFIG = 4 << 20  # bytes of an image's configuration
_MOST_LABELS = 500
_LABEL_NAME = 255 - len("docker.label.")  # what a property's key may have; likewise its value
_LABEL_VALUE = 4000


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content (OCI image specification, "Descriptors"); `size` is in bytes."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether, as a layer, it may be absent: its type says so, or it is to be had elsewhere."""
        return bool(self.urls) or is_foreign(self.media_type)

    @classmethod
    def of(cls, stated: wire.Descriptor) -> Descriptor:
        """Build from what is on the wire. Raises DigestInvalid."""
        return cls(
            stated.media_type,
            Digest.parse(stated.digest),
            stated.size,
            stated.urls or (),
            annotations=stated.annotations or {},
            artifact_type=stated.artifact_type or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the bytes of a manifest say that was pushed."""

    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()  # of an index: what it lists that is no manifest, as BuildKit's caches do
    children: tuple[Descriptor, ...] = ()  # of an index
    subject: Descriptor | None = None
    artifact_type: str | None = None  # as the referrers API reports it
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    def blobs(self) -> tuple[Descriptor, ...]:
        """Return what the registry must hold: configuration and layers, each digest once."""
        config = [self.config] if self.config is not None else []
        return _once([*config, *(layer for layer in self.layers if not layer.is_foreign)])

    def required(self) -> tuple[Digest, ...]:
        """Return the digests of `blobs`."""
        return tuple(blob.digest for blob in self.blobs())


class Describes(Protocol):
    """What `index_of` needs to know of a manifest; `Descriptor` is one."""

    @property
    def media_type(self) -> str:
        """The manifest's own media type."""
        ...

    @property
    def digest(self) -> Digest | str:
        """Its digest."""
        ...

    @property
    def size(self) -> int:
        """Its size in bytes."""
        ...

    @property
    def artifact_type(self) -> str | None:
        """What it is for; None is left out."""
        ...

    @property
    def annotations(self) -> Mapping[str, str] | None:
        """Its own annotations; none are left out."""
        ...


def parse(body: bytes, content_type: str | None, *, limit: int, block_schema1: bool) -> Manifest:
    """Read a manifest of at most `limit` bytes that was sent as `content_type`.

    Schema 1, where it is not blocked, is taken as it is: signatures are not verified, its digest is that of the bytes.
    Raises ManifestTooLarge, and ManifestInvalid with a sentence that says what is wrong.
    """
    if len(body) > limit:
        raise ManifestTooLarge(limit=limit)
    tree = wire.read_tree(body)
    media_type = _media_type(tree, essence(content_type))
    shape = wire.SHAPES.get(media_type)
    if shape is None:
        raise ManifestInvalid(f"The media type '{shown(media_type)}' is not supported for manifests.")
    if shape is wire.Schema1 and block_schema1:
        raise ManifestInvalid(f"The media type '{media_type}' (schema 1) is not supported; push schema 2 or OCI.")
    wire.check_shape(tree, media_type, shape)
    stated = wire.decode(body, shape)
    try:
        return _manifest(media_type, stated)
    except DigestInvalid as error:
        raise ManifestInvalid("The manifest holds a digest that is not valid.", detail=error.detail) from None


def labels(config: bytes) -> dict[str, list[str]]:
    """Return the labels that an image's configuration states, for its properties; none when it is something else.

    Labels that no property could hold (length, control characters in the name, NUL in the value) are left out.
    """
    if len(config) > _MOST_CONFIG or not wire.is_bounded(config):
        return {}
    try:
        inner = msgspec.json.decode(config, type=_ImageConfig).config
    except wire.UNREADABLE:
        return {}
    stated = (inner.labels if inner else None) or {}
    found: dict[str, list[str]] = {}
    for name, value in list(stated.items())[:_MOST_LABELS]:
        values = [one for one in (value if isinstance(value, list) else [value]) if _is_value(one)]
        if values and 0 < len(name) <= _LABEL_NAME and name.isprintable():
            found[name] = values
    return found


def index_of(manifests: Iterable[Describes]) -> bytes:
    """Return the bytes of an OCI index over the manifests: the document of the referrers API."""
    listed = [_described(one) for one in manifests]
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})


class _Container(msgspec.Struct, rename="pascal"):
    labels: dict[str, Any] | None = None


class _ImageConfig(msgspec.Struct):
    config: _Container | None = None


def _media_type(tree: dict[str, object], sent: str) -> str:
    """Return the type that the header or the body states, and that both state alike; else what the fields say."""
    stated = tree.get("mediaType")
    if stated is not None and not isinstance(stated, str):
        raise ManifestInvalid("The mediaType of a manifest must be a string.")
    if sent and stated and sent != stated:
        raise ManifestInvalid(f"The manifest was sent as '{shown(sent)}' but calls itself '{shown(stated)}'.")
    if sent or stated:
        return sent or stated or ""
    if "fsLayers" in tree:
        return SCHEMA1_SIGNED if "signatures" in tree else SCHEMA1
    if "manifests" in tree:
        return OCI_INDEX
    if "config" in tree and "layers" in tree:
        return OCI_MANIFEST
    raise ManifestInvalid("Neither the Content-Type nor the manifest says which media type it has.")


def _manifest(media_type: str, stated: wire.Shape) -> Manifest:
    if isinstance(stated, wire.Schema1):
        sums = [Descriptor("", Digest.parse(layer.blob_sum), 0) for layer in stated.fs_layers]  # which states no sizes
        return Manifest(media_type=media_type, layers=tuple(sums))
    listed = _all(stated.manifests if isinstance(stated, wire.Index) else None)
    layers = _all(stated.layers if isinstance(stated, wire.Image) else None)
    if isinstance(stated, wire.Artifact):
        layers = _all(stated.blobs)
    config = Descriptor.of(stated.config) if isinstance(stated, wire.Image) else None
    oci = media_type not in {DOCKER_MANIFEST, DOCKER_LIST}  # Docker's own types know no more than these fields
    return Manifest(
        media_type=media_type,
        config=config,
        layers=layers or tuple(one for one in listed if not _is_manifest(one)),
        children=tuple(filter(_is_manifest, listed)),
        subject=Descriptor.of(stated.subject) if oci and stated.subject is not None else None,
        artifact_type=(stated.artifact_type if oci else None) or (config.media_type if config is not None else None),
        annotations=(stated.annotations if oci else None) or {},
    )


def _all(stated: tuple[wire.Descriptor, ...] | None) -> tuple[Descriptor, ...]:
    return tuple(map(Descriptor.of, stated or ()))


def _is_manifest(listed: Descriptor) -> bool:
    return not listed.media_type or listed.media_type in wire.SHAPES


def _once(blobs: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    found: dict[Digest, Descriptor] = {}
    for blob in blobs:
        found.setdefault(blob.digest, blob)
    return tuple(found.values())


def _described(one: Describes) -> dict[str, object]:
    described: dict[str, object] = {"mediaType": one.media_type, "digest": str(one.digest), "size": one.size}
    if one.artifact_type:
        described["artifactType"] = one.artifact_type
    if one.annotations:
        described["annotations"] = dict(one.annotations)
    return described


def _is_value(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LABEL_VALUE and "\x00" not in value
