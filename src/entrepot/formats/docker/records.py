"""The statements of the Docker format: what a tag points at, which blobs an image may name, pages of tags and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from entrepot.blobs.digest import Digest
from entrepot.formats.docker.layout import deeper_than
from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.items import below, split
from entrepot.metadata.sql import Parameter, sql

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
_REFERENCES = sql("""
SELECT reference FROM docker_manifest
WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id AND reference > :after ORDER BY reference LIMIT :limit
""")
_BLOB_BY_SHA256 = sql("""
SELECT i.blob_id, i.expires, c.expires FROM blob b
JOIN image_blob i ON i.repo_id = :repo_id AND i.image = :image AND i.blob_id = b.id
LEFT JOIN image_blob_claim c ON c.image_blob_id = i.id AND c.actor = :claimant WHERE b.sha256 = :digest
""")
_BLOB_BY_OTHER = sql("""
SELECT i.blob_id, i.expires, c.expires FROM blob_digest d
JOIN image_blob i ON i.repo_id = :repo_id AND i.image = :image AND i.blob_id = d.blob_id
LEFT JOIN image_blob_claim c ON c.image_blob_id = i.id AND c.actor = :claimant
WHERE d.algorithm = :algorithm AND d.digest = :digest
""")
_LOCK_BLOB = sql("""
SELECT size, sha256 FROM blob WHERE id = :blob_id AND (storage_key IS NOT NULL OR size = 0
OR EXISTS (SELECT 1 FROM blob_inline WHERE blob_id = :blob_id) OR EXISTS (SELECT 1 FROM blob_segment WHERE blob_id = :blob_id))
{share}
""")
_LOCK_BLOBS = sql("""
SELECT id FROM blob WHERE id IN (SELECT blob_id FROM item WHERE repo_id = :repo_id AND path {any:folders}) ORDER BY id {change}
""")
_LOCK_IMAGE = sql("SELECT {exclusive}")
_PROLONG = sql("""
UPDATE image_blob SET expires = CASE WHEN expires IS NULL THEN NULL ELSE {now} + (SELECT millis FROM grace) END
WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id AND (expires IS NULL OR expires > {now})
""")
_PENDING = sql("""
INSERT INTO image_blob (repo_id, image, blob_id, expires, created_by)
VALUES (:repo_id, :image, :blob_id, {now} + (SELECT millis FROM grace), :actor)
ON CONFLICT (repo_id, image, blob_id) DO UPDATE SET
  expires = CASE WHEN image_blob.expires IS NULL THEN NULL ELSE excluded.expires END
RETURNING id
""")
_CLAIM = sql("""
INSERT INTO image_blob_claim (image_blob_id, actor, expires) VALUES (:id, :claimant, {now} + (SELECT millis FROM grace))
ON CONFLICT (image_blob_id, actor) DO UPDATE SET expires = excluded.expires
""")
_PROLONG_CLAIM = sql("""
UPDATE image_blob_claim SET expires = {now} + (SELECT millis FROM grace) WHERE actor = :claimant AND expires > {now}
AND image_blob_id = (SELECT id FROM image_blob WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id)
""")
_FORGET_CLAIM = sql("""
DELETE FROM image_blob_claim WHERE actor = :claimant
AND image_blob_id = (SELECT id FROM image_blob WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id)
""")
_FORGET_BLOB = sql("""
DELETE FROM image_blob WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id AND expires IS NOT NULL
""")
_HOLDER_PATHS = sql("""
SELECT path, name FROM item WHERE blob_id = :blob_id AND repo_id = :repo_id AND path >= :after_path AND path < :high
AND (path > :after_path OR name > :after_name) AND path NOT LIKE :deeper ESCAPE '!' ORDER BY path, name LIMIT :limit
""")
_ANY_HOLDER = sql("""
SELECT repo_id, image FROM image_blob WHERE blob_id = :blob_id
AND (repo_id, image) > (:repo_id, :image) ORDER BY repo_id, image LIMIT :limit
""")
_ID_BY_SHA256 = sql("SELECT id FROM blob WHERE sha256 = :digest")
_ID_BY_OTHER = sql("SELECT blob_id FROM blob_digest WHERE algorithm = :algorithm AND digest = :digest")
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
class NamedBlob:
    """That an image may name a blob; `expires` None: a manifest does. `claimed`: until when the claimant asked for may."""

    blob_id: int
    expires: int | None
    claimed: int | None

    @property
    def until(self) -> int | None:
        """Until when whoever asked may rely on it; None: as long as the manifest is there."""
        return self.expires if self.claimed is None else self.claimed


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


async def references(reads: Reads, repo_id: int, image: str, blob_id: int, *, after: str, limit: int) -> list[str]:
    """Return a page of the references under which an image holds a manifest, in byte order."""
    rows = await reads.rows(_REFERENCES, repo_id=repo_id, image=image, blob_id=blob_id, after=after, limit=limit)
    return [row[0] for row in rows]


async def named_blob(reads: Reads, repo_id: int, image: str, digest: Digest, *, claimant: str = "") -> NamedBlob | None:
    """Return whether, and until when, an image may name a blob, and a claimant for itself."""
    place: dict[str, Parameter] = {"repo_id": repo_id, "image": image, "claimant": claimant}
    if digest.algorithm == "sha256":
        row = await reads.row(_BLOB_BY_SHA256, digest=digest.raw, **place)
    else:
        row = await reads.row(_BLOB_BY_OTHER, algorithm=digest.algorithm, digest=digest.raw, **place)
    return None if row is None else NamedBlob(*row)


async def blob_id_of(reads: Reads, digest: Digest) -> int | None:
    """Return the id of a blob, store-wide: only to look then for a holder that the caller may read."""
    if digest.algorithm == "sha256":
        row = await reads.row(_ID_BY_SHA256, digest=digest.raw)
    else:
        row = await reads.row(_ID_BY_OTHER, algorithm=digest.algorithm, digest=digest.raw)
    return None if row is None else int(row[0])


async def lock_blob(tx: Tx, blob_id: int) -> tuple[int, bytes] | None:
    """Keep a blob from being collected until the commit; return its size and sha256.

    None when it is gone already, or its bytes are, as `gc --repair` says: whoever has them must push them.
    """
    row = await tx.row(_LOCK_BLOB, blob_id=blob_id)
    return None if row is None else (row[0], row[1])


async def lock_image(tx: Tx, repo_id: int, image: str) -> None:
    """Let nobody else change which references an image has until the commit.

    The first lock of every transaction that does: those that follow are of many rows, in an order that only this makes safe.
    """
    await tx.row(_LOCK_IMAGE, scope=repo_id, name=image)


async def lock_blobs(tx: Tx, repo_id: int, folders: Sequence[str]) -> None:
    """Lock the blobs of several folders in the order of all transactions that let go of them, other images' too."""
    await tx.rows(_LOCK_BLOBS, repo_id=repo_id, folders=[*folders])


