"""Replies onto the wire: streams whose length nobody knew."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from entrepot.messages import Reply
from entrepot.web.sending import send_reply


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


async def sent(reply: Reply) -> tuple[dict[bytes, bytes], list[int]]:
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await send_reply(reply, send, head=False)
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
