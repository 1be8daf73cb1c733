"""PostgreSQL through asyncpg: a pool per process, READ COMMITTED, failed serialisations tried again.

A pooler that stands in between must keep the session (PgBouncer: `pool_mode = session`): migrations hold a lock of the
session, and statements are prepared in it. `statement_cache_size=0` in the URL's query prepares none that is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Never

import asyncpg

from entrepot.errors import EntrepotError
from entrepot.metadata.database import (
    DatabaseFull,
    DatabaseUnavailable,
    Duplicate,
    ReferenceLost,
    Row,
    T,
    Tx,
    Unstorable,
)
from entrepot.metadata.sql import Parameter, Statement, sql
from entrepot.metadata.streams import Streams

_ATTEMPTS = 6
_DEADLINE = 30.0
_BATCH = 1000  # rows of a stream per round trip
_CLOCK_PERIOD = 30.0
_ROUND_TRIP = 200  # milliseconds
_OF_DRIVER = frozenset({"statement_cache_size"})  # in the query of a URL; all else there is for the server

_CLOCK = sql("SELECT {now}")

_PASSING = frozenset({"08", "28", "3D", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE that speak of connections (also refused ones), resources, locks and the system around the server."""
_PASSING_TOO = frozenset({"25006", "25P03"})  # it is a standby now; it ended a connection that was idle

_TRY_AGAIN: tuple[type[Exception], ...] = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


def raise_translated(error: Exception) -> Never:
    """Raise the error of our tree that says the same, caused by it; a failed serialisation, and a fault, as it is."""
    translated = None if isinstance(error, _TRY_AGAIN) else _translated(error)
    if translated is None:
        raise error
    raise translated from error


def _translated(error: Exception) -> EntrepotError | None:
    if isinstance(error, asyncpg.UniqueViolationError):
        return Duplicate()
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return ReferenceLost()
    if isinstance(error, asyncpg.CharacterNotInRepertoireError):
        return Unstorable()
    if isinstance(error, asyncpg.DiskFullError):
        return DatabaseFull()
    state = getattr(error, "sqlstate", None)  # what the driver itself raises has none: it lost the connection
    passing = state is None or state[:2] in _PASSING or state in _PASSING_TOO
    return DatabaseUnavailable() if passing else None


