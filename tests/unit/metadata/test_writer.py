"""What one process writes while another one holds the lock."""

import asyncio
import fcntl
import os
import sqlite3
from pathlib import Path

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
