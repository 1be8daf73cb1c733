"""Requests that this server makes: small JSON documents, with a deadline, a limit, and a guard against being led astray.

What an administrator configures as a URL may be answered by a name server that somebody else controls. So addresses that
no partner has are refused after the name was resolved, the connection goes to the very address that was judged, and
redirects are not followed. Plain HTTP is for this machine alone.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from entrepot.errors import Invalid, Unavailable

_SECONDS: Final = 10.0  # for all of it
_LIMIT: Final = 1 << 20  # bytes of an answer
_PIECE: Final = 1 << 16
_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
_PORTS: Final = {"https": 443, "http": 80}
_AT_ONCE: Final = 8

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class UrlRefused(Invalid):
    """The URL {url} is not one that this server asks: {reason}."""


class PartnerFailed(Unavailable):
    """{host} did not answer as expected: {reason}."""


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str
    address: str


class _Line:
    """The connection of a request, to be cut by another thread.

    A partner that sends a byte now and then outlasts every timeout of a socket, and would keep a thread for ever.
    """

    __slots__ = ("_is_cut", "_socket")

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_cut = False

    def hold(self, connected: socket.socket) -> None:
        self._socket = connected
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End whatever waits on the connection, now or later; harmless when it is closed."""
        self._is_cut = True
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # TLS's own would say goodbye first


async def fetch_json(url: str) -> Any:
    """Return the JSON document at a URL. Raises UrlRefused, PartnerFailed."""
    check_url(url)
    line = _Line()
    async with _room():
        try:
            return await asyncio.wait_for(asyncio.to_thread(_fetched, url, line), _SECONDS + 1)
        except TimeoutError:
            raise PartnerFailed(host=_host(url), reason="it took too long") from None
        finally:
            line.cut()


def check_url(url: str) -> None:
    """Raise UrlRefused for what is not an https URL, or an http one of this machine, without a user in it."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise UrlRefused(url=ascii(url[:200]), reason="it is not a URL") from None
    if (
        parts.scheme not in _PORTS
        or not parts.hostname
        or not port_is_fine
        or not url.isascii()
        or not url.isprintable()
    ):
        raise UrlRefused(url=ascii(url[:200]), reason="it must be https://host[:port]/path")
    if parts.username is not None or parts.password is not None:
        raise UrlRefused(url=ascii(parts.hostname), reason="it must not hold a user")


@cache
def _room() -> asyncio.Semaphore:
    return asyncio.Semaphore(_AT_ONCE)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _fetched(url: str, line: _Line) -> Any:
    target, ends = _resolved(url), time.monotonic() + _SECONDS
    try:
        body = _read(target, ends, line)
        return msgspec.json.decode(body)
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        raise PartnerFailed(host=target.host, reason=str(error)[:200] or type(error).__name__) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PartnerFailed(host=target.host, reason="what it sent is not JSON") from None


def _read(target: _Target, ends: float, line: _Line) -> bytes:
    connection = _connected(target, ends, line)
    try:
        host = target.host if target.port == _PORTS[target.scheme] else f"{target.host}:{target.port}"
        connection.request("GET", target.path, headers={"host": host, "accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise PartnerFailed(host=target.host, reason=f"status {answer.status}")
        body = b""
        while piece := answer.read1(_PIECE):
            body += piece
            if len(body) > _LIMIT or time.monotonic() > ends:
                raise PartnerFailed(host=target.host, reason="its answer is too long, or too slow")
        return body
    finally:
        connection.close()


def _connected(target: _Target, ends: float, line: _Line) -> http.client.HTTPConnection:
    """Return a connection to the very address that was judged, whatever its name resolves to by now."""
    left = max(ends - time.monotonic(), 0.1)
    connection = http.client.HTTPConnection(target.host, target.port, timeout=left)
    plain = socket.create_connection((target.address, target.port), timeout=left)
    try:
        line.hold(plain)
        if target.scheme == "https":
            secure = _context().wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
            connection.sock = plain = secure
            line.hold(secure)
            secure.do_handshake()
        else:
            connection.sock = plain
    except BaseException:
        plain.close()
        raise
    return connection


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _resolved(url: str) -> _Target:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PartnerFailed(host=host, reason=f"its name is not known ({error})") from None
    addresses = [str(one[4][0]) for one in found]
    for text in addresses:
        _judge(url, parts.scheme, ipaddress.ip_address(text.partition("%")[0]))
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return _Target(parts.scheme, host, port, path, addresses[0])


def _judge(url: str, scheme: str, address: Address) -> None:
    """Raise UrlRefused for addresses of the machine's own network and of cloud metadata, and for HTTP across a network."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
        raise UrlRefused(url=url[:200], reason=f"{address} is no address of a partner")
    if scheme == "http" and not address.is_loopback:
        raise UrlRefused(url=url[:200], reason="http is for this machine only; use https")
