"""Requests out of bytes: the parser of Node.js (llhttp, by httptools) and the bounds that it leaves to us.

llhttp refuses what front ends and back ends are known to read differently (RFC 9112, 11.2): a length beside chunks, two
lengths, folded lines, line feeds alone, control characters. It knows no bounds, and it gives trailer fields as if they
were header fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

_FRAMES = 64 << 10  # bytes of chunk extensions and trailers that may come without a byte of body
_FRAME_PER_BYTE = 16  # one-byte chunks need 5
_VERSIONS = frozenset({"1.0", "1.1"})
_EMPTY_LINES = b"\r\n"  # may come before a request (RFC 9112, 2.2)
_FIELD_COST = 100  # bytes that a field takes beside its own
_MOST_DIGITS = 19  # a length that no counter overflows
_METHOD = re.compile(rb"[\r\n]*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ")
_OTHER_PROTOCOL = rb"%b +%b +(?:RTSP|ICE)/[0-9.]+\r?\n"  # as a request line, which a body may come before


class Refused(Exception):
    """What was sent is not answered by the application; nothing that follows on this connection can be trusted."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Head:
    """Request line and header fields: names in lower case, the path as it was sent, nothing decoded."""

    method: str
    path: bytes
    query: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    length: int | None
    """The declared length of the body; None when it comes in chunks."""
    keep: bool
    """Whether the client lets the connection be used again."""
    expects: bool
    """Whether the client waits for `100 Continue` before it sends the body."""


class Receiver(Protocol):
    """Who is told what arrives, in this order for each request. May raise Refused."""

    def begun(self) -> None:
        """The first byte of a request is here."""
        ...

    def requested(self, head: Head) -> None:
        """Its header fields are complete."""
        ...

    def piece(self, piece: bytes) -> None:
        """Some bytes of its body."""
        ...

    def ended(self, *, keep: bool) -> None:
        """It is complete. `keep` tells whether the client still lets the connection be used again, after its trailers."""
        ...


