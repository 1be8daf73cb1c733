"""Multi-part uploads by REST, as `jf` makes them of files of 200 MiB and more (reference 7.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from entrepot.access.actions import Action
from entrepot.artifacts.deploy import writable
from entrepot.artifacts.multipart import TicketInvalid, Uploads
from entrepot.errors import Invalid
from entrepot.messages import NO_STORE, Gate, Parameter, Reply, Request, Row, json_reply
from entrepot.metadata.multipart import CANCELLED, DONE, FAILED, HASHING, PARTS, READY, Multipart
from entrepot.paths import RepoPath
from entrepot.repositories.granted import Granter
from entrepot.repositories.project_quota import Room
from entrepot.repositories.repository import Repository

_UPLOADS: Final = "/artifactory/api/v1/uploads"
_WORDS: Final = {
    PARTS: "PARTS", HASHING: "PROCESSING", READY: "FINISHED", DONE: "FINISHED", FAILED: "NON_RETRYABLE_ERROR",
    CANCELLED: "ABORTED",
}  # fmt: skip
_CREATE: Final = (
    Parameter("repoKey", "The repository", required=True), Parameter("repoPath", "The path of the file", required=True),
    Parameter("partSizeMB", "How large parts will be", "integer"),
)  # fmt: skip
_NUMBER: Final = (Parameter("partNumber", "Which part, from 1 on", "integer", required=True),)
_SHA1: Final = (Parameter("sha1", "Of the whole file, to compare"),)


class UploadsApi:
    """The handlers."""

    def __init__(self, uploads: Uploads, granter: Granter, room: Room, taking: tuple[Gate, ...] = ()) -> None:
        self._uploads = uploads
        self._room = room
        self._taking = taking  # the gates before what takes bytes in
        self._granter = granter

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. But for the first two they are open to all: the ticket is the credential."""
        return (
            Row("GET", f"{_UPLOADS}/config", "uploads.config", "user", self.config, response=dict,
                summary="Whether files can be uploaded in parts"),
            Row("POST", f"{_UPLOADS}/create", "uploads.create", "user", self.create,
                gates=self._taking, parameters=_CREATE, response=dict,
                summary="Begin a multi-part upload"),
            Row("POST", f"{_UPLOADS}/urlPart", "uploads.part.url", "public", self.part_url, parameters=_NUMBER,
                response=dict, summary="Where to put a part"),
            Row("PUT", f"{_UPLOADS}/part", "uploads.part", "public", self.part, gates=self._taking, parameters=_NUMBER,
                request="application/octet-stream", summary="Put a part"),
            Row("POST", f"{_UPLOADS}/complete", "uploads.complete", "public", self.complete, parameters=_SHA1, status=202,
                summary="All parts are here"),
            Row("POST", f"{_UPLOADS}/status", "uploads.status", "public", self.status, response=dict,
                summary="How far a multi-part upload is"),
            Row("POST", f"{_UPLOADS}/abort", "uploads.abort", "public", self.abort, status=204,
                summary="Give a multi-part upload up"),
        )  # fmt: skip

    async def config(self, _: Request) -> Reply:
        """GET."""
        return json_reply({"supported": True})

    async def create(self, request: Request) -> Reply:
        """POST: whoever may deploy there."""
        key, path = _asked(request, "repoKey"), RepoPath.parse(quote(_asked(request, "repoPath"), safe="/"))
        granted = self._granter.grant(request.caller, Action.DEPLOY, key, path.text, folder=path.is_folder)
        repository = writable(granted, path)
        if path.is_folder:
            raise Invalid("The repoPath must be the path of a file.")
        await self._room(repository, 0)
        reply = json_reply({"token": await self._uploads.begin(granted, repository, path.text)})
        reply.headers.append(NO_STORE)
        return reply

    async def part_url(self, request: Request) -> Reply:
        """POST: a URL that carries the ticket, for a client that sends no credentials there."""
        ticket = _ticket(request)
        await self._uploads.find(ticket)
        url = f"{request.base}{_UPLOADS}/part?partNumber={_number(request)}&token={ticket}"
        return json_reply({"url": url})

    async def part(self, request: Request) -> Reply:
        """PUT."""
        ticket = _asked(request, "token")
        repository = self._granter.repository((await self._uploads.find(ticket)).repo_id)
        body = aiter(request.body) if repository is None else self._counted(repository, aiter(request.body))
        await self._uploads.part(ticket, _number(request), body)
        return Reply(200)

    async def complete(self, request: Request) -> Reply:
        """POST: 202; the outcome is asked for by `status`."""
        await self._uploads.complete(_ticket(request), _asked(request, "sha1", required=False)[:128])
        return Reply(202)

    async def status(self, request: Request) -> Reply:
        """POST."""
        ticket = _ticket(request)
        return json_reply(await self._told(await self._uploads.find(ticket), ticket))

    async def abort(self, request: Request) -> Reply:
        """POST."""
        await self._uploads.abort(_ticket(request))
        return Reply(204)

    async def _counted(self, repository: Repository, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield a body whose pieces take room as they arrive. Raises what `Room` does."""
        async for piece in body:
            await self._room(repository, len(piece))
            yield piece

    async def _told(self, upload: Multipart, ticket: str) -> dict[str, Any]:
        told: dict[str, Any] = {"status": _WORDS[upload.state]}
        if upload.state == HASHING:
            told["progress"] = await self._uploads.percent(upload)
        elif upload.state in (READY, DONE):
            told |= {"progress": 100, "checksumToken": ticket}
        elif upload.state == FAILED:
            told["error"] = upload.digest
        return told


def _ticket(request: Request) -> str:
    """Return the ticket that the client sends as its Bearer token. Raises TicketInvalid."""
    scheme, _, text = (request.headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        raise TicketInvalid
    return text.strip()


def _asked(request: Request, name: str, *, required: bool = True) -> str:
    values = request.query.get(name)
    if not values or not values[0]:
        if required:
            raise Invalid(f"The parameter '{name}' is missing.")
        return ""
    return values[0]


def _number(request: Request) -> int:
    text = _asked(request, "partNumber")
    if not (text.isascii() and text.isdigit()):
        raise Invalid("The partNumber must be a number.")
    return int(text[:9])
