"""What the application relies on, of both servers: our own for plain ports, and Granian for the others."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from entrepot.cluster.serving import Doors
from entrepot.settings_sources import load
from tests.unit.cluster.http1.talk import Client, Script, said, until

pytestmark = pytest.mark.parametrize("server", ["ours", "granian"])
BODY = bytes(range(256)) * 12_000


@dataclass
class Open:
    doors: Doors
    script: Script
    address: tuple[str, int]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        return Client(reader, writer)


@asynccontextmanager
async def opened(server: str) -> AsyncIterator[Open]:
    settings = load({"http2": "always" if server == "granian" else "tls"}, {}).settings
    script = Script()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        listener.setblocking(False)
        address = listener.getsockname()
        descriptor = os.dup(listener.fileno())
        doors = Doors(script, settings, [(descriptor, address[1])])
        doors.open()
        made = Open(doors, script, address)
        try:
            yield made
        finally:
            for writer in made.writers:
                writer.transport.abort()
            script.go.set()
            await doors.close(5)


async def test_bodies_arrive_whole_by_length_and_in_chunks(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        for body in (b"", b"a", BODY):
            head = f"PUT /echo HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            sending = asyncio.create_task(client.say(head + body))
            assert (await client.hear()).body == said(body)
            await sending
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
            head = b"PUT /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
            sending = asyncio.create_task(client.say(head + chunks))
            assert (await client.hear()).body == said(body)
            await sending


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_cut_off_never_looks_complete(server: str, framing: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        await client.say(f"PUT /echo HTTP/1.1\r\nHost: here\r\n{framing}\r\n\r\n3\r\nabc".encode())
        await until(lambda: made.script.asked == ["/echo"])
        client.reset()
        await until(lambda: made.script.disconnected == 1)


async def test_the_path_arrives_as_it_was_sent(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        scope = json.loads((await client.get("/scope/a%2Fb//c;k=v?q=1%26")).body)
        assert (scope["raw_path"], scope["query_string"]) == ("/scope/a%2Fb//c;k=v", "q=1%26")
        assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
        assert int(scope["server"][1]) == made.address[1]  # text, from Granian
        assert ["host", "here"] in scope["headers"]


async def test_head_has_the_length_and_no_body(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        await client.say(b"HEAD /short HTTP/1.1\r\nHost: here\r\n\r\n")
        found = await client.hear(bodiless=True)
        assert (found.status, found.headers["content-length"]) == (200, "10")
        assert (await client.get("/ok")).body == b"ok"


async def test_half_an_answer_never_looks_whole(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.get("/collapse")


async def test_a_client_that_reads_nothing_holds_its_application_back_and_one_that_is_gone_ends_it(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        await client.say(b"GET /endless HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.accepted > 0)
        await asyncio.sleep(0.3)
        assert made.script.accepted < 32 << 20
        client.reset()
        await until(lambda: made.script.refused == 1)


async def test_a_client_whose_body_is_not_read_is_held_back(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        body = bytes(40 << 20)
        head = f"PUT /later HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        sending = asyncio.create_task(client.say(head + body))
        assert await asyncio.wait([sending], timeout=0.5) == (set(), {sending})
        made.script.go.set()
        assert (await client.hear()).body == said(body)
        await sending


async def test_a_client_that_still_sends_what_nobody_wants_can_read_the_answer(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        head = b"PUT /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 20000000\r\n\r\n"
        sending = asyncio.create_task(client.say(head + bytes(20_000_000)))
        assert (await client.hear()).status == 401
        await asyncio.wait([sending])


async def test_what_runs_is_finished_before_it_closes(server: str) -> None:
    async with opened(server) as made:
        client = await made.client()
        await client.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.asked == ["/wait"])
        closing = asyncio.create_task(made.doors.close(5))
        await asyncio.sleep(0.1)
        made.script.go.set()
        assert (await client.hear()).body == b"waited"
        assert await closing
