"""The reply that sends stored bytes: validators, ranges and the headers that clients of Artifactory read on every file."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from entrepot.clock import http_date
from entrepot.errors import Unsatisfiable
from entrepot.messages import Reply, Request, encoded
from entrepot.metadata.blob_rows import Stored
from entrepot.ranges import Conditions, evaluate, parse_range
from entrepot.repositories.byteranges import fill_parts
from entrepot.repositories.content import Content

_SAFE = "!#$&+-.^_`|~"


def deliver(
    request: Request,
    content: Content,
    stored: Stored,
    *,
    headers: list[tuple[str, str]],
    etag: str,
    file_name: str,
    modified: int | None = None,
) -> Reply:
    """Answer GET or HEAD of a blob: 200, 206, 304 or 416. `modified` is in milliseconds.

    Validators are accepted as we give them, bare or quoted, and as the sha1 that Artifactory gives.
    """
    fixed = _headers(stored.sha256, stored.sha1, stored.md5, tuple(headers), etag, file_name, modified=modified)
    return answer(request, content, stored, fixed, etag=etag, modified=modified)


def answer(
    request: Request,
    content: Content,
    stored: Stored,
    fixed: tuple[tuple[bytes, bytes], ...],
    *,
    etag: str,
    modified: int | None,
) -> Reply:
    """Answer as `deliver` does, with headers that are encoded already."""
    reply = Reply(200, fixed=fixed)
    if request.method != "GET":
        return content.fill(reply, stored)
    conditions = Conditions.of(request.headers)
    if conditions.any and evaluate(conditions, _tags(stored, etag), modified):
        reply.status = 304
        return reply
    header = request.headers.get("range")
    if header is None or not conditions.range_applies(_tags(stored, etag), modified):
        return content.fill(reply, stored)
    spans = parse_range(header, stored.size)
    if spans is None:
        return content.fill(reply, stored)
    if not spans:
        raise Unsatisfiable(size=stored.size, headers=[("content-range", f"bytes */{stored.size}")])
    if len(spans) > 1:
        return fill_parts(reply, content, stored, spans)
    (span,) = spans
    reply.status = 206
    reply.headers.append(("content-range", f"bytes {span.start}-{span.stop - 1}/{stored.size}"))
    return content.fill(reply, stored, span.start, span.stop)


def naming(file_name: str) -> list[tuple[str, str]]:
    """Return the headers by which clients name the file that they save."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "_" for c in file_name)
    return [
        ("x-artifactory-filename", quote(file_name, safe=_SAFE)),
        ("content-disposition", f'attachment; filename="{plain}"'),
    ]


# By digests rather than by `Stored`, which holds the bytes of small blobs: what is remembered has a bound.
@lru_cache(maxsize=4096)
def _headers(
    sha256: bytes,
    sha1: bytes,
    md5: bytes,
    headers: tuple[tuple[str, str], ...],
    etag: str,
    file_name: str,
    *,
    modified: int | None,
) -> tuple[tuple[bytes, bytes], ...]:
    common = [
        *headers,
        ("etag", etag),
        ("x-checksum-sha256", sha256.hex()),
        ("x-checksum-sha1", sha1.hex()),
        ("x-checksum-md5", md5.hex()),
        *naming(file_name),
    ]
    if modified is not None:
        common.append(("last-modified", http_date(modified)))
    common.append(("accept-ranges", "bytes"))
    return encoded(common)


def _tags(stored: Stored, etag: str) -> tuple[str, ...]:
    return etag.strip('"'), stored.sha1.hex(), stored.digest
