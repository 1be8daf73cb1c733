"""The writer thread of one process: transactions that wait are committed together, under the file lock.

Each body runs within a savepoint of its own, so that one that fails takes nothing else with it. The queue is bounded:
a full one refuses at once rather than answer after the client has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from entrepot.ending import end_process
from entrepot.metadata.database import DatabaseBusy, DatabaseUnavailable
from entrepot.metadata.sqlite_errors import outage

log = structlog.get_logger()

T = TypeVar("T")
X = TypeVar("X")

_WAITING = 4096  # transactions
_GROUP = 64  # transactions in one commit: at about 0.1 ms each, readers of the result wait at most some milliseconds


def connect_writer(file: Path) -> sqlite3.Connection:
    """Open the connection that writes. Call it, and close it, under the lock only."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MiB: what is written often is copied less often
    return connection


@dataclass(slots=True)
class _Work:
    body: Callable[[Any], Awaitable[Any]]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        if self.future.done():  # the caller was cancelled; what is committed stays
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer(Generic[X]):
    """Run transaction bodies one after another on a thread; `X` is what a body gets. `lock` is in the database's folder."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        make_tx: Callable[[sqlite3.Connection, Path], X],
        lock: Path,
        *,
        end: Callable[[], None] = end_process,
    ) -> None:
        self._connect = connect
        self._end = end
        self._connection: sqlite3.Connection | None = None
        self._make_tx = make_tx
        self._folder = lock.parent
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._queue: queue.Queue[_Work | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._entrance = threading.Lock()
        self._closed = False
        self._thread.start()

    async def submit(self, body: Callable[[X], Awaitable[T]]) -> T:
        """Queue a body; return its result when it is committed. Raises DatabaseBusy, and whatever the body raises."""
        loop = asyncio.get_running_loop()
        work = _Work(body, loop, loop.create_future())
        with self._entrance:  # nothing comes after the end of the queue
            if self._closed:
                raise DatabaseUnavailable
            try:
                self._queue.put_nowait(work)
            except queue.Full:
                raise DatabaseBusy from None
        result: T = await work.future
        return result

    def close(self) -> None:
        """Finish what is queued, then end the thread; blocks."""
        with self._entrance:
            closed, self._closed = self._closed, True
        if not closed:
            self._queue.put(None)
            self._thread.join()
            os.close(self._lock)

    def _run(self) -> None:
        try:
            while self._round(self._queue.get()):
                pass
        except BaseException:  # a process that can write nothing any more ends, so that another is started
            log.critical("database.writer.fault", exc_info=True)
            with self._entrance:
                self._closed = True
            while not self._queue.empty():
                self._refuse(self._queue.get())
            self._end()

    def _round(self, first: _Work | None) -> bool:
        """Commit together what waits; return whether more may come. What fails fails this group alone."""
        group, going_on = [] if first is None else [first], first is not None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                group, going_on = self._group(first)  # with what came while another process held the lock
                if group:
                    self._connection = self._connection or self._connect()
                    self._commit(self._connection, group)
                if not going_on and self._connection is not None:
                    self._connection.close()
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        except (sqlite3.Error, OSError) as error:
            _fail(group, error, self._folder)
        except BaseException as error:
            _fail(group, error, self._folder)
            raise
        finally:
            _tell(group)
        return going_on

    def _refuse(self, work: _Work | None) -> None:
        if work is not None:
            work.error = DatabaseUnavailable()
            _tell([work])

    def _group(self, work: _Work | None) -> tuple[list[_Work], bool]:
        """Return what is to be committed together, and whether more may come."""
        group: list[_Work] = []
        while work is not None:
            group.append(work)
            if len(group) >= _GROUP:
                return group, True
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, connection: sqlite3.Connection, group: list[_Work]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for work in group:
                self._perform(connection, work)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _perform(self, connection: sqlite3.Connection, work: _Work) -> None:
        connection.execute("SAVEPOINT one")
        try:
            work.result = _finished(work.body(self._make_tx(connection, self._folder)))
        except Exception as error:
            work.error = error
            if not connection.in_transaction:  # SQLite gave the whole transaction up: full disk, I/O error
                raise sqlite3.OperationalError(str(error)) from error
            connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")


def _finished(body: Awaitable[T]) -> T:
    assert isinstance(body, Coroutine)
    try:
        body.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    body.close()
    raise RuntimeError("a transaction body awaited something other than its transaction")


def _fail(group: list[_Work], error: BaseException, folder: Path) -> None:
    for work in group:
        work.result = None
        work.error = outage(error, folder)
        work.error.__cause__ = error  # for the log; a client has no use for it


def _tell(group: list[_Work]) -> None:
    for loop in {work.loop for work in group}:
        told = [work for work in group if work.loop is loop]
        with contextlib.suppress(RuntimeError):  # a loop that was closed: nobody waits there any more
            loop.call_soon_threadsafe(lambda told=told: [work.tell() for work in told])  # type: ignore[misc]
