"""`maxUniqueTags`: an image keeps so many tags; the oldest go first.

What clients attach to a manifest by tag does not count, or each signature would push an image out: signatures, attestations and
bills of materials of cosign (`sha256-<hex>.sig`, `.att`, `.sbom`), and the index in which clients keep referrers where a registry
has no API for them (`sha256-<hex>`; Distribution specification, "Referrers Tag Schema"). It goes with the last tag of its manifest.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from entrepot.formats.docker.images import Image
from entrepot.formats.docker.manifest_rows import Manifest, digest_of, manifest_by_reference, manifests_by_digest
from entrepot.formats.docker.references import fallback_tag
from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql

_SUFFIXES: Final = ("", ".sig", ".att", ".sbom")  # of `sha256-<hex>`
_LENGTHS: Final = sorted({len("sha256-") + 64 + len(suffix) for suffix in _SUFFIXES})  # by which SQL tells them

_OWN_TAGS: Final = """
m.repo_id = :repo_id AND m.image = :image AND m.is_tag = 1
AND NOT (SUBSTR(m.reference, 1, 7) = 'sha256-' AND COALESCE(LENGTH(m.reference) {any:lengths}, FALSE))
"""  # COALESCE: a list may be filled up with NULL
_COUNT = sql("SELECT COUNT(*) FROM docker_manifest m WHERE" + _OWN_TAGS)
_OLDEST = sql(
    "SELECT m.reference FROM docker_manifest m JOIN item i ON i.id = m.item_id WHERE"
    + _OWN_TAGS
    + "ORDER BY i.modified, m.item_id LIMIT :limit"
)


async def surplus_tags(tx: Tx, image: Image, limit: int) -> list[Manifest]:
    """Return the tags beyond the `limit` most recent ones, and what is attached to manifests that lose their last tag by that.

    The caller has locked the image.
    """
    repo_id = image.repository.id
    row = await tx.row(_COUNT, repo_id=repo_id, image=image.name, lengths=_LENGTHS)
    too_many = (row[0] if row else 0) - limit
    if too_many <= 0:
        return []
    oldest = await tx.rows(_OLDEST, repo_id=repo_id, image=image.name, lengths=_LENGTHS, limit=too_many)
    waiting, found = deque(row[0] for row in oldest), dict[str, Manifest]()
    while waiting:
        tag = await manifest_by_reference(tx, repo_id, image.name, waiting.popleft())
        if tag is not None and tag.is_tag and tag.reference not in found:
            found[tag.reference] = tag
            waiting.extend(await _attached(tx, image, tag, going=found))
    return list(found.values())


async def _attached(tx: Tx, image: Image, tag: Manifest, *, going: dict[str, Manifest]) -> list[str]:
    """Return the names of tags that belong to a tag's manifest, unless another one than those that go holds it."""
    digest = await digest_of(tx, tag)
    held = await manifests_by_digest(tx, image.repository.id, image.name, digest, limit=len(going) + 1)
    if any(other.is_tag and other.reference not in going for other in held):
        return []
    return [f"{fallback_tag(digest)}{suffix}" for suffix in _SUFFIXES]
