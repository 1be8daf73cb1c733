"""What a real server would not do when asked: stay silent, lie, break off. `tests/contract` has the real ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from entrepot.blobs.contract import StoreFull, StoreUnavailable, TooManyUploads
from entrepot.blobs.drivers import s3 as module
from entrepot.blobs.drivers.s3 import S3, Bucket, S3Credentials
from entrepot.errors import TooLarge

KEY = "w/2026112400/x"
MIB = 1 << 20
DATED = 'Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nETag: "x"\r\n'
Answer = Callable[[str, str], bytes | None]
"""What the server sends for a method and a target; None: nothing, ever."""


def head(size: int, status: str = "200 OK", more: str = "", body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{DATED}{more}\r\n".encode() + body


@asynccontextmanager
async def server(answer: Answer, *, patience: float | None = 30) -> AsyncIterator[S3]:
    """A driver whose store answers as told; `patience` in seconds."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while line := await reader.readline():
                method, target, _ = line.decode().split(" ")
                length = 0
                while (field := await reader.readline()) not in {b"\r\n", b""}:
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                await reader.readexactly(length)
                reply = answer(method, target)
                if reply is None:
                    await asyncio.Event().wait()
                    return
                writer.write(reply)
                await writer.drain()
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        bucket = Bucket("bucket", endpoint=f"http://127.0.0.1:{port}")
        yield S3(
            bucket, S3Credentials("id", "secret"), patience=None if patience is None else timedelta(seconds=patience)
        )
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


async def source(size: int = 10, piece: int = MIB) -> AsyncIterator[bytes]:
    for at in range(0, size, piece):
        yield bytes(min(piece, size - at))


async def read(driver: S3, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in driver.read(KEY, start, stop)])


async def listed(driver: S3) -> list[str]:
    return [found.key async for found in driver.list("")]


CALLS: dict[str, Callable[[S3], Awaitable[object]]] = {
    "put": lambda driver: driver.put(KEY, source()),
    "a large put": lambda driver: driver.put(KEY, source(20 * MIB)),
    "read": read,
    "read of a range": lambda driver: read(driver, 1, 2),
    "size": lambda driver: driver.size(KEY),
    "delete": lambda driver: driver.delete(KEY),
    "list": listed,
    "probe": lambda driver: driver.probe(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_store_that_stays_silent_is_given_up(call: Callable[[S3], Awaitable[object]]) -> None:
    async with server(lambda *_: None, patience=0.25) as driver:
        with pytest.raises(StoreUnavailable):
            await call(driver)


async def test_a_store_that_falls_silent_within_a_body_is_given_up() -> None:
    async with server(lambda *_: head(100, body=b"x" * 10), patience=0.25) as driver:
        with pytest.raises(StoreUnavailable):
            await read(driver)


async def test_a_put_is_believed_only_when_the_store_shows_its_size() -> None:
    deleted: list[str] = []

    def short(method: str, target: str) -> bytes:
        if method == "DELETE":
            deleted.append(target)
        return head(9 if method == "HEAD" else 0)

    async with server(short) as driver:
        with pytest.raises(StoreUnavailable):
            await driver.put(KEY, source(10))
    assert deleted == [f"/bucket/{KEY}"]


async def test_a_read_that_ends_before_what_was_announced_is_an_error() -> None:
    # A body of 10 bytes, complete as far as HTTP goes, said to be 100.
    partial = head(10, "206 Partial Content", "Content-Range: bytes 5-104/200\r\n", b"x" * 10)
    async with server(lambda *_: partial) as driver:
        with pytest.raises(StoreUnavailable):
            await read(driver, 5, 105)


async def test_a_large_piece_is_cut_to_a_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 4)
    async with server(lambda *_: head(10, body=b"0123456789")) as driver:
        assert [piece async for piece in driver.read(KEY)] == [b"0123", b"4567", b"89"]


async def test_a_range_that_the_store_refuses_for_its_own_reasons_is_an_error() -> None:
    def refusing(method: str, _: str) -> bytes:
        return head(10) if method == "HEAD" else head(0, "400 Bad Request")

    async with server(refusing) as driver:
        for start, stop in ((0, None), (5, None), (5, 7), (5, 10)):
            with pytest.raises(StoreUnavailable):
                await read(driver, start, stop)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("507 Insufficient Storage", b""),
        ("400 Bad Request", b"<Error><Code>XMinioStorageFull</Code></Error>"),
        ("403 Forbidden", b"<Error><Code>QuotaExceeded</Code></Error>"),
        ("400 Bad Request", b"<Error><Code>QuotaLimitExceeded</Code></Error>"),
        ("500 Internal Server Error", b"<Error><Message>write: no space left on device</Message></Error>"),
    ],
)
async def test_a_full_store_is_recognised_by_what_it_says(status: str, body: bytes) -> None:
    async with server(lambda *_: head(len(body), status, body=body)) as driver:
        with pytest.raises(StoreFull):
            await driver.put(KEY, source())


async def test_beyond_so_many_large_uploads_more_are_refused_but_small_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST", 1)
    waiting, going_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(2 * MIB)
        waiting.set()
        await going_on.wait()

    sizes = {KEY: 2 * MIB, "w/h/small": MIB - 1}

    def answer(_: str, target: str) -> bytes:
        return head(sizes.get(target.removeprefix("/bucket/"), 0) if _ == "HEAD" else 0)

    async with server(answer) as driver:
        first = asyncio.create_task(driver.put(KEY, slow()))
        await waiting.wait()
        with pytest.raises(TooManyUploads):
            await driver.put("w/h/other", source(2 * MIB))
        assert await driver.put("w/h/small", source(MIB - 1)) == MIB - 1
        going_on.set()
        assert await first == 2 * MIB
        assert await driver.put(KEY, source(2 * MIB)) == 2 * MIB


async def test_an_object_beyond_what_s3_can_hold_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PARTS", 2)
    upload = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"

    def answer(method: str, target: str) -> bytes:
        if method == "POST" and "uploads" in target:
            return head(len(upload), body=upload)
        return head(0)

    async with server(answer) as driver:
        with pytest.raises(TooLarge):
            await driver.put(KEY, source(40 * MIB))


async def test_a_store_that_takes_requests_and_is_silent_is_probed_with_little_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_PROBING", timedelta(seconds=0.2))
    async with server(lambda *_: None, patience=None) as driver, asyncio.timeout(20):
        with pytest.raises(StoreUnavailable):
            await driver.probe()
