"""Blobs by digest (A7): HEAD and GET with ranges and conditions, DELETE."""

from __future__ import annotations

from entrepot.blobs.digest import Digest
from entrepot.errors import NotAllowed
from entrepot.formats.docker.errors import BlobUnknown
from entrepot.formats.docker.images import Image, readable_images, visible_blob, writable_image
from entrepot.formats.docker.layout import blob_file_name
from entrepot.formats.docker.names import parse_digest
from entrepot.formats.docker.records import NamedBlob, forget_blob, named_blob, prolong
from entrepot.messages import Reply, Request
from entrepot.metadata.blob_rows import Stored, grace
from entrepot.metadata.database import Database, Tx
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

        What was given up is unknown to HEAD, by which clients ask what they need to push.
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
        """DELETE: a blob that no manifest of the image names becomes unknown to it at once."""
        digest = parse_digest(request.words["digest"])
        image = writable_image(request)
        named = await named_blob(self._database, image.repository.id, image.name, digest)
        if named is None:
            raise BlobUnknown(detail={"blobSum": str(digest)})
        repo_id, blob_id = image.repository.id, named.blob_id

        async def body(tx: Tx) -> bool:
            return await forget_blob(tx, repo_id, image.name, blob_id)

        if not await self._database.transact(body):
            raise NotAllowed("A manifest refers to this blob; delete the manifest first.")
        return Reply(202)

    async def _find(self, request: Request, image: Image, digest: Digest) -> Stored | None:
        """Return what the image names; manifests are among it, which containerd asks for as blobs when it looks everywhere."""
        repo_id = image.repository.id
        named = await named_blob(self._database, repo_id, image.name, digest)
        if named is None or not await visible_blob(self._database, request.granted, image, named):
            return None
        if named.expires is not None and not await self._kept(image, named):
            return None
        return await self._content.find(named.blob_id)

    async def _kept(self, image: Image, named: NamedBlob) -> bool:
        """Prolong an upload whose time is more than half over; False when it is over."""
        assert named.expires is not None
        now = self._database.now()
        if named.expires - now >= await grace(self._database) // 2:
            return True

        async def body(tx: Tx) -> bool:
            return await prolong(tx, image.repository.id, image.name, named.blob_id)

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
