"""Manifests by tag or digest (A5, GET and HEAD): the stored bytes with the stored type, whatever `Accept` says.

Nothing is converted, so GET, HEAD, digest and size always agree (containerd#3323).
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote

from entrepot.clock import http_date
from entrepot.formats.docker.errors import ManifestUnknown
from entrepot.formats.docker.images import Image, image_name, readable_images, readable_manifest
from entrepot.formats.docker.layout import manifest_file_name, manifest_path
from entrepot.formats.docker.manifest_rows import Manifest, manifest_by_reference
from entrepot.formats.docker.names import parse_reference
from entrepot.messages import Reply, Request, encoded
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Reads
from entrepot.repositories.content import Content
from entrepot.repositories.delivery import answer, naming
from entrepot.repositories.downloads import Downloads
from entrepot.repositories.granted import FROM_CACHE


class Pull:
    """The handler of manifest GET and HEAD."""

    def __init__(self, reads: Reads, content: Content, downloads: Downloads | None = None) -> None:
        self._reads = reads
        self._content = content
        self._downloads = downloads

    async def fetch(self, request: Request) -> Reply:
        """Return the manifest from the first repository that holds it.

        One whose bytes were given up is unknown to HEAD, by which clients ask whether they need to push it. Raises
        ManifestUnknown.
        """
        reference = unquote(request.words["reference"])
        for image in readable_images(request):
            manifest = await self._find(request, image, reference)
            stored = None if manifest is None else await self._content.find(manifest.blob_id)
            if manifest is not None and stored is not None and not (stored.is_lost and request.method == "HEAD"):
                return self._reply(request, image, manifest, stored=stored, reference=reference)
        told = f"The named manifest is not known to the registry.{request.granted.caches}"
        raise ManifestUnknown(told, detail={"manifest": image_name(request)})

    async def _find(self, request: Request, image: Image, reference: str) -> Manifest | None:
        wanted = parse_reference(reference)
        if wanted.digest is None:
            if not image.repository.patterns.accepts(manifest_path(image.name, reference)):
                return None
            return await manifest_by_reference(self._reads, image.repository.id, image.name, reference)
        return await readable_manifest(self._reads, request.granted, image, wanted.digest)

    def _reply(self, request: Request, image: Image, manifest: Manifest, *, stored: Stored, reference: str) -> Reply:
        by_digest = ":" in reference
        digest = reference if by_digest else manifest.digest or stored.digest
        fixed = _headers(
            manifest.media_type,
            digest,
            stored.sha256,
            stored.sha1,
            stored.md5,
            manifest.modified,
            by_digest=by_digest,
            key=image.repository.key,
        )
        reply = answer(request, self._content, stored, fixed, etag=digest, modified=manifest.modified)
        if reply.status == 304:
            return reply
        if image.repository.is_remote:
            reply.headers += FROM_CACHE
        if self._downloads is not None and request.method == "GET":
            self._downloads.count(manifest.item_id, request.caller.name)
        return reply


# By digests rather than by `Stored`, which holds the bytes of small blobs: what is remembered has a bound.
@lru_cache(maxsize=4096)
def _headers(
    media_type: str, digest: str, sha256: bytes, sha1: bytes, md5: bytes, modified: int, *, by_digest: bool, key: str
) -> tuple[tuple[bytes, bytes], ...]:
    return encoded(
        (
            ("content-type", media_type),
            ("docker-content-digest", digest),
            ("etag", f'"sha256:{sha256.hex()}"'),
            ("cache-control", "max-age=31536000" if by_digest else "no-cache"),
            ("x-checksum-sha256", sha256.hex()),
            ("x-checksum-sha1", sha1.hex()),
            ("x-checksum-md5", md5.hex()),
            *naming(manifest_file_name(media_type)),
            ("last-modified", http_date(modified)),
            ("accept-ranges", "bytes"),
            ("x-artifactory-docker-registry", key),
        )
    )
