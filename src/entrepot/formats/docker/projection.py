"""What Docker derives from the tree, in the tree's own transactions: tags and manifests, and which blobs an image may name.

The layout says it all (A15): `<image>/<tag>/manifest.json` is a tag, `<image>/sha256:<hex>/manifest.json` a manifest that is
kept by digest, and the files `sha256__<hex>` beside them are its blobs. So however the tree changes (push, copy, move,
delete, import), this follows.
"""

from __future__ import annotations

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.formats.docker.layout import Place, deeper_than, manifest_file_name, place_of
from entrepot.formats.docker.wire import SHAPES
from entrepot.metadata.database import Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import Item, below
from entrepot.metadata.properties import properties_of
from entrepot.metadata.sql import sql

_DOCUMENT = sql("SELECT media_type, subject FROM docker_document WHERE blob_id = :blob_id")
_ADD_MANIFEST = sql("""
INSERT INTO docker_manifest (item_id, repo_id, image, reference, is_tag, blob_id, media_type, subject, digest)
VALUES (:item_id, :repo_id, :image, :reference, :is_tag, :blob_id, :media_type, :subject, :digest)
ON CONFLICT (item_id) DO UPDATE SET image = excluded.image, reference = excluded.reference, is_tag = excluded.is_tag,
  blob_id = excluded.blob_id, media_type = excluded.media_type, subject = excluded.subject,
  digest = excluded.digest, retired = NULL, retired_tag = NULL
""")
_IS_DIGEST = sql("SELECT 1 FROM blob_digest WHERE blob_id = :blob_id AND algorithm = :algorithm AND digest = :digest")
_DROP_MANIFEST = sql("DELETE FROM docker_manifest WHERE item_id = :item_id")
_NAME_BLOB = sql("""
INSERT INTO image_blob (repo_id, image, blob_id, expires, created_by) VALUES (:repo_id, :image, :blob_id, NULL, :actor)
ON CONFLICT (repo_id, image, blob_id) DO UPDATE SET expires = NULL WHERE image_blob.expires IS NOT NULL
""")
_STILL_HELD = sql("""
SELECT 1 FROM item WHERE blob_id = :blob_id AND repo_id = :repo_id AND path >= :low AND path < :high
AND path NOT LIKE :deeper ESCAPE '!' LIMIT 1
""")
_LOCK_NAME = sql("""
SELECT id FROM image_blob WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id {update}
""")
_LET_GO = sql("""
UPDATE image_blob SET expires = {now} + (SELECT millis FROM grace)
WHERE repo_id = :repo_id AND image = :image AND blob_id = :blob_id AND expires IS NULL
""")

MEDIA_TYPE_PROPERTY = "docker.manifest.type"
DIGEST_PROPERTY = "docker.manifest.pushed"  # by which digest, where that is not its sha256


class DockerProjection:
    """Keep `docker_manifest` and `image_blob` in step with the items of Docker repositories (`metadata.tree.Projection`)."""

    async def added(self, tx: Tx, where: Where, item: Item) -> None:
        """See Projection."""
        place = place_of(item.path)
        if place is None or item.blob_id is None:
            return
        await tx.execute(_NAME_BLOB, repo_id=where.repo_id, image=place.image, blob_id=item.blob_id, actor=where.actor)
        if place.is_manifest:
            await self._add_manifest(tx, where, item, place)

    async def removed(self, tx: Tx, where: Where, item: Item) -> None:
        """See Projection: a blob that no other item of the image holds stays nameable for the grace time."""
        place = place_of(item.path)
        if place is None or item.blob_id is None:
            return
        if place.is_manifest:
            await tx.execute(_DROP_MANIFEST, item_id=item.id)
        image = place.image
        low, high = below(image)
        # Others that add or remove a holder wait here, so that one of them sees what all have done.
        await tx.row(_LOCK_NAME, repo_id=where.repo_id, image=image, blob_id=item.blob_id)
        held = await tx.row(
            _STILL_HELD, blob_id=item.blob_id, repo_id=where.repo_id, low=low, high=high, deeper=deeper_than(image)
        )
        if held is None:
            await tx.execute(_LET_GO, repo_id=where.repo_id, image=image, blob_id=item.blob_id)

    async def _add_manifest(self, tx: Tx, where: Where, item: Item, place: Place) -> None:
        document = await tx.row(_DOCUMENT, blob_id=item.blob_id)
        if document is None:  # somebody put a file of this name that is no manifest: it is a file, nothing more
            return
        properties = await properties_of(tx, item.id)
        stated, told = properties.get(MEDIA_TYPE_PROPERTY), properties.get(DIGEST_PROPERTY, ())
        await tx.execute(
            _ADD_MANIFEST,
            item_id=item.id,
            repo_id=where.repo_id,
            image=place.image,
            reference=place.reference,
            is_tag=int(place.is_tag),
            blob_id=item.blob_id,
            media_type=stated[0] if stated and _is_media_type(place, stated[0]) else document[0],
            subject=document[1],
            digest=told[0] if told and place.is_tag and await _is_digest(tx, item, told[0]) else None,
        )


def _is_media_type(place: Place, stated: str) -> bool:
    """Whether a manifest of this name may have the media type that a property states, which anybody may write who may annotate."""
    return stated in SHAPES and manifest_file_name(stated) == place.file.value


async def _is_digest(tx: Tx, item: Item, told: str) -> bool:
    """Whether a manifest has the digest that a property tells, which anybody may write who may annotate."""
    try:
        digest = Digest.parse(told)
    except DigestInvalid:
        return False
    place = {"blob_id": item.blob_id, "algorithm": digest.algorithm, "digest": digest.raw}
    return await tx.row(_IS_DIGEST, **place) is not None
