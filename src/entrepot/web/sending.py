"""Replies onto the wire, in large pieces.

Content-Length is always stated when it is known, on HEAD too; nothing is ever compressed on the way (a transparently
compressed blob fails its digest check).
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from entrepot.asgi import Send
from entrepot.blobs.contract import StoreUnavailable
from entrepot.messages import FileSpan, Reply, encoded
from entrepot.repositories.content import BytesLost

_PIECE = 1 << 19  # bytes of a file that are read and sent at once: large enough that the hops between do not count
_GATHERED = 64 << 10  # bytes of a stream that leave together: small packets wait for each other's receipts (40 ms)
_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0)  # Linux only


class Cut(OSError):
    """A file is shorter than its blob."""


@dataclass(frozen=True, slots=True)
class _Opened(FileSpan):
    """A span whose first piece was read. It is here until it is sent: a client may take hours over the others."""

    descriptor: int
    first: list[bytes]


async def send_reply(reply: Reply, send: Send, *, head: bool, always: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send the reply, and let go of what it holds; fewer bytes are `sent` than were promised when the client went away.

    Servers tell that by a ConnectionError of `send` (ASGI specification, "Disconnected Client"), or not at all.
    """
    headers = [*reply.fixed, *always]
    if reply.headers:
        headers += encoded(reply.headers)
    length = reply.length if reply.length is not None else len(reply.body)
    streamed = reply.stream is not None and reply.length is None
    if not streamed and reply.status not in {204, 304}:
        headers.append((b"content-length", str(length).encode()))
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if head or reply.status == 304:
            await send({"type": "http.response.body", "body": b""})
        elif reply.file is not None:
            await _send_file(reply, reply.file, send)
        elif reply.stream is not None:
            await _send_stream(reply, reply.stream, send)
        else:
            await send({"type": "http.response.body", "body": reply.body})
            reply.sent = len(reply.body)
    except ConnectionError:
        pass
    finally:
        if isinstance(reply.file, _Opened):
            os.close(reply.file.descriptor)
        if reply.stream is not None:
            await _close(reply.stream)


async def _send_file(reply: Reply, span: FileSpan, send: Send) -> None:
    reply.file = opened = span if isinstance(span, _Opened) else await _opened(span)
    piece, place = opened.first.pop(), opened.start
    while True:
        more = place + len(piece) < opened.stop
        await send({"type": "http.response.body", "body": piece, "more_body": more})
        place += len(piece)
        reply.sent += len(piece)
        if not more:
            return
        piece = await _piece(opened.descriptor, place, min(place + _PIECE, opened.stop))


async def _opened(span: FileSpan) -> _Opened:
    """Return the span with its first piece. Raises BytesLost, StoreUnavailable."""
    try:
        file = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            first = await _piece(file, span.start, min(span.start + _PIECE, span.stop))
        except BaseException:
            os.close(file)
            raise
    except (FileNotFoundError, Cut) as error:
        error.filename = str(span.path)
        raise BytesLost(digest=span.digest) from error
    except OSError as error:
        raise StoreUnavailable from error
    return _Opened(span.path, span.start, span.stop, span.digest, file, [first])


async def _piece(file: int, start: int, stop: int) -> bytes:
    """Read on the loop what needs no waiting for a disk, and in a thread what does."""
    want = stop - start
    if _cached(file, stop - 1):
        piece = os.pread(file, want, start)
    else:
        piece = await asyncio.to_thread(os.pread, file, want, start)
    if want and not piece:
        raise Cut(errno.EIO, "the file is shorter than its blob")
    return piece


def _cached(file: int, place: int) -> bool:
    """Whether a byte is in the page cache; the one that is read last tells it for the piece before it."""
    if _NO_WAIT == 0:
        return False
    try:
        os.preadv(file, [bytearray(1)], max(place, 0), _NO_WAIT)
    except OSError:  # it is not, or this file system cannot tell
        return False
    return True


async def begun(reply: Reply) -> Reply:
    """Return the reply with its file or stream under way; one of unknown length as an ordinary body if it is short.

    Raises what the first pieces raise, a store that does not answer, say, while another answer can still be given.
    """
    if reply.file is not None:
        reply.file = await _opened(reply.file)
    if reply.stream is None:
        return reply
    pieces = reply.stream if reply.length is not None else _gathered(reply.stream)
    first = await anext(pieces, b"")
    if reply.length is None and len(first) < _GATHERED:
        await _close(pieces)
        reply.body, reply.stream = first, None
    else:
        reply.stream = _preceded(first, pieces)
    return reply


async def _gathered(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held, size = [], 0
    try:
        async for piece in stream:
            held.append(piece)
            size += len(piece)
            if size >= _GATHERED:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)
    finally:
        await _close(stream)


async def _preceded(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await _close(rest)


async def _send_stream(reply: Reply, stream: AsyncIterator[bytes], send: Send) -> None:
    async for piece in stream:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        reply.sent += len(piece)
    await send({"type": "http.response.body", "body": b""})


async def _close(stream: AsyncIterator[bytes]) -> None:
    """Have a stream let go of what it holds now, and not when it is found to be garbage."""
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()
