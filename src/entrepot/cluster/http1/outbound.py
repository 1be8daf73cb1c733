"""What leaves by one connection, no faster than its client takes it in."""

from __future__ import annotations

import asyncio
import fcntl
import math
import socket
import struct
import sys
import termios
from contextlib import suppress
from typing import cast

from entrepot.cluster.http1.bounds import Bounds

_JOINED = 32 << 10  # bytes up to which pieces are copied together: less than one more call into the kernel costs
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: whatever ends the socket, the process included, its client sees an error
_ORDERLY = struct.pack("ii", 0, 0)


class ClientGone(ConnectionError):
    """Nobody is there to read the answer."""


class Outbound:
    """The sending half of a connection. All on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bounds: Bounds) -> None:
        self._loop = loop
        self._bounds = bounds
        self._transport: asyncio.Transport
        self._full: asyncio.Future[None] | None = None  # nothing more should be written
        self._unsent = 0  # when the deadline was set
        self._unframed = False
        self.deadline = math.inf
        """When `stalled` must be asked, on the loop's clock."""

    def opened(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not say so

    def fill(self) -> None:
        """Note that the client is slower than we are."""
        self._full = self._loop.create_future()

    def resume(self) -> None:
        """Note that it has caught up, or is gone."""
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)

    def say(self, words: bytes) -> None:
        """Send a few, whatever the client's pace."""
        self._transport.write(words)

    async def write(self, *pieces: bytes) -> None:
        """Send, and wait while the client is slow. Raises ClientGone."""
        if self._transport.is_closing():
            raise ClientGone
        size = sum(map(len, pieces))
        if size <= _JOINED:
            if size:
                self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines([piece for piece in pieces if piece])
        if self._full is None:
            return
        self._within(self._bounds.send_seconds)
        try:
            await asyncio.wait((self._full,))  # which others wait for, too, should this be cancelled
        finally:
            self.deadline = math.inf
        if self._transport.is_closing():
            raise ClientGone

    def unframed(self) -> None:
        """Note that the end of the connection will be that of the answer: until `close` it ends by an error only."""
        if not self._transport.is_closing():
            self._unframed = True
            self._linger(_RESET)

    def stalled(self) -> bool:
        """Return whether the client has taken in nothing since the deadline was set; if it has, set another."""
        unsent = self.outstanding()
        if not unsent or unsent >= self._unsent:
            return True
        self._within(self._bounds.send_seconds)
        return False

    def close(self) -> None:
        """End once everything is sent."""
        if self._unframed:
            self._linger(_ORDERLY)
        self._within(self._bounds.send_seconds)
        self._transport.close()

    def half_close(self) -> None:
        """Let the client read to the end, while it may still send."""
        if self._unframed:
            self._linger(_ORDERLY)
        self._within(self._bounds.linger_seconds)
        try:
            self._transport.write_eof()
        except OSError:  # it was broken while nothing was read
            self._transport.abort()

    def abort(self) -> None:
        """End now. A client that has not got everything sees that, however the answer was framed."""
        if self._unframed:
            self._linger(_RESET)
        self._transport.abort()

    def lost(self) -> None:
        """Note that the connection is no more."""
        self.deadline = math.inf
        self.resume()

    def _within(self, seconds: float) -> None:
        self._unsent = self.outstanding()
        self.deadline = self._loop.time() + seconds

    def _linger(self, option: bytes) -> None:
        with suppress(OSError):  # macOS refuses it for a connection that is broken
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)

    def outstanding(self) -> int:
        """Return the bytes that the transport holds and those that the kernel holds for it, as far as it tells.

        Both count: the kernel takes from us a third of its buffer at a time, which may last a slow client for minutes.
        """
        held = self._transport.get_write_buffer_size()
        try:
            queued = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # closed, or a system that does not tell
            return held
        return held + int.from_bytes(queued, sys.byteorder)
