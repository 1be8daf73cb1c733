"""The rows of manifests: what a tag points at, what a manifest says, pages of tags, images and referrers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from entrepot.blobs.digest import Digest
from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.sql import sql

_BY_REFERENCE = sql("""
SELECT m.item_id, m.reference, m.is_tag, m.blob_id, m.media_type, m.subject, m.retired, m.digest, i.modified
FROM docker_manifest m JOIN item i ON i.id = m.item_id
WHERE m.repo_id = :repo_id AND m.image = :image AND m.reference = :reference
""")
_BY_SHA256 = sql("""
SELECT m.item_id, m.reference, m.is_tag, m.blob_id, m.media_type, m.subject, m.retired, m.digest, i.modified
FROM blob b JOIN docker_manifest m ON m.repo_id = :repo_id AND m.image = :image AND m.blob_id = b.id
JOIN item i ON i.id = m.item_id
WHERE b.sha256 = :digest ORDER BY m.is_tag DESC, m.reference LIMIT :limit
""")
_BY_OTHER = sql("""
SELECT m.item_id, m.reference, m.is_tag, m.blob_id, m.media_type, m.subject, m.retired, m.digest, i.modified
FROM blob_digest d JOIN docker_manifest m ON m.repo_id = :repo_id AND m.image = :image AND m.blob_id = d.blob_id
JOIN item i ON i.id = m.item_id
WHERE d.algorithm = :algorithm AND d.digest = :digest ORDER BY m.is_tag DESC, m.reference LIMIT :limit
""")
_SHA256 = sql("SELECT sha256 FROM blob WHERE id = :id")
_REFERENCES = sql("""
SELECT reference FROM docker_manifest
WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id AND reference > :after ORDER BY reference LIMIT :limit
""")
_LOCK_IMAGE = sql("SELECT {exclusive}")
_TAGS = sql("""
SELECT reference FROM docker_manifest
WHERE repo_id = :repo_id AND image = :image AND is_tag = 1 AND reference > :after ORDER BY reference LIMIT :limit
""")
_ANY_MANIFEST = sql("SELECT 1 FROM docker_manifest WHERE repo_id = :repo_id AND image = :image LIMIT 1")
_ANY_BLOB = sql("SELECT 1 FROM image_blob WHERE repo_id = :repo_id AND image = :image LIMIT 1")
_NEXT_IMAGES = sql("""
WITH RECURSIVE hop(image, n) AS (
  SELECT * FROM (SELECT image, 1 FROM docker_manifest WHERE repo_id = :repo_id AND image > :after ORDER BY image LIMIT 1) AS f
  UNION ALL
  SELECT (SELECT m.image FROM docker_manifest m WHERE m.repo_id = :repo_id AND m.image > hop.image ORDER BY m.image LIMIT 1),
    hop.n + 1
  FROM hop WHERE hop.image IS NOT NULL AND hop.n < :limit
)
SELECT image FROM hop WHERE image IS NOT NULL
""")
_REFERRERS = sql("""
WITH page AS (
  SELECT m.blob_id, MIN(m.media_type) AS media_type, b.sha256, b.size,
    CASE WHEN :artifact_type IN ('', d.artifact_type) THEN b.size ELSE 0 END AS counted
  FROM docker_manifest m JOIN blob b ON b.id = m.blob_id JOIN docker_document d ON d.blob_id = m.blob_id
  WHERE m.repo_id = :repo_id AND m.image = :image AND m.subject = :subject AND m.blob_id > :after
  GROUP BY m.blob_id, b.sha256, b.size, d.artifact_type ORDER BY m.blob_id LIMIT :limit
), measured AS (
  SELECT page.*, CAST(SUM(counted) OVER (ORDER BY blob_id) AS BIGINT) - counted AS counted_before FROM page
)
SELECT p.blob_id, p.media_type, p.sha256, p.size, d.artifact_type, CASE WHEN p.counted > 0 THEN d.annotations END
FROM measured p JOIN docker_document d ON d.blob_id = p.blob_id WHERE p.counted_before < :most ORDER BY p.blob_id
""")
_DOCUMENT = sql("""
INSERT INTO docker_document (blob_id, media_type, artifact_type, subject, annotations)
VALUES (:blob_id, :media_type, :artifact_type, :subject, :annotations) ON CONFLICT DO NOTHING
""")
_CHILD = sql("INSERT INTO docker_child (blob_id, digest) VALUES (:blob_id, :digest) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as an image holds it under one reference."""

    item_id: int
    reference: str
    is_tag: bool
    blob_id: int
    media_type: str
    subject: str | None
    retired: int | None
    digest: str | None  # that a tag is told by, where it is not the sha256
    modified: int


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that has the subject asked for."""

    blob_id: int
    media_type: str
    digest: str
    size: int
    artifact_type: str | None
    annotations: dict[str, str] | None


async def manifest_by_reference(reads: Reads, repo_id: int, image: str, reference: str) -> Manifest | None:
    """Return what a tag (or the folder name of a digest) points at."""
    row = await reads.row(_BY_REFERENCE, repo_id=repo_id, image=image, reference=reference)
    return None if row is None else Manifest(row[0], row[1], bool(row[2]), *row[3:])


async def manifests_by_digest(
    reads: Reads, repo_id: int, image: str, digest: Digest, *, limit: int = 1
) -> list[Manifest]:
    """Return the references under which an image holds a manifest, tags first."""
    if digest.algorithm == "sha256":
        rows = await reads.rows(_BY_SHA256, repo_id=repo_id, image=image, digest=digest.raw, limit=limit)
    else:
        rows = await reads.rows(
            _BY_OTHER, repo_id=repo_id, image=image, algorithm=digest.algorithm, digest=digest.raw, limit=limit
        )
    return [Manifest(row[0], row[1], bool(row[2]), *row[3:]) for row in rows]


async def digest_of(reads: Reads, manifest: Manifest) -> Digest:
    """Return the sha256 of a manifest, whose blob is there as long as the image is locked."""
    row = await reads.row(_SHA256, id=manifest.blob_id)
    assert row is not None
    return Digest.of("sha256", row[0])


async def references(reads: Reads, repo_id: int, image: str, blob_id: int, *, after: str, limit: int) -> list[str]:
    """Return a page of the references under which an image holds a manifest, in byte order."""
    rows = await reads.rows(_REFERENCES, repo_id=repo_id, image=image, blob_id=blob_id, after=after, limit=limit)
    return [row[0] for row in rows]


async def lock_image(tx: Tx, repo_id: int, image: str) -> None:
    """Let nobody else change which references an image has until the commit.

    The first lock of every transaction that does: those that follow are of many rows, in an order that only this makes safe.
    """
    await tx.row(_LOCK_IMAGE, scope=repo_id, name=image)


async def tags(reads: Reads, repo_id: int, image: str, *, after: str, limit: int) -> list[str]:
    """Return a page of tags in byte order, beyond `after`."""
    rows = await reads.rows(_TAGS, repo_id=repo_id, image=image, after=after, limit=limit)
    return [row[0] for row in rows]


async def is_known(reads: Reads, repo_id: int, image: str) -> bool:
    """Return whether anything was ever pushed to an image, and is still there."""
    if await reads.row(_ANY_MANIFEST, repo_id=repo_id, image=image) is not None:
        return True
    return await reads.row(_ANY_BLOB, repo_id=repo_id, image=image) is not None


async def images(reads: Reads, repo_id: int, *, after: str, limit: int) -> list[str]:
    """Return a page of the images of a repository in byte order; hops over the tags, so it costs the same with many."""
    return [row[0] for row in await reads.rows(_NEXT_IMAGES, repo_id=repo_id, after=after, limit=limit)]


async def referrers(
    reads: Reads, repo_id: int, image: str, subject: str, *, artifact_type: str, after: int, most: int, limit: int
) -> Sequence[Referrer]:
    """Return a page of the manifests that name a subject; those of another artifact type without their annotations.

    It ends with the one by which those of the type, or all when it is empty, have `most` bytes.
    """
    rows = await reads.rows(
        _REFERRERS, repo_id=repo_id, image=image, subject=subject, artifact_type=artifact_type, after=after, most=most,
        limit=limit,
    )  # fmt: skip
    return [_referrer(*row) for row in rows]


def _referrer(*row: object) -> Referrer:
    blob_id, media_type, sha256, size, artifact_type, annotations = row
    assert isinstance(sha256, bytes)
    return Referrer(
        blob_id,  # type: ignore[arg-type]
        media_type,  # type: ignore[arg-type]
        f"sha256:{sha256.hex()}",
        size,  # type: ignore[arg-type]
        artifact_type,  # type: ignore[arg-type]
        msgspec.json.decode(annotations, type=dict[str, str]) if isinstance(annotations, str) else None,
    )


async def note_document(
    tx: Tx,
    blob_id: int,
    media_type: str,
    *,
    artifact_type: str | None,
    subject: str | None,
    annotations: dict[str, str] | None,
    children: Sequence[str],
) -> None:
    """Record what a manifest's bytes say."""
    packed = msgspec.json.encode(annotations).decode() if annotations else None
    await tx.execute(
        _DOCUMENT,
        blob_id=blob_id,
        media_type=media_type,
        artifact_type=artifact_type,
        subject=subject,
        annotations=packed,
    )
    if children:
        await tx.many(_CHILD, [{"blob_id": blob_id, "digest": child} for child in dict.fromkeys(children)])
