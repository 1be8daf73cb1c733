"""The servers of a worker: one for each of its listening sockets, all in one event loop.

Plain ports are served by `http1`, on the loop that the application runs on: a third of the processor time of a small
answer used to go into handing it from thread to thread. Ports with TLS, and plain ones that must speak HTTP/2, are
Granian's, which is imported only then. See docs/adr/0015.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol

from entrepot.asgi import Asgi
from entrepot.cluster.http1.bounds import Bounds
from entrepot.cluster.http1.server import Server
from entrepot.settings import Settings


class Door(Protocol):
    """A server on one listening socket."""

    async def serve(self) -> None:
        """Answer until `stop`, and then until the last request is answered. When cancelled, cut everything off."""
        ...

    def stop(self) -> None:
        """Accept nobody."""
        ...


class Doors:
    """All servers of this process."""

    def __init__(self, application: Asgi, settings: Settings, listeners: Sequence[tuple[int, int]]) -> None:
        """Open none yet. The listening sockets are ours from now on: once nobody accepts, nobody shall wait there."""
        self._doors = [_door(application, settings, descriptor, port) for descriptor, port in listeners]
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Accept connections."""
        self._tasks = [asyncio.ensure_future(door.serve()) for door in self._doors]

    async def close(self, seconds: float) -> bool:
        """Stop accepting and return whether all that runs was finished within so many seconds."""
        for door in self._doors:
            door.stop()
        _, unfinished = await asyncio.wait(self._tasks, timeout=seconds)
        for task in unfinished:
            task.cancel()
        return not unfinished


def _door(application: Asgi, settings: Settings, descriptor: int, port: int) -> Door:
    if settings.tls_cert or settings.http2 == "always":
        from entrepot.cluster.secure import GranianServer  # noqa: PLC0415 - 2 MiB that most workers need not hold

        return GranianServer(application, settings, descriptor, port)
    server = Server(application, descriptor, Bounds(connections=settings.connections_limit))
    os.close(descriptor)  # it has a copy
    return server
