import tracemalloc
from typing import cast

import pytest

from entrepot.errors import Invalid
from entrepot.messages import Request
from entrepot.rest.json_bodies import json_value


class Sent:
    """A request of which only the body is there."""

    def __init__(self, body: bytes) -> None:
        self.body = self
        self._body = body

    async def read(self, limit: int) -> bytes:
        return self._body


async def read(body: bytes) -> object:
    return await json_value(cast("Request", Sent(body)))


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
async def test_a_body_is_nested_so_deeply_and_no_deeper(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    await read(b"[" + opening * 63 + b"1" + closing * 63 + b",[],{}]")
    for depth in (64, 10_000):
        with pytest.raises(Invalid, match="nested too deeply"):
            await read(b"[" + opening * depth + b"1" + closing * depth + b"]")


@pytest.mark.parametrize("text", [b"[" * 1000, rb"\"[" * 1000, b"[" * 1000 + rb"\\", rb"\\\"{" * 1000])
async def test_brackets_in_texts_are_no_nesting(text: bytes) -> None:
    assert await read(b'[{"' + text + b'":"' + text + b'"}]')


async def test_a_body_of_very_many_objects_is_refused_before_they_are_made() -> None:
    assert await read(b"[" + b"{}," * 99_998 + b"{}]")
    with pytest.raises(Invalid, match="more than 100000"):
        await read(b"[" + b"[]," * 100_000 + b"[]]")


@pytest.mark.parametrize("mark", [b'"', b'"a",', b'["'])
async def test_a_body_of_very_many_quotes_is_refused_without_a_step_for_each(mark: bytes) -> None:
    body = b"[" * 70 + mark * ((1 << 20) // len(mark))
    tracemalloc.start()
    try:
        with pytest.raises(Invalid):
            await read(body)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)  # a few copies, and nothing for each quote
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("body", [b"[" * 100, b"[" * 100 + b'"', b'["]' * 100, b"[}" * 100, b"\xff"])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        await read(body)
