from collections.abc import AsyncIterator

import pytest

from entrepot.blobs.streams import take


async def source(*chunks: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def test_chunks_are_taken_until_they_hold_enough_and_the_rest_stays() -> None:
    chunks = source(b"ab", b"", b"c", b"def", b"g")
    assert await take(chunks, 3) == ([b"ab", b"c"], False)
    assert await take(chunks, 1) == ([b"def"], False)
    assert await take(chunks, 100) == ([b"g"], True)


async def test_a_stream_that_ends_exactly_when_enough_is_held_is_not_known_to_have_ended() -> None:
    chunks = source(b"abc")
    assert await take(chunks, 3) == ([b"abc"], False)
    assert await take(chunks, 3) == ([], True)


async def test_nothing_and_emptiness_are_an_end() -> None:
    assert await take(source(), 3) == ([], True)
    assert await take(source(b"", b""), 3) == ([], True)


async def test_the_sources_error_is_passed_on() -> None:
    with pytest.raises(ConnectionResetError):
        await take(source(b"a", error=ConnectionResetError()), 10)
