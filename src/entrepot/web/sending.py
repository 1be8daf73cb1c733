"""Replies onto the wire, in large pieces.

Content-Length is always stated when it is known, on HEAD too; nothing is ever compressed on the way (a transparently
compressed blob fails its digest check).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator

from entrepot.asgi import Send
from entrepot.messages import FileSpan, Reply, encoded

_PIECE = 1 << 19  # bytes of a file that are read and sent at once: large enough that the hops between do not count
_GATHERED = 64 << 10  # bytes of a stream that leave together: small packets wait for each other's receipts (40 ms)
_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0)  # Linux only


async def send_reply(reply: Reply, send: Send, *, head: bool, always: tuple[tuple[bytes, bytes], ...] = ()) -> int:
    """Send the reply and return how many bytes of payload left; fewer than promised when the client went away.

    Servers tell that by a ConnectionError of `send` (ASGI specification, "Disconnected Client"), or not at all.
    """
    headers = [*reply.fixed, *always]
    if reply.headers:
        headers += encoded(reply.headers)
    length = reply.length if reply.length is not None else len(reply.body)
    streamed = reply.stream is not None and reply.length is None
    if not streamed and reply.status not in {204, 304}:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if head or reply.status == 304:
        return await _send_body(b"", send)
    if reply.file is not None:
        return await _send_file(reply.file, send)
    if reply.stream is not None:
        return await _send_stream(reply.stream, send)
    return await _send_body(reply.body, send)


async def _send_body(body: bytes, send: Send) -> int:
    try:
        await send({"type": "http.response.body", "body": body})
    except ConnectionError:
        return 0
    return len(body)


async def _send_file(span: FileSpan, send: Send) -> int:
    file = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
    place = span.start
    try:
        more = True
        while more:
            piece = await _piece(file, place, min(place + _PIECE, span.stop))
            more = place + len(piece) < span.stop
            await send({"type": "http.response.body", "body": piece, "more_body": more})
            place += len(piece)
    except ConnectionError:
        pass
    finally:
        os.close(file)
    return place - span.start


async def _piece(file: int, start: int, stop: int) -> bytes:
    """Read on the loop what needs no waiting for a disk, and in a thread what does."""
    want = stop - start
    if _cached(file, stop - 1):
        piece = os.pread(file, want, start)
    else:
        piece = await asyncio.to_thread(os.pread, file, want, start)
    if want and not piece:
        raise OSError("the file is shorter than its blob")
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
    """Return the reply with its stream under way; one of unknown length as an ordinary body if it is short.

    Raises what the first pieces raise, a store that does not answer, say, while another answer can still be given.
    """
    if reply.stream is None:
        return reply
    pieces = reply.stream if reply.length is not None else _gathered(reply.stream)
    first = await anext(pieces, b"")
    if reply.length is None and len(first) < _GATHERED:
        reply.body, reply.stream = first, None
    else:
        reply.stream = _preceded(first, pieces)
    return reply


async def _gathered(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held, size = [], 0
    async for piece in stream:
        held.append(piece)
        size += len(piece)
        if size >= _GATHERED:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def _preceded(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _send_stream(stream: AsyncIterator[bytes], send: Send) -> int:
    sent = 0
    try:
        async for piece in stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
        await send({"type": "http.response.body", "body": b""})
    except ConnectionError:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()  # what it holds is let go now, and not when it is found to be garbage
    return sent
