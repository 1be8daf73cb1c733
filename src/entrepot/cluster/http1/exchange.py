"""One request and its answer, as ASGI has them (ASGI specification, "HTTP & WebSocket ASGI Message Format")."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from entrepot.asgi import Asgi, Message, Scope
from entrepot.cluster.http1.answering import Framing, head, plain
from entrepot.cluster.http1.body import Body
from entrepot.cluster.http1.bounds import DRAINED
from entrepot.cluster.http1.outbound import ClientGone
from entrepot.cluster.http1.reading import Head

_BODILESS = frozenset({204, 304})

log = structlog.get_logger()


class Line(Protocol):
    """The connection, as one exchange sees it."""

    @property
    def last(self) -> bool:
        """Whether the connection ends with this answer, whatever the client wishes."""
        ...

    async def write(self, *pieces: bytes) -> None:
        """Send, and wait while the client is slow. Raises ClientGone."""
        ...

    def unframed(self) -> None:
        """The end of the connection will be that of the answer."""
        ...

    def answered(self) -> None:
        """The application has returned."""
        ...


class Exchange:
    """One request, from its complete head to the end of its answer."""

    def __init__(self, line: Line, request: Head, scope: Scope, body: Body) -> None:
        self._line = line
        self._scope = scope
        self.request = request
        self.body = body
        self.task: asyncio.Task[None] | None = None
        self.keep = request.keep
        """Whether the connection can be used again."""
        self.complete = False
        """Whether the whole answer was handed over."""
        self.started = False
        """Whether the head of the answer was handed over."""
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._framing = Framing.NONE
        self._left = 0  # bytes still promised

    async def run(self, application: Asgi) -> None:
        """Have the application answer. Whatever it does, no client takes half an answer for a whole one."""
        try:
            await application(self._scope, self.body.message, self.send)
        except ClientGone:
            pass
        except Exception:
            log.exception("exchange.failed", method=self.request.method, path=repr(self.request.path)[:200])
            await self._apologise()
        finally:
            self._line.answered()

    async def send(self, message: Message) -> None:
        """Send the next part of the answer. Raises ClientGone, BadHeader, and RuntimeError for more than was promised."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
            return
        piece: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        first = b""
        if not self.started:
            first = self._begin(None if more else len(piece))
            self.started = True
        self.complete = not more
        if self._framing is Framing.CHUNKED:
            await self._line.write(first, *_chunk(piece, last=not more))
            return
        if self._framing is Framing.NONE:
            piece = b""
        elif self._framing is Framing.LENGTH:
            self._left -= len(piece)
            if self._left < 0 or (self._left and not more):
                self.complete = False
                raise RuntimeError("the body has another length than its header says")
        await self._line.write(first, piece)

    @property
    def unframed(self) -> bool:
        """Whether only the end of the connection tells that of the answer."""
        return self._framing is Framing.CLOSE

    def _begin(self, size: int | None) -> bytes:
        """Decide on framing and on the connection, and return the head. `size` is that of the body, if this is all of it."""
        headers = list(self._headers)
        declared = next((int(value) for name, value in headers if name == b"content-length"), None)
        if self._status in _BODILESS or self.request.method == "HEAD":
            self._framing = Framing.NONE
        elif declared is not None or size is not None:
            self._framing = Framing.LENGTH
            self._left = size or 0 if declared is None else declared
            if declared is None:
                headers.append((b"content-length", b"%d" % self._left))
        else:
            self._framing = Framing.CHUNKED if self.request.version == "1.1" else Framing.CLOSE
        if self._framing is Framing.CLOSE:
            self._line.unframed()
        if self._line.last or self._framing is Framing.CLOSE or not self._reusable():
            self.keep = False
        return head(self._status, headers, self._framing, version=self.request.version, keep=self.keep)

    def _reusable(self) -> bool:
        """Whether what may still come of the body is little, and will come."""
        if self.body.ended:
            return True
        return not self.request.expects and self.request.length is not None and self.request.length <= DRAINED

    async def _apologise(self) -> None:
        self.keep = False
        if self.started:
            return  # the connection ends too early, which no client overlooks
        self.started = self.complete = True
        try:
            answer = plain(500, "Internal Server Error")
            end = answer.index(b"\r\n\r\n") + 4
            await self._line.write(answer[:end], b"" if self.request.method == "HEAD" else answer[end:])
        except ClientGone:
            return


def _chunk(piece: bytes, *, last: bool) -> tuple[bytes, ...]:
    parts = (b"%x\r\n" % len(piece), piece, b"\r\n") if piece else ()
    return (*parts, b"0\r\n\r\n") if last else parts


def scope_of(request: Head, peer: object, local: object) -> dict[str, object]:
    """Return what the application is told of a request; `peer` and `local` are the two ends of its connection."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": request.version,
        "method": request.method,
        "scheme": "http",
        "path": request.path.decode("latin-1"),
        "raw_path": request.path,
        "query_string": request.query,
        "headers": request.headers,
        "client": peer,
        "server": local,
    }
