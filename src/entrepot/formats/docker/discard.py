"""Manifest DELETE (A11): by tag only the tag goes, by digest the manifest and all its tags in the image."""

from __future__ import annotations

from urllib.parse import unquote

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.errors import Denied
from entrepot.formats.docker.errors import ManifestUnknown
from entrepot.formats.docker.images import Image, image_name, writable_image
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.names import parse_reference
from entrepot.formats.docker.placing import Placing
from entrepot.formats.docker.records import Manifest, manifest_by_reference, manifests_by_digest
from entrepot.messages import Reply, Request
from entrepot.metadata.database import Database, Tx
from entrepot.repositories.granted import Granted

_AT_ONCE = 1000  # tags of one digest that go in one transaction


class Discard:
    """The handler of manifest DELETE."""

    def __init__(self, database: Database, placing: Placing) -> None:
        self._database = database
        self._placing = placing

    async def delete(self, request: Request) -> Reply:
        """Remove the reference; 202, and gone for the next request."""
        image = writable_image(request)
        reference = unquote(request.words["reference"])
        granted: Granted = request.granted

        async def work(tx: Tx) -> bool:
            wanted = parse_reference(reference)
            if wanted.digest is None:
                await self._placing.lock(tx, granted, image, [reference])
                tag = await manifest_by_reference(tx, image.repository.id, image.name, reference)
                if tag is not None:
                    await self._placing.untag(tx, granted, image, tag)
                return tag is not None
            held = await self._locked(tx, granted, image, wanted.digest)
            mine = _deletable(granted, image, held)
            await self._placing.remove(tx, granted, image, mine)
            return bool(mine)

        if not await self._database.transact(work):
            raise ManifestUnknown(detail={"manifest": image_name(request)})
        return Reply(202)

    async def _locked(self, tx: Tx, granted: Granted, image: Image, digest: Digest) -> list[Manifest]:
        """Return the references of a digest once none of them can move on before our commit."""
        locked: set[str] = set()
        while True:
            held = await manifests_by_digest(tx, image.repository.id, image.name, digest, limit=_AT_ONCE)
            fresh = {one.reference for one in held} - locked
            if not fresh:
                return held
            await self._placing.lock(tx, granted, image, [*fresh])
            locked |= fresh


def _deletable(granted: Granted, image: Image, held: list[Manifest]) -> list[Manifest]:
    """Return all references when the caller may delete each; none when he may not even see any. Raises Denied between."""
    mine = [
        one for one in held if granted.may(Action.DELETE, image.repository, manifest_path(image.name, one.reference))
    ]
    if len(mine) == len(held):
        return mine
    seen = [one for one in held if granted.may(Action.READ, image.repository, manifest_path(image.name, one.reference))]
    if mine or seen:
        raise Denied("Not enough permissions to delete every tag of this manifest.")
    return []
