"""Bodies as they arrive from the server."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from entrepot.web import bodies
from entrepot.web.bodies import BodySlow, StreamedBody


async def drips() -> MutableMapping[str, Any]:
    await asyncio.sleep(0.01)
    return {"type": "http.request", "body": b"x", "more_body": True}


async def test_what_is_read_whole_must_arrive_within_a_time_however_it_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_SECONDS", 0.1)
    body = StreamedBody(drips, None)
    async with asyncio.timeout(10):
        with pytest.raises(BodySlow) as slow:
            await body.read(1000)
    assert slow.value.status == 408
    assert 0 < body.received < 100


async def test_the_time_grows_with_what_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_SECONDS", 0.0)
    left = 20

    async def receive() -> MutableMapping[str, Any]:
        nonlocal left
        left -= 1
        return await drips() | {"more_body": left > 0}

    assert await StreamedBody(receive, None).read(1 << 20) == b"x" * 20
