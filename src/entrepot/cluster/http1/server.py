"""One listening socket and all connections that came by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice

import structlog

from entrepot.asgi import Asgi
from entrepot.cluster.http1.accepting import Acceptor
from entrepot.cluster.http1.bounds import Bounds
from entrepot.cluster.http1.connection import Connection
from entrepot.cluster.http1.gate import Occupant

log = structlog.get_logger()

_LOOKS = 4  # at the deadlines, within the shortest of the bounds
_SLOWEST_LOOK = 1.0


class Server:
    """Serve an application by HTTP/1.1 on a socket that is already listening, and stays so when this ends."""

    def __init__(self, application: Asgi, descriptor: int, bounds: Bounds) -> None:
        self.application = application
        self.bounds = bounds
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop
        self._connections: set[Occupant] = set()
        self._resting: dict[Occupant, float] = {}  # since when, in that order
        self._evicted: set[Occupant] = set()
        self._parted = False
        self._changed = asyncio.Event()
        self._acceptor = Acceptor(descriptor, lambda: Connection(self), self._changed.set)

    async def serve(self) -> None:
        """Answer until `stop`, and then until the last request is answered. When cancelled, cut everything off."""
        self.loop = asyncio.get_running_loop()
        self._go_on()
        looking = self.loop.create_task(self._look())
        try:
            while not self.stopping or self._connections or self._acceptor.arriving:
                await self._changed.wait()
                self._changed.clear()
        finally:
            looking.cancel()
            self.stop()
            self._acceptor.end()
            for connection in list(self._connections):
                connection.cut_off()

    def stop(self) -> None:
        """Accept nobody, and soon let go of whoever has nothing to be answered."""
        if not self.stopping:
            self.stopping = True
            self._acceptor.finish()
            asyncio.get_running_loop().call_later(self.bounds.parting_seconds, self._part)
            self._changed.set()

    def _part(self) -> None:
        self._parted = True
        for connection in list(self._connections):
            _guarded(connection, connection.stop)

    # connection.Gate

    def joined(self, connection: Occupant) -> None:
        """Take it in, and beyond the bound have another make room."""
        self._connections.add(connection)
        self._resting[connection] = self.loop.time()
        if self._parted:
            connection.stop()
        else:
            self._make_room(len(self._connections) - len(self._evicted) - self.bounds.connections)

    def left(self, connection: Occupant) -> None:
        """Forget it."""
        self._connections.discard(connection)
        self._evicted.discard(connection)
        self._resting.pop(connection, None)
        self._go_on()
        self._changed.set()

    def rests(self, connection: Occupant) -> None:
        """It may make room for another, after a while."""
        self._resting[connection] = self.loop.time()

    def works(self, connection: Occupant) -> None:
        """It is needed."""
        self._resting.pop(connection, None)

    def _make_room(self, places: int) -> None:
        """Let go of as many connections, those that have rested longest. If too few have rested enough, accept no more for now."""
        now = self.loop.time()
        longest = [
            one
            for one, since in islice(self._resting.items(), max(0, places))
            if now - since >= self.bounds.rest_seconds
        ]
        for connection in longest:
            self.works(connection)
            self.rests(connection)  # it is the last whose turn comes again
            self._evicted.add(connection)
            _guarded(connection, connection.evict)
        if len(longest) < places:
            self._acceptor.close()

    def _go_on(self) -> None:
        """Accept again, if that was given up and there is room."""
        if not self.stopping and len(self._connections) <= self.bounds.connections:
            self._acceptor.open()

    async def _look(self) -> None:
        """Have connections whose time is over end: one look at all of them costs less than a timer for each request."""
        bounds = self.bounds
        shortest = min(bounds.head_seconds, bounds.body_seconds, bounds.send_seconds, bounds.linger_seconds)
        while True:
            await asyncio.sleep(min(_SLOWEST_LOOK, shortest / _LOOKS))
            now = self.loop.time()
            for connection in [one for one in self._connections if one.deadline < now]:
                _guarded(connection, connection.expired)
            self._make_room(len(self._connections) - bounds.connections)
            self._go_on()


def _guarded(connection: Occupant, step: Callable[[], None]) -> None:
    """Do it so that a failure is that connection's end, and nobody else's."""
    try:
        step()
    except Exception:
        log.exception("connection.failed")
        connection.abort()
