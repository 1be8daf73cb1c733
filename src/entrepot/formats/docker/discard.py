"""Manifest DELETE (A11): by tag only the tag goes, by digest the manifest and all its tags in the image."""

from __future__ import annotations

from urllib.parse import unquote

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.errors import Denied
from entrepot.formats.docker.errors import ManifestUnknown
from entrepot.formats.docker.images import Image, image_name, writable_image
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.manifest_rows import manifest_by_reference, manifests_by_digest, references
from entrepot.formats.docker.names import parse_reference
from entrepot.formats.docker.placing import Placing
from entrepot.messages import Reply, Request
from entrepot.metadata.database import Database, Tx
from entrepot.repositories.granted import Granted

_AT_ONCE = 50  # references to one digest that go in one transaction, for which others wait
_JUDGED_AT_ONCE = 1000


class Discard:
    """The handler of manifest DELETE."""

    def __init__(self, database: Database, placing: Placing) -> None:
        self._database = database
        self._placing = placing

    async def delete(self, request: Request) -> Reply:
        """Remove the reference; 202, and gone for the next request.

        Raises ManifestUnknown, Denied, TagIsImmutable.
        """
        image = writable_image(request, "delete a manifest from")
        reference = unquote(request.words["reference"])
        granted: Granted = request.granted
        wanted = parse_reference(reference)
        if wanted.digest is None:
            found = await self._database.transact(lambda tx: self._untag(tx, granted, image, reference))
        else:
            found = await self._remove(granted, image, wanted.digest)
        if not found:
            raise ManifestUnknown(detail={"manifest": image_name(request)})
        return Reply(202)

    async def _untag(self, tx: Tx, granted: Granted, image: Image, reference: str) -> bool:
        await self._placing.lock(tx, image)
        tag = await manifest_by_reference(tx, image.repository.id, image.name, reference)
        if tag is not None:
            await self._placing.untag(tx, granted, image, tag)
        return tag is not None

    async def _remove(self, granted: Granted, image: Image, digest: Digest) -> bool:
        """Remove all references to a digest. A process that dies leaves some of them whole, for the next attempt."""
        gone = 0
        while True:
            step = await self._database.transact(lambda tx: self._remove_some(tx, granted, image, digest))
            gone += step
            if step < _AT_ONCE:
                return gone > 0

    async def _remove_some(self, tx: Tx, granted: Granted, image: Image, digest: Digest) -> int:
        await self._placing.lock(tx, image)
        held = await manifests_by_digest(tx, image.repository.id, image.name, digest, limit=_AT_ONCE)
        if not held or not await _may_remove(tx, granted, image, held[0].blob_id):
            return 0
        await self._placing.remove(tx, granted, image, held)
        return len(held)


async def _may_remove(tx: Tx, granted: Granted, image: Image, blob_id: int) -> bool:
    """Whether the caller may delete every reference; False when he may not even see any. Raises Denied between."""
    if granted.throughout(Action.DELETE, image.repository, image.name):
        return True
    every, some, after = True, False, ""
    while page := await references(tx, image.repository.id, image.name, blob_id, after=after, limit=_JUDGED_AT_ONCE):
        for reference in page:
            path = manifest_path(image.name, reference)
            mine = granted.may(Action.DELETE, image.repository, path)
            every = every and mine
            some = some or mine or granted.may(Action.READ, image.repository, path)
        after = page[-1]
    if some and not every:
        raise Denied("Not enough permissions to delete every tag of this manifest.")
    return every
