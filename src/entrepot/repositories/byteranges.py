"""Several ranges of one blob in one answer: multipart/byteranges (RFC 9110, 14.6)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence

from entrepot.messages import Reply
from entrepot.metadata.blob_rows import Stored
from entrepot.ranges import Span
from entrepot.repositories.content import Content


def fill_parts(reply: Reply, content: Content, stored: Stored, spans: Sequence[Span]) -> Reply:
    """Make the spans the reply's payload, in their order; its own media type goes into the parts."""
    media_type = dict(reply.fixed).get(b"content-type", b"application/octet-stream").decode("latin-1")
    boundary = secrets.token_hex(16)
    heads = [_head(boundary, media_type, span, stored.size) for span in spans]
    end = f"\r\n--{boundary}--\r\n".encode()

    async def parts() -> AsyncIterator[bytes]:
        for head, span in zip(heads, spans, strict=True):
            yield head
            async for piece in content.span(stored, span.start, span.stop):
                yield piece
        yield end

    reply.status = 206
    reply.fixed = tuple(pair for pair in reply.fixed if pair[0] != b"content-type")
    reply.headers.append(("content-type", f"multipart/byteranges; boundary={boundary}"))
    reply.length = sum(map(len, heads)) + sum(span.stop - span.start for span in spans) + len(end)
    reply.stream = parts()
    return reply


def _head(boundary: str, media_type: str, span: Span, size: int) -> bytes:
    place = f"bytes {span.start}-{span.stop - 1}/{size}"
    return f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n".encode(
        "latin-1", "replace"
    )
