"""One listening socket and all connections that came by it."""

from __future__ import annotations

import asyncio
import os
import socket

import structlog

from entrepot.cluster.http1.bounds import Bounds
from entrepot.cluster.http1.connection import Connection
from entrepot.cluster.lifespan import Asgi
from entrepot.cluster.listeners import BACKLOG

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
        self._descriptor = descriptor
        self._listening: asyncio.Server | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()
        self._resting: dict[Connection, float] = {}  # since when, in that order
        self._changed = asyncio.Event()

    async def serve(self) -> None:
        """Answer until `stop`, and then until the last request is answered. When cancelled, cut everything off."""
        self.loop = asyncio.get_running_loop()
        await self._accept()
        looking = self.loop.create_task(self._look())
        try:
            while not self.stopping or self._connections:
                await self._changed.wait()
                self._changed.clear()
        finally:
            looking.cancel()
            self.stop()
            for connection in list(self._connections):
                connection.abort()

    def stop(self) -> None:
        """Accept nobody, and let go of whoever has nothing to be answered."""
        self.stopping = True
        self._refrain()
        for connection in list(self._connections):
            connection.stop()
        self._changed.set()

    # connection.Gate

    def joined(self, connection: Connection) -> None:
        """Take it in, and beyond the bound have another make room."""
        self._connections.add(connection)
        self._resting[connection] = self.loop.time()
        if self.stopping:
            connection.stop()
        elif len(self._connections) > self.bounds.connections:
            self._make_room()

    def left(self, connection: Connection) -> None:
        """Forget it."""
        self._connections.discard(connection)
        self._resting.pop(connection, None)
        self._go_on()
        self._changed.set()

    def rests(self, connection: Connection) -> None:
        """It may make room for another, after a while."""
        self._resting[connection] = self.loop.time()

    def works(self, connection: Connection) -> None:
        """It is needed."""
        self._resting.pop(connection, None)

    def _make_room(self) -> None:
        """Let go of the connection that has rested longest, or for now accept no more."""
        longest, since = next(iter(self._resting.items()), (None, 0.0))
        if longest is not None and self.loop.time() - since >= self.bounds.rest_seconds:
            del self._resting[longest]
            longest.close()
        else:
            self._refrain()

    def _go_on(self) -> None:
        """Accept again, if that was given up and there is room."""
        if self._listening is not None or self.stopping or len(self._connections) > self.bounds.connections:
            return
        if self._accepting is None or self._accepting.done():
            self._accepting = self.loop.create_task(self._accept())

    async def _accept(self) -> None:
        listener = socket.socket(fileno=os.dup(self._descriptor))
        listening = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
        if self.stopping:
            listening.close()
        else:
            self._listening = listening

    def _refrain(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _look(self) -> None:
        """Have connections whose time is over end: one look at all of them costs less than a timer for each request."""
        bounds = self.bounds
        shortest = min(bounds.head_seconds, bounds.body_seconds, bounds.send_seconds, bounds.linger_seconds)
        while True:
            await asyncio.sleep(min(_SLOWEST_LOOK, shortest / _LOOKS))
            now = self.loop.time()
            for connection in [one for one in self._connections if one.deadline < now]:
                try:
                    connection.expired()
                except Exception:
                    log.exception("connection.expired")
                    connection.abort()
            if self._listening is None and len(self._connections) > bounds.connections:
                self._make_room()
            self._go_on()
