"""One client's connection: what arrives becomes requests, which are answered one after the other, in order."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import cast

from entrepot.cluster.http1.answering import CONTINUE, refusal
from entrepot.cluster.http1.body import Body
from entrepot.cluster.http1.exchange import Exchange, scope_of
from entrepot.cluster.http1.gate import Gate
from entrepot.cluster.http1.outbound import Outbound
from entrepot.cluster.http1.reading import Head, Reader, Refused


class Connection(asyncio.Protocol):
    """See above. All on the loop."""

    _transport: asyncio.Transport

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._bounds = gate.bounds
        self._reader = Reader(self, gate.bounds.head_bytes)
        self._out = Outbound(gate.loop, gate.bounds)
        self._current: Exchange | None = None  # being answered
        self._ahead: deque[Exchange] = deque()  # received before their turn
        self._incoming: Exchange | None = None  # whose body arrives, perhaps after its answer
        self._refusal = 0  # the status that ends it, once what came before is answered
        self._paused = False  # nothing is read
        self._closing = False
        self._gone = False
        self._ends: tuple[object, object] = (None, None)
        self._no_more = False  # requests are taken in
        self._half = False  # the client has said all it wants
        self._due = math.inf  # when what is waited for must have arrived

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not say so
        self._out.opened(self._transport)
        self._ends = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._within(self._bounds.head_seconds)
        self._gate.joined(self)

    def data_received(self, data: bytes) -> None:
        """Read what arrived."""
        if self._closing or self._refusal or (self._no_more and self._incoming is None and not self._reader.in_head):
            return  # nobody wants it any more
        try:
            self._reader.feed(data)
        except Refused as refused:
            self._refuse(refused.status)
        if self._incoming is not None:
            self._flow()

    def eof_received(self) -> bool:
        """Let a client that has said all it wants read its answer."""
        self._no_more = self._half = True
        if self._incoming is not None:
            self._incoming.body.lose()
        return self._current is not None and not self._closing

    def pause_writing(self) -> None:
        """Have the application wait."""
        self._out.fill()

    def resume_writing(self) -> None:
        """Have it go on."""
        self._out.resume()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """Tell everybody who waits."""
        self._gone = self._closing = True
        self._due = math.inf
        self._ahead.clear()
        self._out.lost()
        if self._current is None:
            self._gate.left(self)
        else:
            self._current.body.lose()

    # reading.Receiver

    def begun(self) -> None:
        """See Receiver."""
        if self._current is None:
            self._within(self._bounds.head_seconds)
        if self._gate.stopping:
            self._no_more = True  # after this
        if len(self._ahead) >= self._bounds.ahead:
            raise Refused(503)

    def requested(self, head: Head) -> None:
        """See Receiver."""
        exchange = Exchange(self, head, scope_of(head, *self._ends), Body(self))
        self._incoming = exchange
        if self._current is None:
            self._start(exchange)
        else:
            self._ahead.append(exchange)

    def piece(self, piece: bytes) -> None:
        """See Receiver."""
        assert self._incoming is not None
        self._incoming.body.add(piece)

    def ended(self, *, keep: bool) -> None:
        """See Receiver."""
        exchange, self._incoming = self._incoming, None
        assert exchange is not None
        exchange.keep = exchange.keep and keep
        exchange.body.end()
        if self._current is None:
            self._go_on(exchange)
        elif self._ahead:
            self._flow()

    # body.Source

    def wanted(self, body: Body) -> None:
        """See Source."""
        current = self._current
        if current is None or current.body is not body or current.complete:
            body.refuse()  # whoever has answered is told nothing more
        elif not body.ended:  # or else it waits for the client to go
            self._within(self._bounds.body_seconds)
            if current.request.expects and not current.started:
                current.request.expects = False
                self._out.say(CONTINUE)

    def came(self, body: Body) -> None:
        """See Source."""
        if self._current is not None and self._current.body is body:
            self._due = math.inf

    def consumed(self, body: Body) -> None:  # noqa: ARG002 - all of them count
        """See Source."""
        self._flow()

    # exchange.Line

    @property
    def last(self) -> bool:
        """See Line."""
        return (self._no_more or self._gate.stopping) and not self._ahead and not self._refusal

    async def write(self, *pieces: bytes) -> None:
        """See Line."""
        await self._out.write(*pieces)

    def unframed(self) -> None:
        """See Line."""
        self._out.unframed()

    def answered(self) -> None:
        """See Line."""
        exchange, self._current = self._current, None
        assert exchange is not None
        if self._gone:
            self._gate.left(self)
            return
        self._gate.rests(self)
        if not exchange.complete and exchange.unframed:
            self.abort()
        elif not exchange.complete:  # which its client sees by the framing; those before it keep their answers
            self._finish()
        elif self._closing:
            return
        elif exchange.body.ended:
            self._go_on(exchange)
        elif exchange.keep and not exchange.body.lost:
            exchange.body.drop()
            self._within(self._bounds.body_seconds)
            self._read_on()
        else:
            self._linger()

    # What ends it.

    @property
    def deadline(self) -> float:
        """When `expired` must be called, on the loop's clock."""
        return min(self._due, self._out.deadline)

    def expired(self) -> None:
        """Do what is due when the client has had its time."""
        if self._out.deadline < self._due:
            if self._out.stalled():
                self.abort()
        elif self._current is not None:
            self._no_more = True
            self._current.body.lose()
        elif self._reader.in_head:
            self._refuse(408)
        else:
            self._finish()

    def close(self) -> None:
        """End it once everything is sent."""
        if not self._closing:
            self._closing = True
            self._due = math.inf
            self._out.close()

    def abort(self) -> None:
        """End it now."""
        if not self._gone:
            self._closing = True
            self._due = math.inf
            self._out.abort()

    def evict(self) -> None:
        """End it to make room for another: it has no request to answer. The second time it need not have got everything."""
        if self._closing:
            self.abort()
        else:
            self.close()

    def stop(self) -> None:
        """End it as soon as nobody would miss an answer."""
        self._no_more = True
        if self._current is None and not self._reader.in_head and not self._closing:
            self._finish()

    def cut_off(self) -> None:
        """End it, and what it asked for, now."""
        if self._current is not None and self._current.task is not None:
            self._current.task.cancel()
        self.abort()

    def _refuse(self, status: int) -> None:
        self._refusal = status
        self._no_more = True
        if self._incoming is not None:
            self._incoming.body.lose()
        if self._current is None:
            self._say(status)

    def _say(self, status: int) -> None:
        self._out.say(refusal(status))
        self._linger()

    def _finish(self) -> None:
        """End it after an answer. While that is on its way, or there is input that nobody reads, closing may cost it."""
        unread = self._paused or self._ahead or self._refusal or self._incoming is not None or self._reader.in_head
        if unread or self._out.outstanding():
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Let the client read the answer, whose rest it would lose if we closed while it still sends."""
        if self._half or self._transport.is_closing():
            self.close()
            return
        self._closing = True
        self._due = math.inf
        self._out.half_close()
        self._read_on()

    # How it goes on.

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        self._due = math.inf
        self._gate.works(self)
        exchange.task = self._gate.loop.create_task(exchange.run(self._gate.application))

    def _go_on(self, exchange: Exchange) -> None:
        """Do what comes after an exchange."""
        if not exchange.keep:
            self._finish()
        elif self._ahead:
            self._start(self._ahead.popleft())
            self._flow()
        elif self._refusal:
            self._say(self._refusal)
        elif self._no_more and (self._half or not self._reader.in_head):
            self._finish()
        else:
            self._within(self._bounds.head_seconds if self._reader.in_head else self._bounds.idle_seconds)
            self._read_on()

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
        self._due = self._gate.loop.time() + seconds