# InternalClientError: the driver lost its place, as when a server dies in the middle of an answer
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class PostgresTx:
    """A transaction on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def row(self, statement: Statement, **parameters: Parameter) -> Row | None:
        """See Reads."""
        try:
            found: Row | None = await self._connection.fetchrow(statement.postgres, *statement.for_postgres(parameters))
        except _FAILURES as error:
            raise_translated(error)
        return found

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        """See Reads."""
        try:
            found: Sequence[Row] = await self._connection.fetch(statement.postgres, *statement.for_postgres(parameters))
        except _FAILURES as error:
            raise_translated(error)
        return found

    async def execute(self, statement: Statement, **parameters: Parameter) -> int:
        """See Tx."""
        try:
            done: str = await self._connection.execute(statement.postgres, *statement.for_postgres(parameters))
        except _FAILURES as error:
            raise_translated(error)
        count = done.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def many(self, statement: Statement, parameters: Sequence[dict[str, Parameter]]) -> None:
        """See Tx: one round trip for all."""
        try:
            await self._connection.executemany(statement.postgres, [statement.for_postgres(one) for one in parameters])
        except _FAILURES as error:
            raise_translated(error)


class PostgresDatabase:
    """A PostgreSQL database, as this process sees it. Made by `open_postgres`."""

    engine = "postgresql"

    def __init__(self, pool: Any, connections: int) -> None:
        self._pool = pool
        self._streams = Streams(connections)
        self._ahead = 0  # of this machine's clock, milliseconds
        self._measured = False
        self._keeping_time = asyncio.create_task(self._keep_time())

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncIterator[Any]:
        """Lend a connection. Raises TimeoutError when all are in use until the deadline."""
        async with asyncio.timeout(_DEADLINE):
            connection = await self._pool.acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def row(self, statement: Statement, **parameters: Parameter) -> Row | None:
        """See Reads."""
        try:
            async with self._lent() as connection:
                found: Row | None = await connection.fetchrow(statement.postgres, *statement.for_postgres(parameters))
        except _FAILURES as error:
            raise_translated(error)
        return found

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        """See Reads."""
        try:
            async with self._lent() as connection:
                found: Sequence[Row] = await connection.fetch(statement.postgres, *statement.for_postgres(parameters))
        except _FAILURES as error:
            raise_translated(error)
        return found

    async def scan(self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter) -> Sequence[Row]:
        """See Database."""
        try:
            async with self._lent() as connection:
                found: Sequence[Row] = await connection.fetch(
                    statement.postgres, *statement.for_postgres(parameters), timeout=seconds
                )
        except _FAILURES as error:
            raise_translated(error)
        return found

    def stream(
        self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter
    ) -> AsyncGenerator[Sequence[Row], None]:
        """See Database: a cursor of the server's."""
        return self._streams.read(self._cursor(statement, parameters, seconds))

    async def _cursor(
        self, statement: Statement, parameters: dict[str, Parameter], seconds: float
    ) -> AsyncGenerator[Sequence[Row], None]:
        try:
            async with (
                self._lent() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                cursor = await connection.cursor(
                    statement.postgres, *statement.for_postgres(parameters), timeout=seconds
                )
                while batch := await cursor.fetch(_BATCH, timeout=seconds):
                    yield batch
        except _FAILURES as error:
            raise_translated(error)

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """See Database. A connection that breaks at the commit leaves its outcome unknown: it is not tried again here."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._lent() as connection, connection.transaction():
                    return await body(PostgresTx(connection))
            except _TRY_AGAIN as error:
                if attempt == _ATTEMPTS:
                    raise DatabaseUnavailable from error
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter, not a secret
            except _FAILURES as error:
                raise_translated(error)
        raise AssertionError("unreachable")

    def now(self) -> int:
        """See Database."""
        return time.time_ns() // 1_000_000 + self._ahead

    async def close(self) -> None:
        """See Database."""
        self._keeping_time.cancel()
        await asyncio.wait([self._keeping_time])
        try:
            await asyncio.wait_for(self._pool.close(), _DEADLINE)
        except TimeoutError:
            self._pool.terminate()

    async def measure_clock(self) -> None:
        """Learn how far the database's clock is ahead of ours; half the round trip is the error."""
        try:
            async with self._lent() as connection:
                asked = time.time_ns() // 1_000_000
                told = await connection.fetchval(_CLOCK.postgres)
                heard = time.time_ns() // 1_000_000
        except _FAILURES as error:
            raise_translated(error)
        if heard - asked <= _ROUND_TRIP or not self._measured:  # rather an old difference than one that may be far off
            self._ahead, self._measured = int(told) - (asked + heard) // 2, True

    async def _keep_time(self) -> None:
        while True:
            with contextlib.suppress(
                DatabaseUnavailable, asyncpg.PostgresError
            ):  # until the next one tells, the last difference holds
                await self.measure_clock()
            await asyncio.sleep(_CLOCK_PERIOD)


def connecting(url: str) -> dict[str, Any]:
    """Return the arguments by which the driver connects to a `postgresql://` URL. Raises ValueError."""
    base, _, query = url.partition("?")
    pairs = [part.partition("=") for part in query.split("&") if part]
    rest = "&".join(f"{name}{sign}{value}" for name, sign, value in pairs if name not in _OF_DRIVER)
    named = {name for name, _, _ in pairs}
    ours = {"application_name": "entrepot", "idle_in_transaction_session_timeout": "60000"}
    return {
        "dsn": f"{base}?{rest}" if rest else base,
        "timeout": 10,
        "server_settings": {name: value for name, value in ours.items() if name not in named},
        **{name: int(value) for name, _, value in pairs if name in _OF_DRIVER},
    }


async def open_postgres(url: str, connections: int) -> PostgresDatabase:
    """Connect to the database at a `postgresql://` URL. Raises DatabaseUnavailable with the reason."""
    try:
        pool = await asyncpg.create_pool(
            **connecting(url),
            min_size=1,
            max_size=connections,
            command_timeout=_DEADLINE,
            max_inactive_connection_lifetime=60,
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise DatabaseUnavailable(f"Cannot connect to the PostgreSQL database: {error}") from error
    database = PostgresDatabase(pool, connections)
    await database.measure_clock()
    return database
