"""Blob uploads: sessions that any worker or node continues (A6), in every style that clients have.

POST                     202  signs an id; nothing is stored
POST ?digest= with body  201  the whole upload in one request
POST ?mount=&from=       201  or 202 when it cannot be mounted, for whatever reason
PATCH                    202  appends a chunk: an object of its own, admitted by the session's epoch
PUT ?digest=             201  appends the last bytes, verifies, names the blob
GET, DELETE              204  where it stands; cancel
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.blobs.intake import Intake
from entrepot.formats.docker.chunks import Chunk, Chunks, checksums_so_far, pieces_of, size_with
from entrepot.formats.docker.errors import BlobUploadUnknown, RangeInvalid, RejectedByPatterns, SizeInvalid
from entrepot.formats.docker.image_blobs import name_for_now
from entrepot.formats.docker.images import Image, claimant, writable_image
from entrepot.formats.docker.mounts import Mounts
from entrepot.formats.docker.tickets import FINISHED, Tickets
from entrepot.messages import Reply, Request
from entrepot.metadata.blob_rows import Admitted, admit, assert_writer
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.uploads import DONE, OPEN, Session, append, cancel, finish, load
from entrepot.ranges import Span, parse_content_range
from entrepot.repositories.arrivals import arrival
from entrepot.repositories.content import Content
from entrepot.repositories.mending import mend

T = TypeVar("T")

_UNTOLD = ""  # the id of a session that is one request


class Uploads:
    """The handlers of the upload routes."""

    def __init__(
        self, database: Database, content: Content, intake: Intake, *, tickets: Tickets, mounts: Mounts, lifetime: int
    ) -> None:
        self._database = database
        self._content = content
        self._intake = intake
        self._tickets = tickets
        self._mounts = mounts
        self._chunks = Chunks(content, intake, tickets)
        self._lifetime = lifetime

    async def start(self, request: Request) -> Reply:
        """POST: begin a session, or do all at once. Raises RejectedByPatterns where no file of the image may be."""
        image = writable_image(request, "upload blobs to")
        if not image.repository.patterns.accepts(image.name, folder=True, start=True):
            raise RejectedByPatterns(key=image.repository.key, path=image.name)
        algorithm = (request.query.get("digest-algorithm") or [""])[0]
        if algorithm and algorithm not in {"sha256", "sha512"}:
            raise DigestInvalid(detail=algorithm)
        digest = request.query.get("digest")
        if digest:
            return await self._at_once(request, image, Digest.parse(digest[0]))
        mount = request.query.get("mount")
        if mount and await self._mounts.mount(request, image, mount[0]):
            return created(request, mount[0])
        upload_id = self._tickets.issue(image, request.caller.name, sha512=algorithm == "sha512")
        return _accepted(request, upload_id, 0)

    async def add(self, request: Request) -> Reply:
        """PATCH: append a chunk.

        Raises BlobUploadUnknown, SizeInvalid, and RangeInvalid with where the session stands.
        """
        _, session = await self._session(request)
        sha512 = self._tickets.sha512(session.id)
        chunk = await self._chunks.receive(request.body, session, self._stated(request, session), sha512=sha512)
        merged, piece = pieces_of(session, chunk)
        size = len(merged) if merged is not None else size_with(session, piece)
        known = checksums_so_far(session, chunk, size)
        checksums = known.packed() if known is not None else None

        async def body(tx: Tx) -> bool:
            await assert_writer(tx, self._intake.writer)
            actor = request.caller.name
            return await append(
                tx, session, inline=merged, piece=piece, checksums=checksums, actor=actor, lifetime=self._lifetime
            )

        if not await self._commit(body, chunk):
            _, session = await self._session(request)  # another chunk came first: where it stands now
            raise RangeInvalid(headers=_where(request, session.id, session.size))
        if piece is not None:
            self._tickets.remember(session.id, piece.key, chunk.hashes)
        return _accepted(request, session.id, size)

    async def close(self, request: Request) -> Reply:
        """PUT: append the last bytes, verify the digest and name the blob.

        The same may be asked again for an hour. Raises as `add`, and DigestInvalid.
        """
        wanted = request.query.get("digest")
        if not wanted:
            raise DigestInvalid("The parameter digest is missing.")
        digest = Digest.parse(wanted[0])
        image, session = await self._session(request, finished=True)
        if session.state == DONE:
            if session.digest != str(digest):
                raise BlobUploadUnknown
            return created(request, str(digest))
        span = self._stated(request, session)
        chunk = await self._chunks.receive(request.body, session, span, sha512=digest.algorithm == "sha512")
        return await self._finish(request, image, session, chunk=chunk, digest=digest)

    async def status(self, request: Request) -> Reply:
        """GET: how far it is.

        Raises BlobUploadUnknown.
        """
        _, session = await self._session(request)
        return _accepted(request, session.id, session.size, status=204)

    async def cancel(self, request: Request) -> Reply:
        """DELETE: end a session; nothing of it stays.

        Raises BlobUploadUnknown.
        """
        _, session = await self._session(request)

        async def body(tx: Tx) -> bool:
            return await cancel(tx, session, actor=request.caller.name, lifetime=self._lifetime)

        if not await self._database.transact(body):
            raise BlobUploadUnknown
        self._tickets.forget(session.id)
        return Reply(204)

    async def _at_once(self, request: Request, image: Image, digest: Digest) -> Reply:
        session = Session(_UNTOLD, image.repository.id, image.name)
        chunk = await self._chunks.receive(request.body, session, None, sha512=digest.algorithm == "sha512")
        return await self._finish(request, image, session, chunk=chunk, digest=digest)

    async def _finish(self, request: Request, image: Image, session: Session, *, chunk: Chunk, digest: Digest) -> Reply:
        merged, piece = pieces_of(session, chunk)
        pieces = (*session.pieces, piece) if piece is not None else session.pieces
        try:
            checksums = await self._chunks.checksums(session, chunk, merged, digest=digest, pieces=pieces)
        except BaseException:  # reading all again may take minutes, in which clients go away
            await self._intake.abandon(chunk.received)
            raise
        arrived = arrival(checksums, inline=merged if not pieces else None, pieces=pieces)
        whose = claimant(request.granted, image)

        async def body(tx: Tx) -> Admitted | None:
            await assert_writer(tx, self._intake.writer)
            told = session.id != _UNTOLD  # else nobody can go on with it, or end it twice: it needs no row
            if told and not await finish(tx, session, str(digest), actor=request.caller.name, lifetime=FINISHED):
                return None
            admitted = await admit(tx, arrived)
            await name_for_now(
                tx, image.repository.id, image.name, admitted.id, actor=request.caller.name, claimant=whose
            )
            return admitted

        admitted = await self._commit(body, chunk)
        if admitted is not None:
            await mend(self._database, self._content, admitted, arrived)
        else:
            now = await load(self._database, session.id, image.repository.id, image.name)
            if now.state != DONE or now.digest != str(digest):  # else the same request, sent twice, was first
                raise BlobUploadUnknown
        self._tickets.forget(session.id)
        return created(request, str(digest))

    async def _commit(self, body: Callable[[Tx], Awaitable[T]], chunk: Chunk) -> T:
        """Run the transaction that names the chunk's object; take the object away if it says that it has not."""
        async with self._intake.naming(chunk.received):
            done = await asyncio.shield(self._database.transact(body))
        if not done:
            await self._intake.abandon(chunk.received)
        return done

    async def _session(self, request: Request, *, finished: bool = False) -> tuple[Image, Session]:
        image = writable_image(request, "upload blobs to")
        upload_id = request.words["upload"]
        if not self._tickets.valid(upload_id, image, request.caller.name):
            raise BlobUploadUnknown
        session = await load(self._database, upload_id, image.repository.id, image.name)
        over = session.state != OPEN and not (finished and session.state == DONE)
        if over or (session.epoch == 0 and not self._tickets.fresh(upload_id)):
            raise BlobUploadUnknown
        return image, session

    def _stated(self, request: Request, session: Session) -> Span | None:
        """Return where the request says that its bytes lie. Raises RangeInvalid, SizeInvalid."""
        header = request.headers.get("content-range")
        if header is None:
            return None
        span = parse_content_range(header)
        if span is None or span.start != session.size:
            raise RangeInvalid(headers=_where(request, session.id, session.size))
        if request.body.length is not None and span.stop - span.start != request.body.length:
            raise SizeInvalid
        return span


def _accepted(request: Request, upload_id: str, size: int, *, status: int = 202) -> Reply:
    return Reply(status, [*_where(request, upload_id, size), ("docker-upload-uuid", upload_id)])


def _where(request: Request, upload_id: str, size: int) -> list[tuple[str, str]]:
    location = f"{request.prefix}/v2/{request.words['name']}/blobs/uploads/{upload_id}"
    return [("location", location), ("range", f"0-{max(size - 1, 0)}")]


def created(request: Request, digest: str) -> Reply:
    """Answer that a blob is here."""
    location = f"{request.prefix}/v2/{request.words['name']}/blobs/{digest}"
    return Reply(201, [("location", location), ("docker-content-digest", digest)])
