"""Blobs by digest (A7): HEAD and GET with ranges and conditions, DELETE."""

from __future__ import annotations

from entrepot.blobs.digest import Digest
from entrepot.errors import NotAllowed
from entrepot.formats.docker.errors import BlobUnknown
from entrepot.formats.docker.image_blobs import NamedBlob, forget_blob, prolong
from entrepot.formats.docker.images import Image, claimant, readable_blob, readable_images, writable_image
from entrepot.formats.docker.layout import blob_file_name
from entrepot.formats.docker.names import parse_digest
from entrepot.messages import Reply, Request
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.objects import grace
from entrepot.repositories.content import Content
from entrepot.repositories.delivery import deliver
from entrepot.repositories.granted import FROM_CACHE

_ONE_YEAR = ("cache-control", "max-age=31536000")


class Blobs:
    """The handlers of the blob routes."""

    def __init__(self, database: Database, content: Content) -> None:
        self._database = database
        self._content = content

    async def fetch(self, request: Request) -> Reply:
        """GET and HEAD. Who is told that an upload exists may rely on it for half the grace time.

        What was given up is unknown to HEAD, by which clients ask what they need to push. Raises BlobUnknown.
        """
        digest = parse_digest(request.words["digest"])
        for image in readable_images(request):
            stored = await self._find(request, image, digest)
            if stored is not None and not (stored.is_lost and request.method == "HEAD"):
                reply = self._reply(request, stored, digest)
                if image.repository.is_remote:
                    reply.headers += FROM_CACHE
                return reply
        told = f"blob unknown to registry.{request.granted.caches}" if request.granted.caches else None
        raise BlobUnknown(told, detail={"blobSum": str(digest)})

    async def delete(self, request: Request) -> Reply:
        """DELETE: a blob that no manifest of the image names becomes unknown to it at once.

        Raises BlobUnknown, NotAllowed where a manifest names it.
        """
        digest = parse_digest(request.words["digest"])
        image = writable_image(request, "delete blobs from")
        granted, whose = request.granted, claimant(request.granted, image)

        async def body(tx: Tx) -> None:
            named = await readable_blob(tx, granted, image, digest, in_transaction=True)
            gone = named is not None and await forget_blob(
                tx, image.repository.id, image.name, named.blob_id, claimant=whose
            )
            if await readable_blob(tx, granted, image, digest, in_transaction=True) is not None:
                raise NotAllowed("A manifest refers to this blob; delete the manifest first.")
            if not gone:  # or others were first
                raise BlobUnknown(detail={"blobSum": str(digest)})

        await self._database.transact(body)
        return Reply(202)

    async def _find(self, request: Request, image: Image, digest: Digest) -> Stored | None:
        """Return what the image names; manifests are among it, which containerd asks for as blobs when it looks everywhere."""
        now = self._database.now()
        named = await readable_blob(self._database, request.granted, image, digest, now=now)
        if named is None or not await self._kept(request, image, named, now):
            return None
        return await self._content.find(named.blob_id)

    async def _kept(self, request: Request, image: Image, named: NamedBlob, now: int) -> bool:
        """Prolong an upload whose time is more than half over; False when it is over."""
        if named.until is None or named.until - now >= await grace(self._database) // 2:
            return True
        whose = request.caller.name if named.claimed is not None else ""

        async def body(tx: Tx) -> bool:
            return await prolong(tx, image.repository.id, image.name, named.blob_id, claimant=whose)

        return await self._database.transact(body)

    def _reply(self, request: Request, stored: Stored, digest: Digest) -> Reply:
        headers = [
            ("content-type", "application/octet-stream"),
            ("docker-content-digest", str(digest)),
            _ONE_YEAR,
        ]
        return deliver(
            request, self._content, stored, headers=headers, etag=f'"{digest}"', file_name=blob_file_name(stored.sha256)
        )
