"""What one operation is, mode by mode; `load/` has the same in Go, and README.md says what each is for."""

import argparse
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bench.content import MANIFEST_TYPE, make_image
from bench.pyload.connection import Connection, Refused

# Takes a connection and the number of the operation, gives the bytes of payload that it moved.
Operation = Callable[[Connection, int], Awaitable[int]]


def fetch(flags: argparse.Namespace) -> Operation:
    lines = [line.partition("\t") for line in Path(flags.paths).read_text().splitlines()]
    heads: dict[int, bytes] = {}

    async def operation(connection: Connection, number: int) -> int:
        which = number % len(lines)
        path, _, extra = lines[which]
        if which not in heads:
            heads[which] = connection.head(flags.method, path, None, extra)
        answer = await connection.do(heads[which])
        answer.expect(f"{flags.method} {path}", flags.status)
        if flags.length >= 0 and answer.body != flags.length:
            raise Refused(f"{path}: {answer.body} bytes instead of {flags.length}")
        return answer.body

    return operation


async def step(connection: Connection, request: tuple[str, str, int, str], *body: bytes) -> str:
    """Send one request of an upload (method, target, wanted status, one more header); give where the next one goes."""
    method, target, wanted, extra = request
    head = connection.head(method, target, sum(map(len, body)), "Content-Type: application/octet-stream", extra)
    answer = await connection.do(head, *body)
    answer.expect(f"{method} {target}", wanted)
    parts = urlsplit(answer.location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def with_digest(session: str, digest: str) -> str:
    return f"{session}{'&' if '?' in session else '?'}digest={digest}"


async def upload(connection: Connection, name: str, digest: str, *body: bytes) -> None:
    session = await step(connection, ("POST", f"/v2/{name}/blobs/uploads/", 202, ""))
    await step(connection, ("PUT", with_digest(session, digest), 201, ""), *body)


def push_blob(flags: argparse.Namespace) -> Operation:
    """Push blobs that differ in their last 64 bytes; the digests are made before the clock starts."""
    common = os.urandom(flags.size - 64)
    state = hashlib.sha256(common)
    tails, digests = [os.urandom(64) for _ in range(flags.count)], []
    for tail in tails:
        digest = state.copy()
        digest.update(tail)
        digests.append(f"sha256:{digest.hexdigest()}")

    async def operation(connection: Connection, number: int) -> int:
        body = (common, tails[number])
        if flags.chunk:
            session = await step(connection, ("POST", f"/v2/{flags.name}/blobs/uploads/", 202, ""))
            for first, piece in pieces(body, flags.chunk):
                span = f"Content-Range: {first}-{first + sum(map(len, piece)) - 1}"
                session = await step(connection, ("PATCH", session, 202, span), *piece)
            await step(connection, ("PUT", with_digest(session, digests[number]), 201, ""))
        else:
            await upload(connection, flags.name, digests[number], *body)
        return int(flags.size)

    return operation


def pieces(body: tuple[bytes, bytes], size: int) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """Cut a body of two parts into pieces of a size, without copying more than each piece."""
    common, tail = body
    for first in range(0, len(common) + len(tail), size):
        piece = common[first : first + size]
        room = size - len(piece)
        begin = max(0, first - len(common))
        yield first, (piece, tail[begin : begin + room]) if room else (piece,)


async def put_manifest(connection: Connection, path: str, body: bytes) -> None:
    answer = await connection.do(connection.head("PUT", path, len(body), f"Content-Type: {MANIFEST_TYPE}"), body)
    answer.expect(f"PUT {path}", 201)


def push_image(flags: argparse.Namespace) -> Operation:
    run = f"{time.time_ns():x}"

    async def operation(connection: Connection, number: int) -> int:
        layers = (os.urandom(4096), os.urandom(4096))
        image = make_image(number, layers)
        for body in (*layers, image.config):
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            path = f"/v2/{flags.name}/blobs/{digest}"
            (await connection.do(connection.head("HEAD", path, None))).expect(f"HEAD {path}", 404)
            await upload(connection, flags.name, digest, body)
        await put_manifest(connection, f"/v2/{flags.name}/manifests/{run}-{number}", image.manifest)
        return 0

    return operation


def put_tag(flags: argparse.Namespace) -> Operation:
    manifest = Path(flags.manifest).read_bytes()

    async def operation(connection: Connection, number: int) -> int:
        path = f"/v2/{flags.name}/manifests/{flags.prefix}{flags.first + number:09d}"
        await put_manifest(connection, path, manifest)
        return 0

    return operation


def seed_image(flags: argparse.Namespace) -> Operation:
    manifest = Path(flags.manifest).read_bytes()

    async def operation(connection: Connection, number: int) -> int:
        name = f"{flags.name}/{flags.prefix}{flags.first + number:09d}"
        target = f"/v2/{name}/blobs/uploads/?mount={flags.blob}&from={flags.__dict__['from']}"
        await step(connection, ("POST", target, 201, ""))
        await put_manifest(connection, f"/v2/{name}/manifests/1", manifest)
        return 0

    return operation


MODES: dict[str, Callable[[argparse.Namespace], Operation]] = {
    "fetch": fetch,
    "push-blob": push_blob,
    "push-image": push_image,
    "put-tag": put_tag,
    "seed-image": seed_image,
}
