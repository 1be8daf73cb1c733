"""How much of what was sent a client has not taken in."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios


def outstanding(transport: asyncio.Transport) -> int:
    """Return the bytes that the transport holds and those that the kernel holds for it, as far as it tells.

    Both count: the kernel takes from us a third of its buffer at a time, which may last a slow client for minutes.
    """
    held = transport.get_write_buffer_size()
    try:
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed, or a system that does not tell
        return held
    return held + int.from_bytes(queued, sys.byteorder)
