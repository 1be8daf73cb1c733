"""One keep-alive HTTP/1.1 connection on asyncio streams, as thin as Python allows."""

import asyncio
from dataclasses import dataclass

PIECE = 256 * 1024


class Refused(Exception):
    """An answer other than the wanted one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, Location and length of the payload; `start` holds the first bytes of a refusal."""

    status: int
    location: str
    body: int
    start: bytes

    def expect(self, what: str, wanted: int) -> None:
        if self.status != wanted:
            raise Refused(f"{what}: {self.status} {self.start.decode(errors='replace').strip()}")


class Connection:
    def __init__(self, address: str, authorization: str) -> None:
        self.address = address
        self.fixed = f"Host: {address}\r\n" + (f"Authorization: {authorization}\r\n" if authorization else "")
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def head(self, method: str, path: str, size: int | None, *more: str) -> bytes:
        length = () if size is None else (f"Content-Length: {size}",)
        lines = "".join(line + "\r\n" for line in (*length, *more) if line)
        return f"{method} {path} HTTP/1.1\r\n{self.fixed}{lines}\r\n".encode()

    def drop(self) -> None:
        if self.streams:
            self.streams[1].close()
            self.streams = None

    async def do(self, head: bytes, *body: bytes) -> Answer:
        """Send and read the whole answer; a kept connection that was closed meanwhile is replaced once."""
        kept = self.streams is not None
        try:
            return await self.attempt(head, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.drop()
            if not kept:
                raise
        return await self.attempt(head, body)

    async def attempt(self, head: bytes, body: tuple[bytes, ...]) -> Answer:
        if self.streams is None:
            host, _, port = self.address.rpartition(":")
            self.streams = await asyncio.open_connection(host, int(port), limit=PIECE)
        reader, writer = self.streams
        writer.write(head)
        for part in body:
            writer.write(part)
            await writer.drain()
        answer, keep = await read_answer(reader, bodiless=head.startswith(b"HEAD "))
        if not keep:
            self.drop()
        return answer


async def read_answer(reader: asyncio.StreamReader, *, bodiless: bool) -> tuple[Answer, bool]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(lines[0][9:12])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if bodiless or status in {204, 304}:
        size, start = 0, b""
    elif "chunked" in headers.get("transfer-encoding", ""):
        size, start = await read_chunks(reader)
    else:
        size = int(headers["content-length"])
        start = await read_some(reader, size)
    keep = headers.get("connection", "").lower() != "close"
    return Answer(status, headers.get("location", ""), size, start), keep


async def read_some(reader: asyncio.StreamReader, size: int) -> bytes:
    """Read so many bytes and keep the first 200."""
    start, left = b"", size
    while left:
        piece = await reader.read(min(left, PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(piece, left)
        start = start or piece[:200]
        left -= len(piece)
    return start


async def read_chunks(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    total, start = 0, b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        piece = await read_some(reader, size)
        await reader.readuntil(b"\r\n")
        start, total = start or piece, total + size
    await reader.readuntil(b"\r\n")
    return total, start