async def prolong(tx: Tx, repo_id: int, image: str, blob_id: int, *, claimant: str = "") -> bool:
    """Keep an upload nameable for the grace time from now, or as long as a manifest names it; False when its time was over."""
    place: dict[str, Parameter] = {"repo_id": repo_id, "image": image, "blob_id": blob_id}
    kept = await tx.execute(_PROLONG, **place) > 0
    return kept and (not claimant or await tx.execute(_PROLONG_CLAIM, claimant=claimant, **place) > 0)


async def name_for_now(tx: Tx, repo_id: int, image: str, blob_id: int, *, actor: str, claimant: str) -> None:
    """Let an image name a blob for the grace time: an upload or a mount, until a manifest makes it permanent.

    `claimant` is the actor where only the claim shows the blob to it, whatever others do with the same bytes; else empty.
    """
    row = await tx.row(_PENDING, repo_id=repo_id, image=image, blob_id=blob_id, actor=actor)
    assert row is not None
    if claimant:
        await tx.execute(_CLAIM, id=row[0], claimant=claimant)


async def forget_blob(tx: Tx, repo_id: int, image: str, blob_id: int, *, claimant: str) -> bool:
    """Make a blob unknown to an image unless a manifest names it, or to one claimant; False when nothing was changed."""
    place: dict[str, Parameter] = {"repo_id": repo_id, "image": image, "blob_id": blob_id}
    if claimant:
        return await tx.execute(_FORGET_CLAIM, claimant=claimant, **place) > 0
    return await tx.execute(_FORGET_BLOB, **place) > 0


async def holder_paths(reads: Reads, repo_id: int, image: str, blob_id: int, *, after: str, limit: int) -> list[str]:
    """Return a page of the paths within an image at which a blob is held, beyond `after`."""
    low, high = below(image)
    folder, name = split(after) if after else (low, "")
    rows = await reads.rows(
        _HOLDER_PATHS, blob_id=blob_id, repo_id=repo_id, after_path=folder, after_name=name, high=high,
        deeper=deeper_than(image), limit=limit,
    )  # fmt: skip
    return [f"{folder}/{name}" for folder, name in rows]


async def holders(
    reads: Reads, blob_id: int, *, after: tuple[int, str] = (0, ""), limit: int = 100
) -> list[tuple[int, str]]:
    """Return (repository id, image) pairs, in order, of images that name a blob: their manifests do, or an upload does for now."""
    rows = await reads.rows(_ANY_HOLDER, blob_id=blob_id, repo_id=after[0], image=after[1], limit=limit)
    return [(row[0], row[1]) for row in rows]


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
