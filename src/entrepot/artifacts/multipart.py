"""Big files in parts (reference 7.5): begun by whoever may deploy at the path, finished by a deploy of the same user there.

Between the two a ticket is the credential: the id of the upload, which nobody can guess, signed. That the checksum is
known proves nothing; that the bytes came in under the ticket does, so the deploy needs no file that its user may read.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from entrepot.artifacts.checksums import ChecksumDeployFailed, verify
from entrepot.artifacts.deploy import Deploy, Deployed, Target
from entrepot.blobs.digest import Checksums
from entrepot.blobs.ingest import Hashes, rehash
from entrepot.blobs.intake import Intake
from entrepot.clock import new_id
from entrepot.errors import Conflict, Invalid, Unauthenticated
from entrepot.jobs.queue import Job, Renew, enqueue
from entrepot.metadata import multipart
from entrepot.metadata.blob_rows import assert_writer
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.multipart import CANCELLED, DONE, FAILED, HASHING, PARTS, READY, Multipart, Sums
from entrepot.metadata.objects import Piece
from entrepot.repositories.arrivals import arrival
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository

KIND: Final = "upload.checksums"
_MOST_PARTS: Final = 100_000
_PART_LIMIT: Final = 5 << 30  # bytes
_STEP: Final = 1 << 28  # bytes between two notes of how far the reading is


class TicketInvalid(Unauthenticated):
    """The token of this multi-part upload is not valid, or its upload has ended."""


class WrongState(Conflict):
    """This multi-part upload is {state}: no part of it can be changed any more."""


class _Overtaken(Exception):
    """The same request, sent twice, was first."""


class Uploads:
    """Take files in by parts. One per process; `key` signs the tickets."""

    def __init__(self, database: Database, intake: Intake, deploy: Deploy, *, key: bytes, lifetime: int) -> None:
        self._database = database
        self._intake = intake
        self._deploy = deploy
        self._key = key
        self._lifetime = lifetime  # milliseconds without a further part

    async def begin(self, granted: Granted, repository: Repository, path: str) -> str:
        """Begin an upload and return its ticket."""
        upload_id = new_id()
        actor = granted.caller.name
        await self._database.transact(
            lambda tx: multipart.begin(tx, upload_id, repository.id, path, actor=actor, lifetime=self._lifetime)
        )
        return f"{upload_id}-{self._signature(upload_id)}"

    async def find(self, ticket: str) -> Multipart:
        """Return the upload of a ticket. Raises TicketInvalid."""
        found = await multipart.find(self._database, self._id(ticket))
        if found is None:
            raise TicketInvalid
        return found

    async def percent(self, upload: Multipart) -> int:
        """Return how much of an upload has been read through."""
        size = sum(piece.size for _, piece in await multipart.pieces(self._database, upload.id))
        return 100 * upload.read // size if size else 0

    async def part(self, ticket: str, number: int, body: AsyncIterator[bytes]) -> None:
        """Take a part in. Raises TicketInvalid, WrongState, Invalid, TooLarge, BodyBroken, StoreUnavailable."""
        if not 0 < number <= _MOST_PARTS:
            raise Invalid(f"Parts are numbered from 1 to {_MOST_PARTS}.")
        _still(await self.find(ticket))
        received = await self._intake.receive(body, Hashes.none(), inline=0, limit=_PART_LIMIT)
        if received.key is None:
            raise Invalid("A part holds at least one byte.")
        piece = Piece(received.key, received.size)

        async def work(tx: Tx) -> None:
            await assert_writer(tx, self._intake.writer)
            await multipart.put_part(tx, _still(await self._within(tx, ticket)), number, piece, self._lifetime)

        async with self._intake.naming(received):
            await asyncio.shield(self._database.transact(work))

    async def complete(self, ticket: str, sha1: str) -> None:
        """Have the checksums found in the background. Once more does no harm. Raises TicketInvalid, WrongState, Invalid."""

        async def work(tx: Tx) -> None:
            upload = await self._within(tx, ticket)
            if upload.state in (HASHING, READY, DONE):
                return
            _still(upload)
            numbers = [number for number, _ in await multipart.pieces(tx, upload.id)]
            if numbers != [*range(1, len(numbers) + 1)] or not numbers:
                raise Invalid(
                    f"Parts are missing: {len(numbers)} came, the last one is number {max(numbers, default=0)}."
                )
            await multipart.turn(tx, upload, HASHING, sha1, self._lifetime)
            await enqueue(tx, KIND, {"upload": upload.id}, dedup=f"upload:{upload.id}")

        await self._database.transact(work)

    async def abort(self, ticket: str) -> None:
        """Throw the parts away. Raises TicketInvalid; one that was deployed stays."""

        async def work(tx: Tx) -> None:
            upload = await self._within(tx, ticket)
            if upload.state not in (DONE, CANCELLED):
                await multipart.abandon(tx, upload, self._lifetime)

        await self._database.transact(work)

    async def deploy(self, granted: Granted, target: Target, ticket: str, stated: Mapping[str, str]) -> Deployed:
        """Place what was uploaded.

        Raises ChecksumDeployFailed unless the same user uploaded it for this very path, and ChecksumMismatch.
        """
        upload = await multipart.find(self._database, self._id(ticket))
        fits = upload is not None and (upload.repo_id, upload.path, upload.actor) == (
            target.repository.id, target.path, granted.caller.name,
        )  # fmt: skip
        if upload is None or not fits or upload.state not in (READY, DONE):
            raise ChecksumDeployFailed(why="The multi-part upload is not finished, or was for another path.")
        sums = _checksums(upload.sums)
        verify(stated, sums, f"{target.repository.key}:{target.path}")
        if upload.state == DONE:  # the answer to an earlier try was lost
            return await self._deploy.again(target, sums.sha256)
        pieces = tuple(piece for _, piece in await multipart.pieces(self._database, upload.id))
        arrived = arrival(sums, inline=None, pieces=pieces)

        async def taken(tx: Tx) -> None:
            now = await self._within(tx, ticket)
            if now.state == DONE:
                raise _Overtaken
            if now.state != READY:
                raise ChecksumDeployFailed(why="The multi-part upload has just been given up.")
            await multipart.turn(tx, now, DONE, now.digest, self._lifetime)
            await multipart.adopt(tx, now.id)

        try:
            return await self._deploy.arrived(granted, target, arrived, taken)
        except _Overtaken:
            return await self._deploy.again(target, sums.sha256)

    async def _within(self, tx: Tx, ticket: str) -> Multipart:
        found = await multipart.find(tx, self._id(ticket))
        if found is None:
            raise TicketInvalid
        return found

    def _id(self, ticket: str) -> str:
        upload_id, _, signature = ticket.partition("-")
        if not hmac.compare_digest(self._signature(upload_id).encode(), signature.encode("utf-8", "replace")):
            raise TicketInvalid
        return upload_id

    def _signature(self, upload_id: str) -> str:
        return hmac.new(self._key, upload_id.encode("utf-8", "replace"), sha256).hexdigest()


class FindChecksums:
    """The job that reads an upload through once all of its parts are here. It may stop anywhere and begin anew."""

    def __init__(self, database: Database, content: Content, lifetime: int) -> None:
        self._database = database
        self._content = content
        self._lifetime = lifetime

    async def __call__(self, job: Job, renew: Renew) -> None:
        """Find the checksums; compare the SHA-1 that was announced."""
        upload = await multipart.find(self._database, str(job.payload["upload"]))
        if upload is None or upload.state != HASHING:
            return
        pieces = tuple(piece for _, piece in await multipart.pieces(self._database, upload.id))
        hashes = await self._read(upload, pieces, renew)
        if hashes is None:
            return
        found = hashes.checksums(sum(piece.size for piece in pieces))
        sums = Sums(found.sha256.hex(), found.sha1.hex(), found.md5.hex(), found.size)
        state, digest = READY, msgspec.json.encode(sums).decode()
        if upload.digest and upload.digest.lower() != sums.sha1:
            state, digest = FAILED, f"sha1: the client stated {upload.digest[:80]}, received {sums.sha1}"

        async def work(tx: Tx) -> None:
            now = await multipart.find(tx, upload.id)
            if now is not None and now.state == HASHING:
                await multipart.turn(tx, now, state, digest, self._lifetime)

        await self._database.transact(work)

    async def _read(self, upload: Multipart, pieces: tuple[Piece, ...], renew: Renew) -> Hashes | None:
        """Return the hashes of all bytes; None when nobody waits for them any more."""
        hashes, done, size = Hashes(), 0, sum(piece.size for piece in pieces)
        while done < size:
            until = min(done + _STEP, size)
            await rehash(self._content.read(pieces, done, until), hashes)
            done = until
            going_on = await self._note(upload, done)
            if not going_on or not await renew():
                return None
        return hashes

    async def _note(self, upload: Multipart, done: int) -> bool:
        return await self._database.transact(lambda tx: multipart.progress(tx, upload.id, done, self._lifetime))


def _still(upload: Multipart) -> Multipart:
    if upload.state != PARTS:
        raise WrongState(state=upload.state)
    return upload


def _checksums(sums: Sums) -> Checksums:
    return Checksums(bytes.fromhex(sums.sha256), bytes.fromhex(sums.sha1), bytes.fromhex(sums.md5), None, sums.size)
