"""What one process writes while another one holds the lock."""

import asyncio
import errno
import fcntl
import os
import sqlite3
from pathlib import Path

import pytest

from entrepot.errors import reason
from entrepot.metadata.database import DatabaseUnavailable
from entrepot.metadata.sqlite import SqliteTx
from entrepot.metadata.sqlite_writer import Writer, connect_writer


async def test_what_came_while_another_process_wrote_is_committed_together(tmp_path: Path) -> None:
    said: list[str] = []

    def connect() -> sqlite3.Connection:
        connection = connect_writer(tmp_path / "db")
        connection.set_trace_callback(said.append)
        return connection

    async def body(tx: SqliteTx) -> None:
        """Change nothing: it is the commits that count."""

    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    writer: Writer[SqliteTx] = Writer(connect, SqliteTx, tmp_path / "lock")
    first = asyncio.create_task(writer.submit(body))
    await asyncio.sleep(0)
    while writer._queue.qsize():  # noqa: ASYNC110 - the thread tells nobody that it has taken it
        await asyncio.sleep(0.01)
    others = [asyncio.create_task(writer.submit(body)) for _ in range(5)]
    await asyncio.sleep(0)
    assert writer._queue.qsize() == 5
    os.close(lock)
    await asyncio.gather(first, *others)
    await asyncio.to_thread(writer.close)
    assert said.count("BEGIN IMMEDIATE") == said.count("COMMIT") == 1


async def _nothing(tx: SqliteTx) -> None:
    """Change nothing."""


async def test_a_lock_that_cannot_be_had_fails_what_waited_for_it_and_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, failing = fcntl.flock, [OSError(errno.ENOLCK, "No locks available")]

    def once(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and failing:
            raise failing.pop()
        flock(file, operation)

    monkeypatch.setattr("entrepot.metadata.sqlite_writer.fcntl.flock", once)
    writer: Writer[SqliteTx] = Writer(lambda: connect_writer(tmp_path / "db"), SqliteTx, tmp_path / "lock")
    with pytest.raises(DatabaseUnavailable) as told:
        await asyncio.wait_for(writer.submit(_nothing), 5)
    assert "No locks available" in reason(told.value)
    await asyncio.wait_for(writer.submit(_nothing), 5)
    await asyncio.to_thread(writer.close)


async def test_a_fault_of_the_writer_ends_the_process_and_nobody_waits_for_it(tmp_path: Path) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def connect() -> sqlite3.Connection:
        raise MemoryError

    writer: Writer[SqliteTx] = Writer(
        connect,
        SqliteTx,
        tmp_path / "lock",
        end=lambda: loop.call_soon_threadsafe(ended.set),  # type: ignore[arg-type]
    )
    waiting = [asyncio.create_task(writer.submit(_nothing)) for _ in range(100)]
    assert {type(told) for told in await asyncio.gather(*waiting, return_exceptions=True)} == {DatabaseUnavailable}
    await asyncio.wait_for(ended.wait(), 5)
    with pytest.raises(DatabaseUnavailable):
        await writer.submit(_nothing)
    await asyncio.to_thread(writer.close)


async def test_what_comes_while_the_writer_is_closed_is_refused(tmp_path: Path) -> None:
    writer: Writer[SqliteTx] = Writer(lambda: connect_writer(tmp_path / "db"), SqliteTx, tmp_path / "lock")
    put = writer._queue.put
    late: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()

    def closing(end: None) -> None:
        put(end)
        late.append(asyncio.run_coroutine_threadsafe(writer.submit(_nothing), loop))  # type: ignore[arg-type]

    writer._queue.put = closing  # type: ignore[method-assign, assignment]
    await asyncio.to_thread(writer.close)
    with pytest.raises(DatabaseUnavailable):
        await asyncio.wait_for(asyncio.wrap_future(late[0]), 5)