class Reader:
    """Parse what one client sends."""

    def __init__(self, receiver: Receiver, head_bytes: int) -> None:
        self._receiver = receiver
        self._most = head_bytes
        self._parser = HttpRequestParser(self)
        self._in_line = False  # what comes next continues a request line
        self.in_head = False
        """A request has begun and its header fields are not complete."""
        self._framed = 0  # bytes of the current body that were not body
        self._in_body = False
        self._resumed = False  # a new parser is told what the one before it knew
        self._partial = 0
        self._seen: list[bytes] = []  # what came since the piece that a head which is not complete has begun in
        self._headers: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._size = 0
        self._hosts = 0
        self._length: int | None = 0
        self._expects = False
        self._unknown = ""  # the method of this request, under another name in the parser

    def feed(self, data: bytes) -> None:
        """Tell the receiver what these bytes are. Raises Refused, after which there is no going on."""
        between = not self.in_head and not self._in_body
        in_line = between or (self.in_head and self._in_line)
        if self.in_head:
            self._partial += len(data)
        if self._in_body:
            self._framed += len(data)
        elif in_line and not data.isascii():
            data = _escaped(data, between=between)
        self._seen.append(data)
        if not self._parse(data):
            self._parse_renamed(data, between=between)
        if self.in_head:
            self._in_line = in_line and b"\n" not in (data.lstrip(_EMPTY_LINES) if between else data)
        else:
            self._seen.clear()
        if self._partial > self._most:
            raise Refused(431)
        if self._framed > _FRAMES:
            raise Refused(400)

    def _parse(self, data: bytes) -> bool:
        """Return False at a request whose method the parser does not know. Raises Refused."""
        while data:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:  # we speak nothing else, and may pass over it (RFC 9110, 7.8)
                data = data[upgrade.args[0] :]
                self._begin_anew()
            except HttpParserCallbackError as error:  # what a method below raised
                raise (error.__context__ or error) from None
            except HttpParserInvalidMethodError:
                return False
            except HttpParserError:
                raise Refused(400) from None
            else:
                break
        return True

    def _parse_renamed(self, data: bytes, *, between: bool) -> None:
        """Parse a request whose method llhttp does not know, so that the application can say what there is at its path.

        Raises Refused, also if that request did not come as the first of this data and with its whole line.
        """
        found = _METHOD.match(data)
        if between and found is None:
            raise Refused(400)
        if not between or found is None or b"\n" not in data[found.end() :] or not _is_unknown(found[1]):
            raise Refused(501)
        self._unknown = found[1].decode()
        self._parser = HttpRequestParser(self)
        if not self._parse(b"PUT" + data[found.end(1) :]):
            raise Refused(501)  # at the request after it

    def _begin_anew(self) -> None:
        """Replace a parser that takes the rest for another protocol; the new one is told of the body that it passes over."""
        self._parser = HttpRequestParser(self)
        if self._in_body:
            length = b"Transfer-Encoding: chunked" if self._length is None else b"Content-Length: %d" % self._length
            self._resumed = True
            self._parser.feed_data(b"PUT / HTTP/1.1\r\n" + length + b"\r\n\r\n")
            self._resumed = False

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Forget the request before."""
        if self._resumed:
            return
        self.in_head = True
        self._headers = []
        self._target = b""
        self._size = self._partial = self._hosts = 0
        self._length = 0
        self._expects = False
        self._receiver.begun()

    def on_url(self, piece: bytes) -> None:
        """Take in a part of the target."""
        if not self.in_head:
            return
        self._target += piece
        self._grow(len(piece))

    def on_header(self, name: bytes, value: bytes | None) -> None:
        """Take in a field."""
        if not self.in_head:
            return  # a trailer field: no handler asks for one, and header fields it must not become
        name, value = name.lower(), (value or b"").strip(b" \t")  # llhttp leaves the spaces that end a value
        self._grow(len(name) + len(value) + _FIELD_COST)
        self._headers.append((name, value))
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            if len(value) > _MOST_DIGITS:
                raise Refused(413)
            self._length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise Refused(501)  # RFC 9112, 6.1
            self._length = None
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Judge what RFC 9112 asks of a head as a whole, and hand it over."""
        if not self.in_head:
            return
        self.in_head = False
        self._partial = self._framed = 0
        version = self._parser.get_http_version()
        if version not in _VERSIONS or self._is_of_another_protocol():
            raise Refused(505)
        if self._hosts != 1 and (self._hosts or version == "1.1"):
            raise Refused(400)  # RFC 9112, 3.2
        if self._length is None and version == "1.0":
            raise Refused(400)  # RFC 9112, 6.1: who passed it on cannot have understood it
        self._in_body = True
        authority, path, query = _split(self._target)
        if authority:  # it counts, and not the field (RFC 9112, 3.2.2)
            self._headers = [(name, authority if name == b"host" else value) for name, value in self._headers]
        keep, expects = self._parser.should_keep_alive(), self._expects and version == "1.1"
        method = self._parser.get_method().decode()
        if self._unknown:  # whoever sends such a thing is not believed any further
            method, keep, self._unknown = self._unknown, False, ""
        self._receiver.requested(Head(method, path, query, version, self._headers, self._length, keep, expects))

    def on_body(self, piece: bytes) -> None:
        """Hand a piece over."""
        self._framed = max(0, self._framed - len(piece) * (1 + _FRAME_PER_BYTE))
        self._receiver.piece(piece)

    def on_message_complete(self) -> None:
        """Tell that it is complete, unless its body was passed over."""
        if self._parser.should_upgrade() and self._length != 0:
            return
        self._in_body = False
        self._framed = 0
        self._receiver.ended(keep=self._parser.should_keep_alive())

    def _is_of_another_protocol(self) -> bool:
        """Whether the request line names a protocol that llhttp speaks as well, and does not tell from HTTP."""
        seen = b"".join(self._seen)
        self._seen = [seen]
        if b" RTSP/" not in seen and b" ICE/" not in seen:
            return False
        method = self._unknown.encode() or self._parser.get_method()
        return re.search(_OTHER_PROTOCOL % (re.escape(method), re.escape(self._target)), seen) is not None

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._most:
            raise Refused(431)


def _split(target: bytes) -> tuple[bytes, bytes, bytes]:
    """Return authority, path and query of a request target (RFC 9112, 3.2); most name no authority.

    Raises Refused on the form that asks for a tunnel, and on none of the forms.
    """
    authority = b""
    if not target.startswith(b"/") and target != b"*":
        scheme, found, rest = target.partition(b"://")
        if not found or scheme.lower() not in {b"http", b"https"}:
            raise Refused(501 if b":" in target else 400)
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        target = rest[len(authority) :]
    path, _, query = target.partition(b"?")
    if b"#" in target or b"@" in authority:
        raise Refused(400)
    return authority, path or b"/", query


def _is_unknown(method: bytes) -> bool:
    try:
        HttpRequestParser(object()).feed_data(method + b" ")
    except HttpParserInvalidMethodError:
        return True
    return False


def _escaped(data: bytes, *, between: bool) -> bytes:
    """Percent-encode what is not ASCII in the request line: curl sends paths as people type them, and llhttp refuses them.

    Only in a request that was not sent ahead of the answer before it, which nobody does who types paths.
    """
    line = data.lstrip(_EMPTY_LINES) if between else data
    start = len(data) - len(line)
    end = data.find(b"\n", start)
    line = data[start:] if end < 0 else data[start:end]
    if line.isascii():  # it was the fields or the body behind it
        return data
    escaped = b"".join(b"%%%02X" % byte if byte > 0x7F else b"%c" % byte for byte in line)
    return data[:start] + escaped + data[start + len(line) :]
