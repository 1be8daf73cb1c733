"""Manifest PUT (A5): verified, then placed in the tree with its tag in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from urllib.parse import unquote

from entrepot.blobs.digest import Checksums, Digest, DigestInvalid
from entrepot.blobs.ingest import Hashes
from entrepot.blobs.intake import Intake
from entrepot.blobs.threads import HASHING
from entrepot.errors import TooLarge
from entrepot.formats.docker.errors import ManifestTooLarge, TooManyTags
from entrepot.formats.docker.images import Image, may_place, writable_image
from entrepot.formats.docker.labels import labels_of
from entrepot.formats.docker.manifests import ON_THE_LOOP, parse
from entrepot.formats.docker.manifests import Manifest as Document
from entrepot.formats.docker.names import check_tag, parse_reference
from entrepot.formats.docker.placement import Placement, bound
from entrepot.formats.docker.placing import Placing
from entrepot.messages import Reply, Request
from entrepot.metadata.blob_rows import Admitted, admit, assert_writer
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.objects import Piece
from entrepot.repositories.arrivals import arrival
from entrepot.repositories.content import Content
from entrepot.repositories.mending import mend

_TAGS_AT_ONCE = 100


class Push:
    """The handler of manifest PUT."""

    def __init__(
        self, database: Database, content: Content, intake: Intake, *, placing: Placing, manifest_limit: int
    ) -> None:
        self._database = database
        self._content = content
        self._intake = intake
        self._placing = placing
        self._limit = manifest_limit

    async def store(self, request: Request) -> Reply:
        """Store a manifest under a tag, or under its digest and any number of tags (`?tag=`).

        Raises ManifestInvalid, ManifestTooLarge, ManifestBlobUnknown, TagInvalid, DigestInvalid, Denied, RejectedByPatterns,
        TagIsImmutable.
        """
        image = writable_image(request, "upload a manifest to")
        reference = unquote(request.words["reference"])
        wanted = parse_reference(reference)
        tags = self._tags(request, image, reference, is_digest=wanted.digest is not None)
        document, body, checksums = await self._read(request, image, wanted.digest)
        properties = await labels_of(self._database, self._content, image, document)
        bound(document, len(document.required()) + sum(map(len, properties.values())), tags)
        received = await self._intake.receive(_one(body), Hashes.none())
        pieces = (Piece(received.key, received.size),) if received.key is not None else ()
        arrived = arrival(checksums, inline=received.inline, pieces=pieces)

        async def work(tx: Tx) -> Admitted:
            await self._placing.lock(tx, image)
            await assert_writer(tx, self._intake.writer)
            blobs = await self._placing.resolve(tx, request.granted, image, document)
            admitted = await admit(tx, arrived)
            new = Placement(
                document,
                Digest.of("sha256", checksums.sha256),
                admitted.id,
                checksums.size,
                blobs=blobs,
                pushed=str(wanted.digest or ""),
                labels=properties,
            )
            await self._placing.place(tx, request.granted, image, new=new, references=tags)
            return admitted

        async with self._intake.naming(received):
            admitted = await asyncio.shield(self._database.transact(work))
        await mend(self._database, self._content, admitted, arrived)
        if wanted.digest is None:
            return _stored(request, document, f"sha256:{checksums.sha256.hex()}", ())
        return _stored(request, document, reference, [tag for tag in tags if tag])

    def _tags(self, request: Request, image: Image, reference: str, *, is_digest: bool) -> list[str]:
        """Return the references to place: tags, or the empty string for the digest alone.

        Raises ManifestInvalid, TagInvalid, Denied, RejectedByPatterns.
        """
        if not is_digest:
            tags = [reference]
        else:
            tags = list(dict.fromkeys(request.query.get("tag", [])))
            kept = image.repository.number("maxUniqueTags")
            most = min(kept, _TAGS_AT_ONCE) if kept > 0 else _TAGS_AT_ONCE
            if len(tags) > most:
                raise TooManyTags(most=most)
        for tag in tags:
            check_tag(tag)
            may_place(request.granted, image, tag)
        return tags or [""]

    async def _read(self, request: Request, image: Image, stated: Digest | None) -> tuple[Document, bytes, Checksums]:
        """Read and hash a manifest, beside the loop when it is long. Raises ManifestInvalid, ManifestTooLarge, DigestInvalid."""
        try:
            body = await request.body.read(self._limit)
        except TooLarge:
            raise ManifestTooLarge(limit=self._limit) from None
        algorithm = stated.algorithm if stated is not None else "sha256"

        def work() -> tuple[Document, Checksums]:
            content_type = request.headers.get("content-type")
            document = parse(body, content_type, limit=self._limit, block_schema1=image.refuses_schema1)
            hashes = Hashes(sha512=algorithm == "sha512")
            hashes.update(body)
            return document, hashes.checksums(len(body))

        document, checksums = await HASHING.run(work) if len(body) > ON_THE_LOOP else work()
        if stated is not None and stated.raw != (checksums.sha512 if algorithm == "sha512" else checksums.sha256):
            raise DigestInvalid("The digest does not match the manifest.", detail=str(stated))
        return document, body, checksums


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _stored(request: Request, document: Document, digest: str, tags: Sequence[str]) -> Reply:
    """Answer that the manifest is here; `tags` are those that were asked for beside its digest."""
    location = f"{request.prefix}/v2/{request.words['name']}/manifests/{digest}"
    headers = [("location", location), ("docker-content-digest", digest)]
    if document.subject is not None:
        headers.append(("oci-subject", str(document.subject.digest)))
    if tags:
        headers.append(("oci-tag", ", ".join(tags)))
    return Reply(201, headers)
