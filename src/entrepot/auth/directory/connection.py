"""One connection to a directory server: opened, bound and searched under one deadline, and then closed.

Connections are not kept: a login needs one or two, at most once in minutes, and a bind changes whose rights they carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from entrepot.auth.directory import ber, wire
from entrepot.auth.directory.wire import Entry, Message, Outcome, Search

_MESSAGE: Final = 16 << 20  # bytes of one answer
_TOTAL: Final = 64 << 20  # bytes of all answers to one search


class DirectoryFailed(Exception):
    """The directory server cannot be used now."""


class Unreachable(DirectoryFailed):
    """There was no connection, or it broke."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and how to speak to it."""

    host: str
    port: int
    tls: bool = False  # from the first byte
    start_tls: bool = False
    authorities: str = ""  # PEM of the certificates that are trusted; empty: those of the system


class Connection:
    """See the module. Only one operation at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    async def bind(self, dn: str, password: str) -> Outcome:
        """Bind by name and password. An empty password would be no password at all (RFC 4513, 5.1.2): it is not sent."""
        if dn and not password:
            return Outcome(wire.INVALID_CREDENTIALS, "a password is needed")
        await self._send(wire.bind(self._next(), dn, password))
        return wire.outcome(await self._answer(wire.BIND_ANSWER))

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on by TLS. Raises DirectoryFailed where the server will not."""
        await self._send(wire.start_tls(self._next()))
        ended = wire.outcome(await self._answer(wire.EXTENDED_ANSWER))
        if ended.code != wire.SUCCESS:
            raise DirectoryFailed(f"StartTLS is refused: {ended.message or ended.code}")
        if self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - nothing sent before TLS may count after
            raise DirectoryFailed("the server went on speaking before TLS was there")
        await self._writer.start_tls(context, server_hostname=host)
        self._reader._transport = self._writer.transport  # type: ignore[attr-defined]  # noqa: SLF001 - left behind by Python 3.11

    async def search(self, wanted: Search) -> tuple[list[Entry], Outcome]:
        """Return the entries, page by page where that is asked for. What is elsewhere (referrals) is left there."""
        found: list[Entry] = []
        room, cookie = _TOTAL, b""
        while True:
            await self._send(wire.search(self._next(), wanted, cookie))
            while (message := await self._message()).operation.tag != wire.SEARCH_DONE:
                if message.operation.tag == wire.ENTRY:
                    found.append(wire.entry(message))
                    room -= len(message.operation.content)
                elif message.operation.tag != wire.REFERENCE:
                    raise DirectoryFailed("the server gave an answer that was not asked for")
                if room < 0:
                    raise DirectoryFailed("the server gives more than can be taken in")
            ended = wire.outcome(message)
            cookie = ended.cookie
            if ended.code != wire.SUCCESS or not cookie or len(found) >= wanted.most:
                return found[: wanted.most], ended

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _answer(self, tag: int) -> Message:
        message = await self._message()
        if message.operation.tag != tag:
            raise DirectoryFailed("the server gave an answer that was not asked for")
        return message

    async def _message(self) -> Message:
        start = await self._reader.readexactly(2)
        if start[0] != ber.SEQUENCE:
            raise DirectoryFailed("the server does not speak LDAP")
        if start[1] > 0x80:
            start += await self._reader.readexactly(min(start[1] & 0x7F, 8))
        size = ber.head(start)
        if size is None or size[1] > _MESSAGE:
            raise DirectoryFailed("the server gives more than can be taken in")
        message = wire.read_message(start + await self._reader.readexactly(size[1]))
        if message.id == 0:  # RFC 4511, 4.4.1: notice of disconnection
            raise DirectoryFailed("the server ends the connection")
        if message.id != self._number:
            raise DirectoryFailed("the server gave an answer that was not asked for")
        return message

    async def close(self) -> None:
        """Say good-bye and hang up, without waiting for anybody.

        The socket is aborted, not closed: to close it would leave it open for as long as a server that no longer reads
        keeps what was written, or does not end TLS.
        """
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write(wire.unbind(self._next()))
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(server: Server, seconds: float) -> AsyncIterator[Connection]:
    """Give a connection, TLS and all; the whole block has `seconds`. Raises DirectoryFailed, with the reason."""
    try:
        async with asyncio.timeout(seconds):
            connection = await _open(server, seconds)
            try:
                yield connection
            finally:
                await connection.close()
    except TimeoutError:
        raise Unreachable(f"no answer within {seconds:g} s") from None
    except ssl.SSLError as error:
        raise Unreachable(f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}") from None
    except (asyncio.IncompleteReadError, ber.Malformed) as error:
        raise Unreachable(f"the connection broke: {error}") from None
    except OSError as error:
        raise Unreachable(error.strerror or str(error) or type(error).__name__) from None


async def _open(server: Server, seconds: float) -> Connection:
    context = _context(server) if server.tls or server.start_tls else None
    reader, writer = await asyncio.open_connection(
        server.host,
        server.port,
        ssl=context if server.tls else None,
        server_hostname=server.host if server.tls else None,
        ssl_handshake_timeout=seconds if server.tls else None,
    )
    connection = Connection(reader, writer)
    if server.start_tls and context is not None:
        try:
            await connection.start_tls(context, server.host)
        except BaseException:
            writer.transport.abort()
            raise
    return connection


def _context(server: Server) -> ssl.SSLContext:
    """Certificates and host names are always verified."""
    try:
        return ssl.create_default_context(cadata=server.authorities or None)
    except (ssl.SSLError, ValueError):
        raise DirectoryFailed("the certificates of the trusted authorities cannot be read") from None
