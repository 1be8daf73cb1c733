"""The bytes of upload sessions: what a request adds, and the checksums of all.

Each chunk is an object of its own. Content that is small so far is kept in the session's row and taken along by the next
request. Running hashes are kept between the chunks by whichever process has seen them all (`tickets.py`), and what they come
to in the row, which is all that the empty request at the end of most uploads needs. Else, and where the digest turns out to be
of another algorithm, everything is read once more at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from entrepot.blobs.contract import BlobMissing
from entrepot.blobs.digest import Checksums, Digest, DigestInvalid
from entrepot.blobs.ingest import INLINE_LIMIT, Hashes, Received, rehash
from entrepot.blobs.intake import Intake
from entrepot.errors import TooLarge
from entrepot.formats.docker.errors import BlobUploadUnknown, SizeInvalid
from entrepot.formats.docker.tickets import Tickets
from entrepot.messages import Body
from entrepot.metadata.objects import Piece
from entrepot.metadata.uploads import Session
from entrepot.ranges import Span
from entrepot.repositories.content import Content

log = structlog.get_logger()


@dataclass(slots=True)
class Chunk:
    """What one request added: bytes received, the running hashes over all of the session, None when not known."""

    received: Received
    hashes: Hashes | None


class Chunks:
    """Take chunks in, and tell the checksums of what they make together."""

    def __init__(self, content: Content, intake: Intake, tickets: Tickets) -> None:
        self._content = content
        self._intake = intake
        self._tickets = tickets

    async def receive(self, body: Body, session: Session, span: Span | None, *, sha512: bool) -> Chunk:
        """Take the bytes of a request in, as many as `span` says.

        Content that was small so far is taken along, so that it becomes one object. Raises SizeInvalid, and what
        `Intake.receive` does.
        """
        prefix = session.inline or b""
        stored = session.size - len(prefix)
        hashes: Hashes | None
        if stored:
            hashes = self._tickets.recall(session.id, session.pieces[-1].key)
            source = aiter(body)
        else:
            hashes = Hashes(sha512=sha512)
            source = _preceded(prefix, body)
        wanted = span.stop - stored if span is not None else None
        try:
            received = await self._intake.receive(
                source, hashes or Hashes.none(), limit=wanted, inline=0 if stored else INLINE_LIMIT
            )
        except TooLarge as error:
            if error.words.get("limit") != wanted:  # that of the store
                raise
            raise SizeInvalid from error
        if wanted is not None and received.size != wanted:
            await self._intake.abandon(received)
            raise SizeInvalid
        return Chunk(received, hashes)

    async def checksums(
        self, session: Session, chunk: Chunk, merged: bytes | None, *, digest: Digest, pieces: tuple[Piece, ...]
    ) -> Checksums:
        """Return the checksums of the whole content. Raises DigestInvalid, BlobUploadUnknown when a chunk is lost."""
        size = len(merged) if merged is not None and not pieces else sum(piece.size for piece in pieces)
        checksums = checksums_so_far(session, chunk, size)
        if checksums is None or _raw(checksums, digest.algorithm) is None:
            source = self._content.read(pieces, 0, size) if pieces else _preceded(merged or b"", None)
            try:
                checksums = (await rehash(source, Hashes(sha512=digest.algorithm == "sha512"))).checksums(size)
            except BlobMissing as error:
                log.warning("upload.lost", reason=error.message)
                raise BlobUploadUnknown from error
        if _raw(checksums, digest.algorithm) != digest.raw:
            raise DigestInvalid("The digest does not match the uploaded content.", detail=str(digest))
        return checksums


def pieces_of(session: Session, chunk: Chunk) -> tuple[bytes | None, Piece | None]:
    """Return the whole content when it is small enough to be kept inline, and the object that this request added."""
    received = chunk.received
    if received.key is not None:
        return None, Piece(received.key, received.size)
    if session.pieces:
        return None, None
    return received.inline or b"", None


def size_with(session: Session, piece: Piece | None) -> int:
    """Return how many bytes a session has with an object that is added, and without what it kept inline."""
    before = 0 if session.inline is not None else session.size
    return before + (piece.size if piece is not None else 0)


def checksums_so_far(session: Session, chunk: Chunk, size: int) -> Checksums | None:
    """Return the checksums of all `size` bytes with the chunk, or None when nobody has seen them all in a row."""
    if chunk.hashes is not None:
        return chunk.hashes.checksums(size)
    known = Checksums.unpacked(session.checksums) if session.checksums is not None else None
    return known if known is not None and known.size == size else None


def _raw(checksums: Checksums, algorithm: str) -> bytes | None:
    return checksums.sha512 if algorithm == "sha512" else checksums.sha256


async def _preceded(prefix: bytes, body: Body | None) -> AsyncIterator[bytes]:
    if prefix:
        yield prefix
    if body is not None:
        async for piece in body:
            yield piece
