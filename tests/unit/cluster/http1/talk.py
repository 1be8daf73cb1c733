"""A server of ours on loopback with an application that does what its path says, and a client that sends raw bytes."""

import asyncio
import functools
import hashlib
import inspect
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from entrepot.cluster.http1.bounds import Bounds
from entrepot.cluster.http1.server import Server

PATIENCE = 20.0  # seconds until a test gives up: machines that test much at once are slow
GET = b"GET /ok HTTP/1.1\r\nHost: here\r\n\r\n"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(scenario: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test on the loop of asyncio and on uvloop's; what either reports as unhandled fails it."""

    @pytest.mark.parametrize("loop", LOOPS)
    @functools.wraps(scenario)
    def test(loop: str, **given: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            unhandled: list[dict[str, Any]] = []
            runner.get_loop().set_exception_handler(lambda _, context: unhandled.append(context))
            runner.run(asyncio.wait_for(scenario(**given), 3 * PATIENCE))
        assert unhandled == []

    signature = inspect.signature(scenario)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    test.__signature__ = signature.replace(parameters=[*signature.parameters.values(), loop])  # type: ignore[attr-defined]
    return test


class Script:
    """The application. Its attributes tell what it saw."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.disconnected = 0
        self.refused = 0  # sends that were
        self.accepted = 0  # bytes of an endless answer
        self.afterwards = ""  # what is told to who asks for a body once it has answered
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope["raw_path"].decode().strip("/").partition("/")[0]
        self.asked.append(scope["raw_path"].decode())
        await getattr(self, name, self.ok)(scope, receive, send)

    async def ok(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"ok")

    async def slow(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.02)
        await answer(send, b"slow")

    async def scope(self, scope: Any, receive: Any, send: Any) -> None:
        fields = {key: value.decode() if isinstance(value, bytes) else value for key, value in scope.items()}
        fields["headers"] = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
        await answer(send, json.dumps(fields).encode())

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                await answer(send, b"cut off", 400)
                return
            body += message["body"]
            if not message["more_body"]:
                break
        await answer(send, said(body))

    async def pieces(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one ", b"", b"two ", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def parts(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(int(scope["query_string"])), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def begun(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await self.go.wait()
        await send({"type": "http.response.body", "body": b"and ended"})

    async def nothing(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def endless(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
                self.accepted += 1 << 20
        except ConnectionError:
            self.refused += 1
            raise

    async def large(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, bytes(int(scope["query_string"])))

    async def short(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"abc", length=10)

    async def long(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"abcabc", length=3)

    async def crash(self, scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("crashed")

    async def collapse(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise LookupError("collapsed")

    async def split(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"", headers=[(b"x-name", b"a\r\nset-cookie: stolen")])

    async def wait(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go.wait()
        await answer(send, b"waited")

    async def gone(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        self.disconnected += 1

    async def unread(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", 401)

    async def finale(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", 401)
        self.afterwards = (await receive())["type"]

    async def stubborn(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "http.request":
            pass
        self.disconnected += 1
        await self.go.wait()
        await answer(send, b"at last", 400)

    async def hurried(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            async with asyncio.timeout(0.1):
                await send({"type": "http.response.body", "body": bytes(8 << 20), "more_body": True})
        except TimeoutError:
            self.refused += 1
        await self.go.wait()
        await send({"type": "http.response.body", "body": b"end"})

    async def refusing(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", 401)
        await self.go.wait()

    async def later(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go.wait()
        await self.echo(scope, receive, send)


def upload(body: bytes, path: str = "/echo", *fields: str) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def said(body: bytes) -> bytes:
    """Return what `echo` answers to a body."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


async def answer(send: Any, body: bytes, status: int = 200, *, length: int | None = None, headers: Any = ()) -> None:
    fields = [*headers, *([(b"content-length", str(length).encode())] if length is not None else [])]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Client:
    """A connection that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def broken(self) -> bool:
        """Return whether the connection ends by an error, after whatever still comes."""
        async with asyncio.timeout(PATIENCE):
            try:
                while await self.reader.read(1 << 20):
                    pass
            except ConnectionResetError:
                return True
            return False

    def reset(self) -> None:
        """Break the connection."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def get(self, target: str) -> Answer:
        await self.say(f"GET {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return await self.hear()

    async def hear(self, *, bodiless: bool = False) -> Answer:
        """Return the next answer. Raises IncompleteReadError when the connection ends before its end."""
        async with asyncio.timeout(PATIENCE):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            found = Answer(int(first.split()[1]), headers, b"")
            if not bodiless:
                found.body = await self._body(headers)
            return found

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            assert await self.reader.readexactly(2) == b"\r\n"
            return body
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read() if headers.get("connection") == "close" else b""

    async def ended(self) -> bytes:
        """Return what still comes until the server ends the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class Serving:
    """The server with its application."""

    def __init__(self, server: Server, script: Script, task: asyncio.Task[None], listener: socket.socket) -> None:
        self.server = server
        self.script = script
        self.task = task
        self.listener = listener
        self.address: tuple[str, int] = listener.getsockname()
        self._writers: list[asyncio.StreamWriter] = []

    async def client(self, *, receive_buffer: int = 0) -> Client:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        reader, writer = await asyncio.open_connection(sock=sock, limit=64 << 10)
        self._writers.append(writer)
        return Client(reader, writer)

    @property
    def connections(self) -> int:
        """How many hold a place, those included whose client is gone."""
        return len(self.server._connections)

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def serving(**bounds: float) -> AsyncIterator[Serving]:
    """Serve, and at the end check that nothing is left behind."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        listener.setblocking(False)
        script = Script()
        server = Server(script, listener.fileno(), Bounds(**bounds))  # type: ignore[arg-type]
        task = asyncio.create_task(server.serve())
        made = Serving(server, script, task, listener)
        try:
            yield made
        finally:
            made.leave()
            script.go.set()
            server.stop()
            await asyncio.wait_for(made.task, PATIENCE)
            await asyncio.sleep(0)  # the loop closes what was cut off


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the server does by itself."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)
