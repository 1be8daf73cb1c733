"""The rows of what an image may name: blobs that its manifests name, and those that were uploaded or mounted for now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entrepot.blobs.digest import Digest
from entrepot.formats.docker.layout import deeper_than
from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.items import below, split
from entrepot.metadata.sql import Parameter, sql

_BLOB_BY_SHA256 = sql("""
SELECT i.blob_id, i.expires, COALESCE(c.expires, CASE WHEN i.created_by = :claimant THEN i.expires END) FROM blob b
JOIN image_blob i ON i.repo_id = :repo_id AND i.image = :image AND i.blob_id = b.id
LEFT JOIN image_blob_claim c ON c.image_blob_id = i.id AND c.actor = :claimant WHERE b.sha256 = :digest
""")
_BLOB_BY_OTHER = sql("""
SELECT i.blob_id, i.expires, COALESCE(c.expires, CASE WHEN i.created_by = :claimant THEN i.expires END) FROM blob_digest d
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
_PROLONG = sql("""
UPDATE image_blob SET expires = CASE WHEN expires IS NULL THEN NULL ELSE {now} + (SELECT millis FROM grace) END
WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id AND (expires IS NULL OR expires > {now})
""")
_PENDING = sql("""
INSERT INTO image_blob (repo_id, image, blob_id, expires, created_by)
VALUES (:repo_id, :image, :blob_id, {now} + (SELECT millis FROM grace), :actor)
ON CONFLICT (repo_id, image, blob_id) DO UPDATE SET
  expires = CASE WHEN image_blob.expires IS NULL THEN NULL ELSE excluded.expires END,
  created_by = CASE WHEN image_blob.created_by = '' THEN excluded.created_by ELSE image_blob.created_by END
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
_FORGET_CREATOR = sql("""
UPDATE image_blob SET created_by = '' WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id
AND created_by = :claimant AND expires IS NOT NULL
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
    # Whoever waited for the lock sees by a second look only what was put there meanwhile (PostgreSQL).
    row = await tx.row(_LOCK_BLOB, blob_id=blob_id) or await tx.row(_LOCK_BLOB, blob_id=blob_id)
    return None if row is None else (row[0], row[1])


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
    row = await tx.row(_PENDING, repo_id=repo_id, image=image, blob_id=blob_id, actor="" if claimant else actor)
    assert row is not None
    if claimant:
        await tx.execute(_CLAIM, id=row[0], claimant=claimant)


async def forget_blob(tx: Tx, repo_id: int, image: str, blob_id: int, *, claimant: str) -> bool:
    """Make a blob unknown to an image unless a manifest names it, or to one claimant; False when nothing was changed."""
    place: dict[str, Parameter] = {"repo_id": repo_id, "image": image, "blob_id": blob_id}
    if claimant:
        own = [await tx.execute(one, claimant=claimant, **place) for one in (_FORGET_CLAIM, _FORGET_CREATOR)]
        return any(own)
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


async def holders(reads: Reads, blob_id: int, *, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """Return a page of the (repository id, image) pairs of images that name a blob, for good or for now, beyond `after`."""
    rows = await reads.rows(_ANY_HOLDER, blob_id=blob_id, repo_id=after[0], image=after[1], limit=limit)
    return [(row[0], row[1]) for row in rows]
