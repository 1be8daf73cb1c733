"""Placing manifests in the tree: `<image>/<tag>/` holds the manifest and every blob that it names.

What an overwritten or deleted tag pointed to moves to `<image>/sha256:<hex>/`, unless another reference holds the digest:
so whoever asked for the tag a moment ago can still pull the digest that he was told. Retention takes it later, never
sooner than the grace time.
"""

from __future__ import annotations

from collections.abc import Sequence

from entrepot.access.actions import Action
from entrepot.errors import Denied, EntrepotError
from entrepot.formats.docker.errors import ManifestBlobUnknown
from entrepot.formats.docker.image_blobs import lock_blob, lock_blobs
from entrepot.formats.docker.images import Image, readable_blob, readable_manifest
from entrepot.formats.docker.layout import digest_folder, folder_of, manifest_path
from entrepot.formats.docker.manifest_rows import (
    Manifest,
    digest_of,
    lock_image,
    manifest_by_reference,
    manifests_by_digest,
    note_document,
)
from entrepot.formats.docker.manifests import Manifest as Document
from entrepot.formats.docker.placement import Held, Placement, files_again, files_of, is_held
from entrepot.formats.docker.tag_limit import surplus_tags
from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.tree import Tree
from entrepot.repositories.granted import Granted, where

_RETIRE = sql("""
UPDATE docker_manifest SET retired = {now}, retired_tag = :tag
WHERE repo_id = :repo_id AND image = :image AND reference = :reference
""")
_RETIRE_AGAIN = sql("""
UPDATE docker_manifest SET retired = {now}, retired_tag = :tag
WHERE repo_id = :repo_id AND image = :image AND reference = :reference AND retired IS NOT NULL
""")
_SHARE = sql("SELECT item_id FROM docker_manifest WHERE item_id = :item_id {share}")


class TagIsImmutable(EntrepotError):  # no `Denied`, which looks like an unknown name where such are hidden
    """Tag {tag} of {image} is immutable in this repository and cannot be moved or deleted."""

    code, status = "DENIED", 403


