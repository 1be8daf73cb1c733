"""Replies onto the wire: files, and streams whose length nobody knew."""

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from entrepot.blobs.contract import StoreUnavailable
from entrepot.errors import reason
from entrepot.messages import FileSpan, Reply
from entrepot.repositories.content import BytesLost
from entrepot.web import sending
from entrepot.web.sending import begun, send_reply

DIGEST = f"sha256:{'0' * 64}"


def span_of(path: Path, start: int, stop: int) -> FileSpan:
    return FileSpan(path, start, stop, DIGEST)


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


async def sent(reply: Reply) -> tuple[dict[bytes, bytes], list[int]]:
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await send_reply(await begun(reply), send, head=False)
    return dict(messages[0]["headers"]), [len(message["body"]) for message in messages[1:]]


async def test_a_short_stream_leaves_at_once_and_with_its_length() -> None:
    headers, bodies = await sent(Reply(stream=pieces(10, 20, 30)))
    assert headers[b"content-length"] == b"60"
    assert bodies == [60]


async def test_an_empty_stream_is_an_empty_body() -> None:
    headers, bodies = await sent(Reply(stream=pieces()))
    assert (headers[b"content-length"], bodies) == (b"0", [0])


async def test_a_long_stream_leaves_in_large_pieces_and_whole() -> None:
    headers, bodies = await sent(Reply(stream=pieces(*[1000] * 200)))
    assert b"content-length" not in headers
    assert sum(bodies) == 200_000
    assert all(size >= 65_536 for size in bodies[:-2])


async def test_a_stream_of_known_length_is_not_held_back() -> None:
    headers, bodies = await sent(Reply(stream=pieces(10, 20), length=30))
    assert headers[b"content-length"] == b"30"
    assert bodies == [10, 20, 0]


@pytest.fixture(params=["cached", "not cached", "unknown"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel says of the bytes: they are at hand, they are not, or it has no word for it."""
    if request.param == "unknown":
        monkeypatch.setattr(sending, "_NO_WAIT", 0)
    if request.param == "not cached":

        def refuse(*_: object) -> int:
            raise BlockingIOError

        monkeypatch.setattr("os.preadv", refuse)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("span", [(0, 2_500_000), (0, 1), (1_048_576, 2_097_152), (2_499_999, 2_500_000), (5, 5)])
async def test_bytes_of_a_file_leave_exactly_and_the_last_piece_says_so(tmp_path: Path, span: tuple[int, int]) -> None:
    content = bytes(range(250)) * 10_000
    (tmp_path / "blob").write_bytes(content)
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    start, stop = span
    reply = Reply(file=span_of(tmp_path / "blob", start, stop), length=stop - start)
    await send_reply(reply, send, head=False)
    assert reply.sent == stop - start
    assert b"".join(message["body"] for message in messages[1:]) == content[start:stop]
    assert [message["more_body"] for message in messages[1:]] == [True] * (len(messages) - 2) + [False]
    assert all(len(message["body"]) <= 1 << 20 for message in messages[1:])


@pytest.mark.usefixtures("cache")
async def test_a_file_that_is_shorter_than_its_blob_never_ends_like_a_whole_one(tmp_path: Path) -> None:
    size = sending._PIECE + 100
    (tmp_path / "blob").write_bytes(bytes(size))
    reply = Reply(file=span_of(tmp_path / "blob", 0, size + 100), length=size + 100)
    with pytest.raises(OSError, match="shorter than its blob"):
        await sent(reply)
    assert reply.sent == size
    assert open_files(tmp_path) == 0


@pytest.mark.usefixtures("cache")
async def test_a_file_that_holds_none_of_the_bytes_is_told_while_there_is_another_answer(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"")
    for name in ("cut", "gone"):
        with pytest.raises(BytesLost) as lost:
            await begun(Reply(file=span_of(tmp_path / name, 0, 200), length=200))
        assert str(tmp_path / name) in reason(lost.value)
        assert f"The bytes of {DIGEST} are missing" in lost.value.message
        assert str(tmp_path) not in lost.value.message
    with pytest.raises(StoreUnavailable):
        await begun(Reply(file=span_of(tmp_path, 0, 200), length=200))
    assert open_files(tmp_path) == 0


def open_files(folder: Path) -> int:
    here = Path("/proc/self/fd")
    if not here.exists():  # macOS
        return 0
    return sum(str(one.readlink()).startswith(str(folder)) for one in here.iterdir() if one.is_symlink())


def breaking(
    after: int, error: type[BaseException] = ConnectionError
) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
    """Return the `send` of a server whose client is gone after so many pieces."""
    left = after

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal left
        if message["type"] == "http.response.body":
            left -= 1
            if left < 0:
                raise error

    return send


async def test_a_stream_ends_with_its_client_and_lets_go_of_what_it_held() -> None:
    held = Held()
    reply = Reply(stream=held.stream(), length=1000)
    await send_reply(reply, breaking(3), head=False)
    assert reply.sent == 30
    assert held.ended


class Held:
    """A stream that holds something for as long as it is open."""

    def __init__(self, piece: int = 10) -> None:
        self.piece = piece
        self.ended = False

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * self.piece
        finally:
            self.ended = True


@pytest.mark.parametrize("length", [1 << 20, None])
@pytest.mark.parametrize("error", [ConnectionError, RuntimeError, asyncio.CancelledError])
async def test_what_a_stream_holds_is_let_go_of_before_the_reply_ends(
    length: int | None, error: type[BaseException]
) -> None:
    held = Held(50_000)
    reply = await begun(Reply(stream=held.stream(), length=length))
    with contextlib.suppress(error):
        await send_reply(reply, breaking(2, error), head=False)
    assert held.ended


async def test_what_a_short_stream_held_is_let_go_of_with_its_last_piece() -> None:
    held = Held()

    async def short() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
        finally:
            held.ended = True

    assert (await begun(Reply(stream=short()))).body == b"abc"
    assert held.ended


async def test_a_file_is_read_no_further_than_its_client_goes(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(5 << 20))
    reply = Reply(file=span_of(path, 0, 5 << 20), length=5 << 20)
    await send_reply(reply, breaking(2), head=False)
    assert reply.sent == 2 * sending._PIECE
    assert open_files(tmp_path) == 0


async def test_a_download_under_way_holds_one_piece_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(3 * sending._PIECE))
    held: list[int] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            held.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        reply = Reply(file=span_of(path, 0, 3 * sending._PIECE), length=3 * sending._PIECE)
        await send_reply(await begun(reply), send, head=False)
    finally:
        tracemalloc.stop()
    assert len(held) == 3
    assert all(sending._PIECE <= one < 1.5 * sending._PIECE for one in held)


async def test_nothing_is_counted_that_nobody_received() -> None:
    reply = Reply(body=b"abc")
    await send_reply(reply, breaking(0), head=False)
    assert reply.sent == 0
