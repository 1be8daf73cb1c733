"""What a connection knows of the listening socket that it came by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from entrepot.asgi import Asgi
from entrepot.cluster.http1.bounds import Bounds

if TYPE_CHECKING:
    from entrepot.cluster.http1.connection import Connection


class Gate(Protocol):
    """Who is told what becomes of a connection, and says what all of them share."""

    application: Asgi
    bounds: Bounds
    loop: asyncio.AbstractEventLoop
    stopping: bool

    def joined(self, connection: Connection) -> None:
        """It is there, and rests."""
        ...

    def left(self, connection: Connection) -> None:
        """It is no more, and nothing that it asked for runs."""
        ...

    def rests(self, connection: Connection) -> None:
        """It has no request to answer."""
        ...

    def works(self, connection: Connection) -> None:
        """It has one."""
        ...
