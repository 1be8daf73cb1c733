"""Granian as we use it, for ports that speak TLS or HTTP/2: one server for each listening socket, in the worker's event loop.

We use its embedded server and start processes ourselves: its own supervisor weighs 28 MiB against 12, makes one set of
workers for each port, and closes a dead worker's socket with what waits in it. The only thing that is not public is
how it gets its socket (`_init_shared_socket`), for which it is pinned to a minor version; tests/cluster notices a
change.

The bounds, with the reasons:

- header read timeout 15 s: a slow-header flood frees its connections sooner than Granian's 30 s. The same timer
  closes idle keep-alive connections, which clients and proxies reopen.
- header buffer 256 KiB: per connection, so it bounds what such a flood can hold. It is also the largest piece in which a
  body arrives: receiving 600 MB took 3.9 s of processor time with 16 KiB, 1.8 with 64, 0.75 with 256, 0.6 with the
  default of 408.
- HTTP/2 header list 64 KiB (the default is 16 MiB) and 100 concurrent streams: for the same reason. A client that has
  requests open and does not answer a ping within 20 s is gone.
- to tell the versions of HTTP apart Granian waits for the first bytes without a timeout, also after a TLS handshake:
  there `connections.limit` is the only bound on silent connections.
- backpressure, which counts connections and not requests: `connections.limit`. Its default would be 512 a worker, and as
  many idle keep-alive connections would lock everyone else out.
- TLS 1.2 is still offered: Java 8 clients and older load balancers know nothing newer.
- one runtime thread; file reads and sends happen on a pool of at most 32 blocking threads (512 by default).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server

from entrepot.asgi import Asgi, Message, Receive, Send
from entrepot.cluster.http1.bounds import DRAINED
from entrepot.cluster.listeners import BACKLOG
from entrepot.settings import Settings

_HEADER_MILLIS = 15_000
_HEADER_BYTES = 256 << 10
_HTTP2_HEADER_BYTES = 64 << 10
_HTTP2_STREAMS = 100
_HTTP2_PING_MILLIS = 20_000
_BLOCKING_THREADS = 32
_DRAIN_SECONDS = 5.0
_BODY_FIELDS = frozenset({b"content-length", b"transfer-encoding"})
_TO_OUR_LOG = {"handlers": {}, "formatters": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}


class GranianServer(Server):
    """A Granian server on a socket that is already listening."""

    def __init__(self, application: Asgi, settings: Settings, descriptor: int, port: int) -> None:
        self._descriptor = descriptor
        offers = {"tls", "always"} if settings.tls_cert else {"always"}
        super().__init__(
            watched(application),
            address=settings.host,
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto if settings.http2 in offers else HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=settings.connections_limit,
            runtime_blocking_threads=_BLOCKING_THREADS,
            http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLIS, max_buffer_size=_HEADER_BYTES),
            http2_settings=HTTP2Settings(
                max_headers_size=_HTTP2_HEADER_BYTES,
                max_concurrent_streams=_HTTP2_STREAMS,
                keep_alive_interval=_HTTP2_PING_MILLIS,
            ),
            log_dictconfig=_TO_OUR_LOG,
            log_level=LogLevels.error,
            ssl_cert=settings.tls_cert,
            ssl_key=settings.tls_key,
            ssl_protocol_min=SSLProtocols.tls12,
        )

    def _init_shared_socket(self) -> None:
        self._shd = SocketHolder(self._descriptor, False, BACKLOG)  # type: ignore[assignment,call-arg]


def watched(application: Asgi) -> Asgi:
    """Add what the application relies on and Granian does not do; see `_Exchange`."""

    async def watching(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            await application(scope, exchange.receive, exchange.send)
            await exchange.drain()
        finally:
            exchange.close()

    return watching


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._unread = _has_body(scope)
        self._waits = any(name == b"expect" for name, _ in scope["headers"])  # its client, to be told to send it
        self._leaving: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        """Return the next part of the body."""
        self._waits = False
        message = await self._receive()
        self._unread = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send the next part of the answer. Raises ConnectionError once the client is gone (ASGI, "Disconnected Client").

        Granian's returns at once then, without a turn for anybody else: a download would be read to its end for nobody.
        Only `receive` tells, so it is asked while an answer leaves in pieces, if nobody else can want it: the body was
        read, or there is none.
        """
        if self._leaving is None and not self._unread and message.get("more_body"):
            self._leaving = asyncio.ensure_future(self._left())
        await self._send(message)
        if self._leaving is not None:
            await asyncio.sleep(0)
            if self._leaving.done():
                raise ConnectionError

    async def drain(self) -> None:
        """Take in some of a body that nobody wanted: were it dropped before the answer is sent, HTTP/2 would cancel that too."""
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._unread and not self._waits and taken < DRAINED:
                    taken += len((await self.receive()).get("body", b""))

    def close(self) -> None:
        """Wait no more for the client to go."""
        if self._leaving is not None:
            self._leaving.cancel()

    async def _left(self) -> None:
        while (await self._receive())["type"] == "http.request":
            pass


def _has_body(scope: Message) -> bool:
    """HTTP/2 tells a body by no field: one that may have one is taken to have it."""
    return scope["method"] not in {"GET", "HEAD"} or any(name in _BODY_FIELDS for name, _ in scope["headers"])
