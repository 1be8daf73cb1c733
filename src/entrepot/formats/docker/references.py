"""Referrers: manifests that name a subject, and the tags in which clients kept them before there was an API for it.

Distribution specification, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.formats.docker import wire
from entrepot.formats.docker.manifests import Descriptor
from entrepot.formats.docker.media_types import OCI_INDEX
from entrepot.formats.docker.names import Tag, check_tag

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALGORITHM, _ENCODED = 32, 64  # characters that the tag keeps of each
MOST_FALLBACK = 4 << 20  # bytes of an index


class _Listed(msgspec.Struct):
    manifests: list[msgspec.Raw] | None = None
    mediaType: str | None = None  # noqa: N815 - the name on the wire


def of_type(referrers: Iterable[Descriptor], artifact_type: str) -> list[Descriptor]:
    """Return the referrers of an artifact type, in their order; an empty type means all."""
    return [one for one in referrers if not artifact_type or one.artifact_type == artifact_type]


def fallback_tag(subject: Digest) -> Tag:
    """Return the tag under which clients keep the referrers of a subject where a registry has no API for them."""
    return check_tag(f"{subject.algorithm[:_ALGORITHM]}-{subject.hex[:_ENCODED]}")


def parse_fallback(body: bytes) -> tuple[Descriptor, ...]:
    """Return the referrers that the index under a fallback tag lists, each digest once.

    The data is other people's and old: entries that are no descriptors are passed over, and so is what is no index.
    """
    if len(body) > MOST_FALLBACK or not wire.is_bounded(body):
        return ()
    try:
        listed = msgspec.json.decode(body, type=_Listed)
    except wire.UNREADABLE:
        return ()
    if listed.mediaType not in {None, "", OCI_INDEX}:
        return ()
    found: dict[Digest, Descriptor] = {}
    for raw in (listed.manifests or [])[: wire.MOST_DESCRIPTORS]:
        one = _descriptor(raw)
        if one is not None:
            found.setdefault(one.digest, one)
    return tuple(found.values())


def _descriptor(raw: msgspec.Raw) -> Descriptor | None:
    try:
        return Descriptor.of(msgspec.json.decode(raw, type=wire.Descriptor))
    except (*wire.UNREADABLE, DigestInvalid):
        return None
