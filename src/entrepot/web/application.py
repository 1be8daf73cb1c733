"""The application: ASGI in, values through the rooms, ASGI out. The only module that knows the server's types.

Why ASGI and not RSGI: RSGI hides when a chunked body was cut off, and gives the path decoded only (docs/adr/0003).
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from entrepot.access.actions import NOTHING, Action
from entrepot.access.caller import ANONYMOUS
from entrepot.asgi import Receive, Scope, Send
from entrepot.errors import EntrepotError, Invalid
from entrepot.formats.docker.challenge import challenge_for
from entrepot.formats.docker.errors import InsufficientScope
from entrepot.messages import Face, Reply, Request, Row, encoded
from entrepot.web.base import Doors, unmapped
from entrepot.web.bodies import StreamedBody, parse_query
from entrepot.web.errors import error_reply, face_of
from entrepot.web.pipeline import Pipeline
from entrepot.web.sending import begun, send_reply
from entrepot.web.table import Match, Table
from entrepot.web.traces import trace_of

_BASIC = 'Basic realm="Artifactory Realm"'
_OCI = ("docker-distribution-api-version", "registry/2.0")


class Watcher(Protocol):
    """Who is told of each request once it is answered: logs and metrics."""

    def answered(self, request: Request, row: Row | None, reply: Reply, *, seconds: float, sent: int) -> None:
        """Note one answered request; must not raise, must not block."""
        ...

    def failed(self, request: Request, error: BaseException) -> None:
        """Note an error that is our own fault, with its traceback, or that of a part we rely on, with its reason."""
        ...


class AsgiHeaders:
    """Request headers over ASGI's list (`messages.Headers`)."""

    __slots__ = ("_first", "_raw")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._first = dict(reversed(raw))

    def call(self, host: str) -> None:
        """Have Host be another one."""
        self._first[b"host"] = host.encode()

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value."""
        value = self._first.get(name.encode())
        return default if value is None else value.decode("latin-1")

    def get_all(self, name: str) -> list[str]:
        """Return all values, in order."""
        wanted = name.encode()
        return [value.decode("latin-1") for key, value in self._raw if key == wanted]


class Application:
    """Answer HTTP requests."""

    def __init__(
        self, table: Table, pipeline: Pipeline, *, doors: Doors, watcher: Watcher, always: tuple[tuple[str, str], ...]
    ) -> None:
        self._table = table
        self._pipeline = pipeline
        self._doors = doors
        self._watcher = watcher
        self._always = encoded(always)
        self._always_oci = encoded((*always, _OCI))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Whatever happens, the client gets an answer in its own shape, and never a traceback."""
        started = time.perf_counter()
        request, row, reply = await self._answer(scope, receive)
        always = self._always_oci if request.path.startswith("/v2") else self._always
        trace = request.id.encode()
        always = (*always, (b"x-request-id", trace), (b"x-jfrog-trace-id", trace))
        try:
            await send_reply(reply, send, head=request.method == "HEAD", always=always)
            if reply.after is not None and reply.sent:
                reply.after()
        finally:
            self._watcher.answered(request, row, reply, seconds=time.perf_counter() - started, sent=reply.sent)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Request, Row | None, Reply]:
        request = self._request(scope, receive)
        match: Match | None = None
        try:
            match = self._match(request, scope)
            if request.query_string:
                request.query = parse_query(request.query_string)
            if match.row.action != "public":
                request.caller = await self._pipeline.identify(request, match.row)
            reply = await self._pipeline.run(request, match.row)
            return request, match.row, reply if request.method == "HEAD" else await begun(reply)
        except EntrepotError as error:
            request.claimed = error.claimed
            if error.status >= 500:
                self._watcher.failed(request, error)
            return request, match.row if match else None, self._refusal(request, match, error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the last line: logged with its traceback, told as 500
            self._watcher.failed(request, error)
            told = EntrepotError(f"Internal error; the log has it under {request.id}.")
            return request, match.row if match else None, self._refusal(request, match, told)

    def _request(self, scope: Scope, receive: Receive) -> Request:
        headers = AsgiHeaders(scope["headers"])
        peer = unmapped(scope["client"][0]) if scope.get("client") else ""
        if host := self._doors.host(headers, scope["scheme"], peer):
            headers.call(host)
        length = headers.get("content-length")
        if length is not None and length.isdigit():
            declared: int | None = int(length)
        else:
            declared = None if headers.get("transfer-encoding") is not None else _no_body(scope)
        return Request(
            method=scope["method"],
            path=_raw_path(scope),
            query={},
            headers=headers,
            body=StreamedBody(receive, declared),
            id=trace_of(headers),
            address=self._doors.address(headers, peer),
            base_of=lambda: self._doors.base(headers, scope["scheme"], peer),
            caller=ANONYMOUS,
            query_string=scope["query_string"].decode("latin-1"),
        )

    def _match(self, request: Request, scope: Scope) -> Match:
        if request.headers.get("transfer-encoding") is not None and request.headers.get("content-length") is not None:
            raise Invalid("Content-Length and Transfer-Encoding contradict each other.")
        port = int(scope["server"][1] or 0) if scope.get("server") else 0  # text, from Granian
        access = self._doors.access(request.path, request.headers, port)
        path = access.path
        if not path.startswith("/v2"):
            while "//" in path:  # some clients join URLs carelessly
                path = path.replace("//", "/")
        match = self._table.find(request.method, path)
        request.words = {**match.words, "repo": access.repository} if access.repository else match.words
        request.prefix = access.prefix
        request.path = path
        return match

    def _refusal(self, request: Request, match: Match | None, error: EntrepotError) -> Reply:
        face: Face = match.row.face if match else face_of(request.path)
        challenge = _BASIC
        if error.status == 401 and face == "oci":
            needed = Action[match.row.action] if match and match.row.target else NOTHING
            narrow = "insufficient_scope" if isinstance(error, InsufficientScope) else ""
            challenge = challenge_for(request, needed, narrow)
        return error_reply(error, face, challenge)


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if raw.isascii():
        return raw.decode("ascii")
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


def _no_body(scope: Scope) -> int | None:
    """Without a length and without chunks HTTP/1 has no body; HTTP/2 needs neither to have one."""
    return None if scope.get("http_version", "1.1").startswith("2") else 0
