"""What a connection knows of the listening socket that it came by."""

from __future__ import annotations

import asyncio
from typing import Protocol

from entrepot.asgi import Asgi
from entrepot.cluster.http1.bounds import Bounds


class Occupant(Protocol):
    """A connection, as whoever counts the places sees it."""

    @property
    def deadline(self) -> float:
        """When `expired` must be called, on the loop's clock."""
        ...

    def expired(self) -> None:
        """Do what is due when the client has had its time."""
        ...

    def evict(self) -> None:
        """End to make room for another: there is no request to answer. The second time, at once."""
        ...

    def stop(self) -> None:
        """End as soon as nobody would miss an answer."""
        ...

    def cut_off(self) -> None:
        """End, and what was asked for, now."""
        ...

    def abort(self) -> None:
        """End now."""
        ...


class Gate(Protocol):
    """Who is told what becomes of a connection, and says what all of them share."""

    application: Asgi
    bounds: Bounds
    loop: asyncio.AbstractEventLoop
    stopping: bool

    def joined(self, connection: Occupant) -> None:
        """It is there, and rests."""
        ...

    def left(self, connection: Occupant) -> None:
        """It is no more, and nothing that it asked for runs."""
        ...

    def rests(self, connection: Occupant) -> None:
        """It has no request to answer."""
        ...

    def works(self, connection: Occupant) -> None:
        """It has one."""
        ...
