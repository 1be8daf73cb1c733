"""What is Granian's alone: HTTP/2, and what it makes of a length beside chunks."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from entrepot.asgi import Message, Receive, Send
from entrepot.cluster.secure import watched
from tests.unit.cluster.http1.talk import GET, said
from tests.unit.cluster.test_doors import opened

CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_a_client_that_still_sends_what_nobody_wants_gets_the_whole_answer(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20 << 20))
    async with opened("granian") as made:
        address = f"http://127.0.0.1:{made.address[1]}/unread"
        for _ in range(10):
            curl = await asyncio.create_subprocess_exec(
                *("curl", "--silent", "--http2-prior-knowledge", "--write-out", " %{http_code} %{exitcode}"),
                *("--max-time", "10", "--upload-file", str(large), address),
                stdout=asyncio.subprocess.PIPE,
            )
            assert (await curl.communicate())[0] == b"no 401 0"


@pytest.mark.parametrize("fields", [("Content-Length: 3", CHUNKED), (CHUNKED, "Content-Length: 3")])
async def test_a_length_beside_chunks_is_hidden_from_us_and_the_connection_ends(fields: tuple[str, str]) -> None:
    """SECURITY.md says so; once both are seen, the application refuses them."""
    async with opened("granian") as made:
        for path in ("/scope", "/echo"):
            client = await made.client()
            head = "\r\n".join((f"PUT {path} HTTP/1.1", "Host: here", *fields))
            await client.say(f"{head}\r\n\r\n5\r\nabcde\r\n0\r\n\r\n".encode() + GET)
            found = await client.hear()
            assert found.headers["connection"] == "close"
            assert await client.ended() == b""
            if path == "/echo":
                assert found.body == said(b"abcde")
            else:
                assert [name for name, _ in json.loads(found.body)["headers"]] == ["host", "transfer-encoding"]


async def test_a_body_that_its_client_holds_back_is_not_waited_for() -> None:
    sent: list[str] = []

    async def refuses(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    async def receive() -> Message:
        raise AssertionError("it was asked for")

    async def send(message: Message) -> None:
        sent.append(message["type"])

    fields = [(b"content-length", b"10"), (b"expect", b"100-continue")]
    await watched(refuses)({"type": "http", "method": "PUT", "headers": fields}, receive, send)
    assert sent == ["http.response.start", "http.response.body"]
