"""How much one client may hold, and how long it may take over it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes in bytes, times in seconds."""

    connections: int = 4096
    """At once, of one listening socket of one process; those of one burst may exceed it."""
    rest_seconds: float = 1.0
    """After which one without a request may have to make room: a client that has just come is about to ask."""
    head_bytes: int = 64 << 10
    """Request line and header fields together; what is sent beyond is read once, at most another 256 KiB."""
    unread_bytes: int = 256 << 10
    """Of bodies that nobody has asked for yet: beyond, nothing more is read from the connection."""
    ahead: int = 32
    """Requests that wait, already received, until the one before them is answered."""
    head_seconds: float = 15.0
    """From the first byte of a request to the end of its header fields: a slow-header flood has no more than that."""
    idle_seconds: float = 75.0
    """Between two requests: longer than the minute after which proxies let go, so that it is they who close."""
    body_seconds: float = 60.0
    """Between two pieces of a body that is waited for."""
    send_seconds: float = 60.0
    """In which a client that has an answer to read must take in some of it."""
    linger_seconds: float = 5.0
    """In which a client may read an answer before its connection is reset because of a body that nobody wanted."""
