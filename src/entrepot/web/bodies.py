"""Request bodies as they arrive from the server, and query strings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

from entrepot.asgi import Receive
from entrepot.errors import Invalid, TooLarge

_FIELDS = 200
# For what is read whole, by whom is often not known yet: a time, and bytes a second beyond it.
_SECONDS = 60
_LEAST_RATE = 16 << 10


class BodyBroken(Invalid):
    """The connection was lost before the whole body had arrived."""

    code = "BLOB_UPLOAD_INVALID"


class BodySlow(Invalid):
    """The body took too long to arrive."""

    status = 408


class StreamedBody:
    """The body of one request (`messages.Body`)."""

    __slots__ = ("_receive", "ended", "length", "received")

    def __init__(self, receive: Receive, length: int | None) -> None:
        self._receive = receive
        self.length = length
        self.ended = length == 0
        self.received = 0
        """Bytes that were taken in; those of a body that nobody wanted are not."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces. Raises BodyBroken when the client goes away, or sends another length than it declared."""
        while not self.ended:
            message = await self._receive()
            if message["type"] != "http.request":
                self.ended = True
                raise BodyBroken
            piece: bytes = message.get("body", b"")
            self.received += len(piece)
            if not message.get("more_body", False):
                self.ended = True
            if piece:
                yield piece
        if self.length is not None and self.received != self.length:
            raise BodyBroken

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises TooLarge as soon as it is longer than `limit` bytes, BodySlow, BodyBroken."""
        if self.length is not None and self.length > limit:
            raise TooLarge(limit=limit)
        try:
            async with asyncio.timeout(_SECONDS + limit / _LEAST_RATE):
                return await self._read(limit)
        except TimeoutError:
            raise BodySlow from None

    async def _read(self, limit: int) -> bytes:
        pieces, seen = [], 0
        async for piece in self:
            seen += len(piece)
            if seen > limit:
                raise TooLarge(limit=limit)
            pieces.append(piece)
        return b"".join(pieces)


class TooManyParameters(Invalid):
    """The query string has too many parameters."""

    status = 414


def parse_query(query: str) -> dict[str, list[str]]:
    """Return the decoded parameters. Raises TooManyParameters, and Invalid on escapes that are not UTF-8."""
    if not query:
        return {}
    if query.count("&") >= _FIELDS:
        raise TooManyParameters
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError as error:
        raise Invalid("The query string is not valid.") from error
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
