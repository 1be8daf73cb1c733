"""Listening sockets: bound once by the supervisor, handed to each worker, and kept while a worker is replaced.

On Linux every worker has a socket of its own on each port (SO_REUSEPORT): the kernel spreads connections by hash,
where a shared socket let one worker take whole bursts (16 of 16 in a trial). Connections that come while their worker
is replaced wait in its backlog, because the supervisor holds the socket too. Elsewhere, where SO_REUSEPORT does not
spread, the workers share one.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
from collections.abc import Sequence

from entrepot.errors import EntrepotError

BACKLOG = 1024  # connections that wait to be accepted, per socket; Linux cuts it to net.core.somaxconn
_PATIENCE = 1.0  # seconds in which the workers of a killed predecessor may let go of the port
_ASK_AFTER = 60  # seconds of silence
_SPREADS = sys.platform == "linux"


class PortTaken(EntrepotError):
    """Port {port} of {host} is taken by another program."""


class CannotListen(EntrepotError):
    """Cannot listen on port {port} of {host}: {reason}."""


def open_listeners(host: str, ports: Sequence[int], workers: int) -> list[list[socket.socket]]:
    """Return for each worker its sockets, in the order of the ports. Raises PortTaken, CannotListen."""
    for port in ports:
        _probe(host, port)
    try:
        if _SPREADS:
            return [[_listen(host, port, share=True) for port in ports] for _ in range(workers)]
        return [[_listen(host, port) for port in ports]] * workers
    except OSError as error:  # somebody was faster than we between the probe and now
        raise CannotListen(host=host, port=", ".join(map(str, ports)), reason=error.strerror) from None


def _probe(host: str, port: int) -> None:
    """Bind without sharing, which fails if anyone listens, also one who would share."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            _listen(host, port).close()
        except socket.gaierror as error:
            raise CannotListen(host=host, port=port, reason=error.strerror) from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(host=host, port=port, reason=error.strerror) from None
            if time.monotonic() > until:
                raise PortTaken(host=host, port=port) from None
            time.sleep(0.05)
        else:
            return


def _listen(host: str, port: int, *, share: bool = False) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _find_dead_peers(listener)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _find_dead_peers(listener: socket.socket) -> None:
    """Have the kernel ask silent peers whether they live; on Linux accepted connections inherit this.

    Clients that lost their network would else hold their connections, and our bound on them, for ever.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _ASK_AFTER)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _ASK_AFTER // 4)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