class Placing:
    """Place manifests and take them away; within the caller's transaction."""

    def __init__(self, tree: Tree, *, sparse: bool = False) -> None:
        self._tree = tree
        self.sparse = sparse  # whether an index may name what is not there

    async def resolve(
        self, tx: Tx, granted: Granted, image: Image, document: Document, *, source: Image | None = None
    ) -> list[Held]:
        """Return the blobs that a manifest names, kept from collection until the commit.

        They are looked for in the image that the manifest comes from, if it does: its children have come from there by then,
        and its caller may read them. Raises ManifestBlobUnknown with every digest that is not held, or may not be read.
        """
        holder = source or image
        held: dict[int, Held] = {}
        missing: list[str] = []
        for digest in document.required():
            named = await readable_blob(tx, granted, holder, digest, in_transaction=True)
            kept = await lock_blob(tx, named.blob_id) if named is not None else None
            if named is None or kept is None:
                missing.append(str(digest))
            else:
                held[named.blob_id] = Held(named.blob_id, *kept)
        if not self.sparse:
            for child in document.children:
                if source is None:
                    seen = await readable_manifest(tx, granted, image, child.digest, in_transaction=True)
                else:
                    found = await manifests_by_digest(tx, image.repository.id, image.name, child.digest)
                    seen = found[0] if found else None
                if seen is None or not await _stays(tx, seen):
                    missing.append(str(child.digest))
        if missing:
            raise ManifestBlobUnknown(digests=missing)
        return list(held.values())

    async def place(self, tx: Tx, granted: Granted, image: Image, *, new: Placement, references: Sequence[str]) -> None:
        """Place a manifest under tags, or under its digest alone (an empty reference); the caller has locked the image.

        Raises TagIsImmutable, and Denied where a tag would be overwritten without the right to delete.
        """
        document = new.document
        await note_document(
            tx,
            new.blob_id,
            document.media_type,
            artifact_type=document.artifact_type,
            subject=str(document.subject.digest) if document.subject else None,
            annotations=dict(document.annotations),
            children=[str(child.digest) for child in document.children],
        )
        await self._hold(tx, image, references)
        for tag in references:
            await self._place_one(tx, granted, image, new=new, tag=tag)
        limit = image.repository.number("maxUniqueTags")
        if limit > 0:
            await self._drop_surplus(tx, granted, image, limit)

    async def untag(self, tx: Tx, granted: Granted, image: Image, tag: Manifest) -> None:
        """Take a tag away; what it pointed to stays by digest. The caller has locked the image."""
        refuse_immutable(image, tag.reference)
        await self._retire(tx, granted, image, tag)

    async def lock(self, tx: Tx, image: Image) -> None:
        """Let nobody else change what the image's references point at until the commit; before any other lock."""
        await lock_image(tx, image.repository.id, image.name)

    async def remove(self, tx: Tx, granted: Granted, image: Image, held: Sequence[Manifest]) -> None:
        """Take away every reference to a manifest, tags too; the caller has locked the image."""
        for manifest in held:
            if manifest.is_tag:
                refuse_immutable(image, manifest.reference)
        await self._hold(tx, image, [manifest.reference for manifest in held])
        place = where(granted, image.repository)
        for manifest in held:
            await self._tree.remove_files(tx, place, folder_of(image.name, manifest.reference))
        await self._tree.prune(tx, place, image.name)

    async def _place_one(self, tx: Tx, granted: Granted, image: Image, *, new: Placement, tag: str) -> None:
        reference = tag or digest_folder(new.digest)
        place, folder = where(granted, image.repository), folder_of(image.name, reference)
        files = files_of(image, new, tag=tag)
        existing = await manifest_by_reference(tx, image.repository.id, image.name, reference)
        if existing is not None and existing.blob_id == new.blob_id and existing.media_type == new.document.media_type:
            await self._tree.put_files(tx, place, folder, await files_again(tx, image, existing, new, tag=tag))
            return
        if not tag and await is_held(tx, image, new, files):
            return  # some tag holds it: that is enough for it to be pulled by digest
        if existing is not None and tag:
            refuse_immutable(image, tag)
            if not granted.may(Action.DELETE, image.repository, manifest_path(image.name, tag)):
                raise Denied("Not enough permissions to overwrite the tag {tag} (DELETE is needed).", tag=tag)
            await self._retire(tx, granted, image, existing)
        await self._tree.put_files(tx, place, folder, files)

    async def _retire(self, tx: Tx, granted: Granted, image: Image, tag: Manifest, *, dropped: bool = False) -> None:
        place = where(granted, image.repository)
        retired_as = "" if dropped else tag.reference  # all that were dropped share one allowance of the retention
        digest = await digest_of(tx, tag)
        others = await manifests_by_digest(tx, image.repository.id, image.name, digest, limit=2)
        folder = folder_of(image.name, tag.reference)
        kept = digest_folder(digest)
        if any(other.item_id != tag.item_id for other in others):
            await self._tree.remove_files(tx, place, folder)
            await tx.execute(  # whoever asked for this tag a moment ago has the grace time from now
                _RETIRE_AGAIN, repo_id=image.repository.id, image=image.name, reference=kept, tag=retired_as
            )
            return
        await self._tree.rename_folder(tx, place, folder, folder_of(image.name, kept))
        await tx.execute(_RETIRE, repo_id=image.repository.id, image=image.name, reference=kept, tag=retired_as)

    async def _drop_surplus(self, tx: Tx, granted: Granted, image: Image, limit: int) -> None:
        dropped = await surplus_tags(tx, image, limit)
        await self._hold(tx, image, [tag.reference for tag in dropped])
        for tag in dropped:
            await self._retire(tx, granted, image, tag, dropped=True)

    async def _hold(self, tx: Tx, image: Image, references: Sequence[str]) -> None:
        """Lock the blobs of several references at once; those of one are let go by one statement, which does so itself."""
        if len(references) > 1:
            await lock_blobs(tx, image.repository.id, [folder_of(image.name, one) for one in references])


def refuse_immutable(image: Image, tag: str) -> None:
    """Raise TagIsImmutable where tags neither move nor go."""
    if image.repository.flag("immutableTags"):
        raise TagIsImmutable(tag=tag, image=image.name)


async def _stays(tx: Tx, child: Manifest) -> bool:
    """Whether a manifest is there until the commit, for retention waits for us, and has its bytes."""
    return await tx.row(_SHARE, item_id=child.item_id) is not None and await lock_blob(tx, child.blob_id) is not None
