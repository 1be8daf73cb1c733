"""The taking in of clients from one listening socket.

Not asyncio's server: it is closed and made anew when there is no room, and what it had accepted just before was then neither
answered nor closed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_AT_ONCE = 16  # before anybody else has a turn, and before it is known whether there is room for more


class Acceptor:
    """Makes connections of clients, while it is open. All on the loop."""

    def __init__(self, descriptor: int, protocol: Callable[[], asyncio.Protocol], arrived: Callable[[], None]) -> None:
        """Take in nobody yet. `arrived` is called when one of those that are `arriving` has become a connection, or failed."""
        self._listener = socket.socket(fileno=os.dup(descriptor))
        self._listener.setblocking(False)
        self._protocol = protocol
        self._arrived = arrived
        self._arriving: set[asyncio.Task[None]] = set()
        self.is_open = False

    @property
    def arriving(self) -> int:
        """How many were accepted and do not have a connection yet."""
        return len(self._arriving)

    def open(self) -> None:
        """Accept."""
        if not self.is_open:
            self.is_open = True
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Accept nobody for now; others may, who have the same socket."""
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().remove_reader(self._listener)

    def finish(self) -> None:
        """Take in those who wait, for they have been let in by the kernel, and accept nobody any more."""
        self.close()
        while self._take():
            pass
        self._listener.close()

    def end(self) -> None:
        """Accept nobody any more, and drop who is arriving."""
        self.close()
        for task in self._arriving:
            task.cancel()
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._take():
                return

    def _take(self) -> bool:
        """Take in the next one; False when there is none, or no room for it."""
        try:
            client, _address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:  # most likely too many open files: whoever looks after us opens again
            log.warning("connections.not_accepted", reason=error.strerror)
            self.close()
            return False
        client.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._take_in(client))
        self._arriving.add(task)
        task.add_done_callback(self._done)
        return True

    async def _take_in(self, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, client)
        except OSError:  # it is gone already
            client.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        self._arrived()
