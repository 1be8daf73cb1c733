"""One client's connection: what arrives becomes requests, which are answered one after the other, in order."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Protocol, cast

from entrepot.cluster.http1.answering import CONTINUE, plain
from entrepot.cluster.http1.body import Body
from entrepot.cluster.http1.bounds import Bounds
from entrepot.cluster.http1.exchange import ClientGone, Exchange, scope_of
from entrepot.cluster.http1.outstanding import outstanding
from entrepot.cluster.http1.reading import Head, Reader, Refused
from entrepot.cluster.lifespan import Asgi

_JOINED = 32 << 10  # bytes up to which pieces are copied together: less than one more call into the kernel costs
_WORDS = {
    400: "The request is not valid HTTP/1.1.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    431: "The header fields are too large.",
    501: "This is no proxy.",
    503: "Too many requests at once on one connection.",
    505: "HTTP/1.0 and HTTP/1.1 are understood here.",
}


class Gate(Protocol):
    """The listening socket that a connection came by."""

    application: Asgi
    bounds: Bounds
    loop: asyncio.AbstractEventLoop
    stopping: bool

    def joined(self, connection: Connection) -> None:
        """It is there, and rests."""
        ...

    def left(self, connection: Connection) -> None:
        """It is no more."""
        ...

    def rests(self, connection: Connection) -> None:
        """It has no request to answer."""
        ...

    def works(self, connection: Connection) -> None:
        """It has one."""
        ...


class Connection(asyncio.Protocol):
    """See above. All on the loop."""

    _transport: asyncio.Transport

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._bounds = gate.bounds
        self._reader = Reader(self, gate.bounds.head_bytes)
        self._current: Exchange | None = None  # being answered
        self._ahead: deque[Exchange] = deque()  # received before their turn
        self._incoming: Exchange | None = None  # whose body arrives
        self._refusal = 0  # the status that ends it, once what came before is answered
        self._paused = False  # nothing is read
        self._full: asyncio.Future[None] | None = None  # nothing more should be written
        self._unsent = 0
        self._closing = False
        self._gone = False
        self._ends: tuple[object, object] = (None, None)
        self._no_more = False  # requests are taken in
        self._half = False  # the client has said all it wants
        self.deadline = math.inf
        """When `expired` must be called, on the loop's clock."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not say so
        self._ends = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._within(self._bounds.head_seconds)
        self._gate.joined(self)

    def data_received(self, data: bytes) -> None:
        """Read what arrived."""
        if self._closing or self._refusal:
            return  # nobody wants it any more
        try:
            self._reader.feed(data)
        except Refused as refused:
            self._refuse(refused.status)

    def eof_received(self) -> bool:
        """Let a client that has said all it wants read its answer."""
        self._no_more = self._half = True
        if self._incoming is not None:
            self._incoming.body.lose()
        return self._current is not None and not self._closing

    def pause_writing(self) -> None:
        """Note that the client is slower than the application."""
        self._full = self._gate.loop.create_future()

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """Tell everybody who waits."""
        self._gone = self._closing = True
        self.deadline = math.inf
        self._ahead.clear()
        if self._current is not None:
            self._current.body.lose()
        self.resume_writing()
        self._gate.left(self)

    # reading.Receiver

    def begun(self) -> None:
        """See Receiver."""
        if self._current is None:
            self._within(self._bounds.head_seconds)
        if len(self._ahead) >= self._bounds.ahead:
            raise Refused(503)

    def requested(self, head: Head) -> None:
        """See Receiver."""
        exchange = Exchange(self, head, scope_of(head, *self._ends), Body(self._body_wanted, self._flow))
        self._incoming = exchange
        if self._current is None:
            self._start(exchange)
        else:
            self._ahead.append(exchange)

    def piece(self, piece: bytes) -> None:
        """See Receiver."""
        assert self._incoming is not None
        self._incoming.body.add(piece)
        if self._incoming is self._current:
            self.deadline = math.inf
        self._flow()

    def ended(self) -> None:
        """See Receiver."""
        assert self._incoming is not None
        self._incoming.body.end()
        if self._incoming is self._current:
            self.deadline = math.inf
        self._incoming = None
        if self._ahead:
            self._flow()

    # exchange.Line

    @property
    def last(self) -> bool:
        """See Line."""
        return self._no_more and not self._ahead and not self._refusal

    async def write(self, *pieces: bytes) -> None:
        """See Line."""
        if self._closing or self._transport.is_closing():
            raise ClientGone
        size = sum(map(len, pieces))
        if size <= _JOINED:
            if size:
                self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines([piece for piece in pieces if piece])
        if self._full is None:
            return
        self._unsent = outstanding(self._transport)
        self._within(self._bounds.send_seconds)
        await self._full
        self.deadline = math.inf
        if self._gone:
            raise ClientGone

    def answered(self) -> None:
        """See Line."""
        exchange, self._current = self._current, None
        assert exchange is not None
        if self._gone:
            return
        if not exchange.complete:
            self.abort()
        elif not exchange.body.ended:
            self._linger()
        elif not exchange.keep:
            self.close()
        elif self._ahead:
            self._start(self._ahead.popleft())
            self._flow()
        elif self._refusal:
            self._say(self._refusal)
        elif self._no_more:
            self.close()
        else:
            self._rest()

    # What ends it.

    def expired(self) -> None:
        """Do what is due when the client has had its time."""
        if self._closing or (self._current is not None and not self._current.body.waiting):
            unsent = outstanding(self._transport)
            if unsent >= self._unsent:
                self.abort()
            else:
                self._unsent = unsent
                self._within(self._bounds.send_seconds)
        elif self._current is not None:
            self.deadline = math.inf
            self._no_more = True
            self._current.body.lose()
        elif self._reader.in_head:
            self._refuse(408)
        else:
            self.close()

    def close(self) -> None:
        """End it once everything is sent."""
        if not self._closing:
            self._closing = True
            self._unsent = outstanding(self._transport)
            self._within(self._bounds.send_seconds)
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self._closing = True
        if self._current is not None and self._current.task is not None and self._gate.stopping:
            self._current.task.cancel()
        self._transport.abort()

    def stop(self) -> None:
        """End it as soon as nobody would miss an answer."""
        self._no_more = True
        if self._current is None and not self._reader.in_head:
            self.close()

    def _refuse(self, status: int) -> None:
        self._refusal = status
        self._no_more = True
        if self._incoming is not None:
            self._incoming.body.lose()
        if self._current is None:
            self._say(status)

    def _say(self, status: int) -> None:
        self._transport.write(plain(status, _WORDS[status]))
        self._linger()

    def _linger(self) -> None:
        """Let the client read the answer, whose rest it would lose if we closed while it still sends."""
        if self._half or self._transport.is_closing():
            self.close()
            return
        self._closing = True
        self._unsent = outstanding(self._transport)
        self._within(self._bounds.linger_seconds)
        self._transport.write_eof()
        self._read_on()

    # How it goes on.

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        self.deadline = math.inf
        self._gate.works(self)
        exchange.task = self._gate.loop.create_task(exchange.run(self._gate.application))

    def _rest(self) -> None:
        self._within(self._bounds.head_seconds if self._reader.in_head else self._bounds.idle_seconds)
        self._read_on()
        self._gate.rests(self)

    def _body_wanted(self) -> None:
        current = self._current
        if current is None or current.body.ended:
            return  # it only waits for the client to go
        self._within(self._bounds.body_seconds)
        if current.request.expects and not current.started:
            current.request.expects = False
            self._transport.write(CONTINUE)

    def _flow(self) -> None:
        """Read on, or stop reading while too much is held."""
        held = sum(exchange.body.held for exchange in (self._current, *self._ahead) if exchange is not None)
        if self._ahead or held > self._bounds.unread_bytes:
            if not self._paused and not self._transport.is_closing():
                self._paused = True
                self._transport.pause_reading()
        else:
            self._read_on()

    def _read_on(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _within(self, seconds: float) -> None:
        self.deadline = self._gate.loop.time() + seconds
