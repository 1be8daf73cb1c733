"""The head of an answer as bytes, and how its body is framed (RFC 9112, 6.3)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from enum import Enum, auto
from http import HTTPStatus

_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_REFUSALS = {
    400: "The request is not valid HTTP/1.1.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    431: "The header fields are too large.",
    501: "Unknown methods, transfer codings other than chunked, and other servers' URLs are not implemented here.",
    503: "Too many requests at once on one connection.",
    505: "HTTP/1.0 and HTTP/1.1 are understood here.",
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Framing(Enum):
    """How the client finds the end of a body."""

    NONE = auto()
    """There is no body: an answer to HEAD, 204, 304."""
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    """By the end of the connection, for clients of HTTP/1.0."""


class BadHeader(ValueError):
    """A header field of ours holds a line break: sent as it is, it would be an answer of somebody else's making."""


class _Clock:
    """The Date field, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self._line


_clock = _Clock()


def head(status: int, headers: Iterable[tuple[bytes, bytes]], framing: Framing, *, version: str, keep: bool) -> bytes:
    """Return status line and header fields, the empty line included. Raises BadHeader."""
    lines = [_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    lines += [name + b": " + value + b"\r\n" for name, value in headers]
    lines.append(_clock.line())
    if framing is Framing.CHUNKED:
        lines.append(b"transfer-encoding: chunked\r\n")
    if not keep:
        lines.append(b"connection: close\r\n")
    elif version == "1.0":
        lines.append(b"connection: keep-alive\r\n")
    lines.append(b"\r\n")
    text = b"".join(lines)
    if text.count(b"\n") != len(lines) or text.count(b"\r") != len(lines):
        raise BadHeader
    return text


def plain(status: int, words: str) -> bytes:
    """Return a whole answer in a line of text, after which the connection ends."""
    body = f"{words}\n".encode()
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    return head(status, fields, Framing.LENGTH, version="1.1", keep=False) + body


def refusal(status: int) -> bytes:
    """Return the whole answer to what is no request, after which the connection ends."""
    return plain(status, _REFUSALS[status])
