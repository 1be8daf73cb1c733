"""How much one client may hold, and how long it may take over it."""

from __future__ import annotations

from dataclasses import dataclass

DRAINED = 1 << 20
"""Bytes of a body that nobody wants which are taken in, so that the connection can be used again: less than a new one costs."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes in bytes, times in seconds."""

    connections: int = 4096
    """At once, of one listening socket of one process; those of one burst may exceed it. One whose client is gone counts
    until its request is finished."""
    rest_seconds: float = 1.0
    """After which one without a request may have to make room: a client that has just come is about to ask."""
    parting_seconds: float = 0.25
    """Between the end of accepting and that of connections without a request, whose next may be on its way."""
    head_bytes: int = 64 << 10
    """Request line and header fields together, each field counted with what it takes beside its bytes; what is sent beyond
    is read once, at most another 256 KiB."""
    unread_bytes: int = 256 << 10
    """Of bodies that nobody has asked for yet: beyond, nothing more is read from the connection."""
    ahead: int = 32
    """Requests that wait, already received, until the one before them is answered."""
    head_seconds: float = 15.0
    """From the first byte of a request to the end of its header fields: a slow-header flood has no more than that."""
    idle_seconds: float = 75.0
    """Between two requests: longer than the minute after which proxies let go, so that it is they who close."""
    body_seconds: float = 60.0
    """Between two pieces of a body that is waited for; and for all of one that is only taken in because it is small."""
    send_seconds: float = 60.0
    """In which a client that has an answer to read must take in some of it."""
    linger_seconds: float = 5.0
    """In which a client may read an answer before its connection is reset because of a body that nobody wanted."""
