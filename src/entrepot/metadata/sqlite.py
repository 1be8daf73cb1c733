"""SQLite: reads on the loop, writes on one thread with group commit, processes in turn by a file lock.

Why so (measured, DESIGN sections 6 and 9): a point read costs 6-8 µs on the calling thread and over a millisecond through
a thread; one commit costs an fsync, so writes that wait share it; and SQLite before 3.51.3 can lose a commit when a write
meets a checkpoint from another connection, so every write transaction, checkpoint and close, in every process, is made
under one `flock` on `<home>/write.lock`, and all other connections are read-only.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from entrepot.errors import TooMany
from entrepot.metadata.database import DatabaseUnavailable, Row, T, Tx
from entrepot.metadata.sql import Parameter, Statement
from entrepot.metadata.sqlite_errors import raise_translated
from entrepot.metadata.sqlite_unchanged import Unchanged
from entrepot.metadata.sqlite_writer import Writer, connect_writer
from entrepot.metadata.streams import Streams

_SCANNERS = 2
_STREAMERS = 2  # of their own: there may be more streams than threads, and a scan is to have its turn
_BATCH = 1000  # rows of a stream per thread hop
_STEPS = 4096  # of SQLite's machine: some tens of microseconds


def connect_reader(file: Path) -> sqlite3.Connection:
    """Open a read-only connection that any thread may use, one at a time. Raises DatabaseUnavailable."""
    try:
        connection = sqlite3.connect(
            f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        connection.execute("PRAGMA mmap_size = 268435456")
        connection.execute("PRAGMA cache_size = -8192")
    except sqlite3.Error as error:
        raise_translated(error, file.parent)
    return connection


class SqliteTx:
    """A transaction on the writer thread: every method is done when it returns, no await ever suspends."""

    __slots__ = ("_connection", "_folder")

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder

    async def row(self, statement: Statement, **parameters: Parameter) -> Row | None:
        """See Reads."""
        found: Row | None = self._run(statement, parameters).fetchone()
        return found

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        """See Reads."""
        return self._run(statement, parameters).fetchall()

    async def execute(self, statement: Statement, **parameters: Parameter) -> int:
        """See Tx."""
        return self._run(statement, parameters).rowcount

    async def many(self, statement: Statement, parameters: Sequence[dict[str, Parameter]]) -> None:
        """See Tx."""
        try:
            self._connection.executemany(statement.sqlite, parameters)
        except sqlite3.Error as error:
            raise_translated(error, self._folder)

    def _run(self, statement: Statement, parameters: dict[str, Parameter]) -> sqlite3.Cursor:
        text, spread = statement.for_sqlite(parameters)
        try:
            return self._connection.execute(text, spread)
        except sqlite3.Error as error:
            raise_translated(error, self._folder)


class SqliteDatabase:
    """The database of one home folder, as this process sees it. Made by `open_sqlite`."""

    engine = "sqlite"

    def __init__(self, file: Path, lock: Path) -> None:
        self._file = file
        self._reader = connect_reader(file)
        self._reader.execute(
            "SELECT count(*) FROM sqlite_schema"
        ).fetchone()  # makes the WAL index, where it is not there
        self._writer: Writer[Tx] = Writer(lambda: connect_writer(file), SqliteTx, lock)
        self._unchanged = Unchanged(file.with_name(f"{file.name}-shm"))
        self._scanners = ThreadPoolExecutor(_SCANNERS, thread_name_prefix="scan")
        self._scanning = asyncio.Semaphore(_SCANNERS)
        self._streamers = ThreadPoolExecutor(_STREAMERS, thread_name_prefix="stream")
        self._streams = Streams()

    async def row(self, statement: Statement, **parameters: Parameter) -> Row | None:
        """See Reads: runs on the calling thread."""
        if not statement.repeatable:
            return self._run(statement, parameters, _first)
        key = (statement, 1, *parameters.items())
        known = self._unchanged.get(key)
        if known is None:
            row = self._run(statement, parameters, _first)
            known = () if row is None else (row,)
            self._unchanged.put(key, known)
        return known[0] if known else None

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        """See Reads: runs on the calling thread."""
        if not statement.repeatable:
            return self._run(statement, parameters, sqlite3.Cursor.fetchall)
        key = (statement, *parameters.items())
        known = self._unchanged.get(key)
        if known is None:
            known = self._run(statement, parameters, sqlite3.Cursor.fetchall)
            self._unchanged.put(key, known)
        return known

    def _run(self, statement: Statement, parameters: dict[str, Parameter], fetch: Callable[[sqlite3.Cursor], T]) -> T:
        text, spread = statement.for_sqlite(parameters)
        try:
            return fetch(self._reader.execute(text, spread))
        except sqlite3.Error as error:
            raise_translated(error, self._file.parent)

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """See Database."""
        return await self._writer.submit(body)

    async def scan(self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter) -> Sequence[Row]:
        """See Database: a thread with a connection of its own, interrupted at the deadline or when we are cancelled."""
        try:
            async with asyncio.timeout(seconds):
                await self._scanning.acquire()
        except TimeoutError:
            raise TooMany(seconds=5) from None
        try:
            return await self._scan(statement, parameters, seconds)
        finally:
            self._scanning.release()

    async def _scan(self, statement: Statement, parameters: dict[str, Parameter], seconds: float) -> list[Row]:
        text, spread = statement.for_sqlite(parameters)
        over = threading.Event()  # asked every few thousand steps: an interrupt() before the first step would be lost

        def read() -> list[Row]:
            connection = connect_reader(self._file)
            connection.set_progress_handler(lambda: int(over.is_set()), _STEPS)
            try:
                return connection.execute(text, spread).fetchall()
            except sqlite3.Error as error:
                raise_translated(error, self._file.parent)
            finally:
                connection.close()

        reading = asyncio.get_running_loop().run_in_executor(self._scanners, read)
        try:
            return await asyncio.wait_for(asyncio.shield(reading), seconds)
        except (TimeoutError, asyncio.CancelledError) as ended:
            over.set()
            await asyncio.wait([reading])
            reading.exception()
            if isinstance(ended, asyncio.CancelledError):
                raise
            raise DatabaseUnavailable("The query took longer than {seconds:.0f} s.", seconds=seconds) from ended

    def stream(
        self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter
    ) -> AsyncGenerator[Sequence[Row], None]:
        """See Database: a connection of its own, each batch on a thread."""
        return self._streams.read(self._cursor(statement, parameters, seconds))

    async def _cursor(
        self, statement: Statement, parameters: dict[str, Parameter], seconds: float
    ) -> AsyncGenerator[Sequence[Row], None]:
        text, spread = statement.for_sqlite(parameters)
        loop, until = asyncio.get_running_loop(), [0.0]
        connection = await loop.run_in_executor(self._streamers, connect_reader, self._file)
        connection.set_progress_handler(lambda: int(time.monotonic() > until[0]), _STEPS)
        hop: asyncio.Future[Any] | None = None
        try:
            until[0] = time.monotonic() + seconds
            hop = loop.run_in_executor(self._streamers, connection.execute, text, spread)
            cursor = await asyncio.shield(hop)
            while True:
                hop = loop.run_in_executor(self._streamers, cursor.fetchmany, _BATCH)
                batch = await asyncio.shield(hop)
                if not batch:
                    return
                yield batch
                until[0] = time.monotonic() + seconds
        except sqlite3.Error as error:
            if time.monotonic() > until[0]:
                raise DatabaseUnavailable("The query took longer than {seconds:.0f} s.", seconds=seconds) from error
            raise_translated(error, self._file.parent)
        finally:
            until[0] = 0.0  # ends what still runs
            if hop is not None and not hop.done():
                await asyncio.wait([hop])
                hop.exception()
            connection.close()

    def now(self) -> int:
        """See Database: the database's clock is this machine's."""
        return time.time_ns() // 1_000_000

    async def close(self) -> None:
        """See Database."""
        await asyncio.to_thread(self._writer.close)
        self._scanners.shutdown()
        self._streamers.shutdown()
        self._reader.close()
        self._unchanged.close()


def _first(cursor: sqlite3.Cursor) -> Row | None:
    row: Row | None = cursor.fetchone()
    return row


def open_sqlite(home: Path) -> SqliteDatabase:
    """Open the database of a home folder, which migrations have brought up to date."""
    return SqliteDatabase(home / "entrepot.db", home / "write.lock")
