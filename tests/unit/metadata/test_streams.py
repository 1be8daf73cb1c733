"""Reads of any size: what they yield, and what they hold meanwhile."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from entrepot.errors import TooMany
from entrepot.metadata import streams
from entrepot.metadata.database import Database, DatabaseUnavailable, Row
from entrepot.metadata.open import open_database
from entrepot.metadata.postgres import open_postgres
from entrepot.metadata.sql import sql
from entrepot.metadata.streams import Streams
from tests.stores import Engine, write

PUT = sql("INSERT INTO setting (key, value) VALUES (:key, :value)")
GET = sql("SELECT value FROM setting WHERE key = :key")
ALL = sql("SELECT key, value FROM setting ORDER BY key")


async def fill(database: Database, count: int) -> None:
    rows = [{"key": f"k{n:05}", "value": "x" * 100} for n in range(count)]
    await database.transact(lambda tx: tx.many(PUT, rows))  # type: ignore[arg-type]


async def rest(rows: AsyncGenerator[object, None]) -> list[object]:
    return [row async for batch in rows for row in batch]  # type: ignore[attr-defined]


async def test_a_stream_yields_all_rows_in_order_as_of_one_moment(database: Database) -> None:
    await fill(database, 3500)
    rows = database.stream(ALL)
    first = list(await anext(rows))
    await write(database, "DELETE FROM setting")
    found = [row[0] for row in [*first, *await rest(rows)]]  # type: ignore[index]
    assert found == [f"k{n:05}" for n in range(3500)]


async def test_values_come_out_of_a_stream_as_out_of_a_read(database: Database) -> None:
    await fill(database, 1)
    blob = sql("SELECT 1, 9007199254740993, 'ä', NULL, CAST(1.5 AS DOUBLE PRECISION), sha256 FROM blob")
    await write(
        database, "INSERT INTO blob (sha256, sha1, md5, size, created, keep_until) VALUES (:a, :a, :a, 1, 0, 0)", a=b"\xff\0"
    )  # fmt: skip
    (row,) = await rest(database.stream(blob))
    (read,) = await database.rows(blob)
    assert row == tuple(read)


async def test_many_who_take_no_rows_leave_the_database_to_others(database: Database) -> None:
    await fill(database, 3500)
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        for _ in range(20):  # more than there are connections
            rows = await stack.enter_async_context(aclosing(database.stream(ALL)))
            await anext(rows)
        assert await database.row(GET, key="k00000") is not None


class TestSqlite:
    async def test_the_log_is_copied_back_while_a_stream_is_open(self, sqlite_engine: Engine, tmp_path: Path) -> None:
        sqlite_engine.new(tmp_path)
        database = await open_database(tmp_path, "")
        await fill(database, 3500)
        async with aclosing(database.stream(ALL)) as rows:
            await anext(rows)
            await write(database, "DELETE FROM setting WHERE key = 'k00001'")
            async with asyncio.timeout(20):
                while await asyncio.to_thread(_log_is_held, tmp_path / "entrepot.db"):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            assert len(await rest(rows)) == 2500
        await database.close()


class TestPostgres:
    async def test_streams_leave_half_of_few_connections_to_others(
        self, postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = await open_postgres(postgres_engine.new(tmp_path), connections=4)
        monkeypatch.setattr(streams, "_PATIENCE", 0.5)
        slow = sql("SELECT CAST(pg_sleep(600) AS TEXT)")
        firsts = [asyncio.ensure_future(anext(database.stream(slow, seconds=600))) for _ in range(4)]
        done, reading = await asyncio.wait(firsts, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert all(isinstance(one.exception(), TooMany) for one in done)
        async with asyncio.timeout(5):
            assert await database.row(GET, key="a") is None
        for one in reading:
            one.cancel()
        await asyncio.gather(*firsts, return_exceptions=True)
        await database.close()


def _log_is_held(file: Path) -> bool:
    connection = sqlite3.connect(file)
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    return bool(busy)


class Cursor:
    """Batches of one row each, numbered; fails after the last one, or waits there for ever."""

    def __init__(self, count: int, end: Exception | None = None, *, waits: bool = False) -> None:
        self.count, self.end, self.waits = count, end, waits
        self.read = 0
        self.closed = asyncio.Event()

    async def batches(self) -> AsyncGenerator[list[Row], None]:
        try:
            while self.read < self.count:
                self.read += 1
                yield [(self.read,)]
            if self.waits:
                await asyncio.Event().wait()
            if self.end is not None:
                raise self.end
        finally:
            self.closed.set()


async def test_a_cursor_is_read_to_its_end_though_nobody_takes_its_rows() -> None:
    cursor = Cursor(50)
    async with aclosing(Streams().read(cursor.batches())) as rows:
        await anext(rows)
        async with asyncio.timeout(5):
            await cursor.closed.wait()
        assert await rest(rows) == [(n,) for n in range(2, 51)]


async def test_beyond_what_may_be_kept_a_cursor_waits_for_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MOST", 1)
    cursor = Cursor(50)
    async with aclosing(Streams().read(cursor.batches())) as rows:
        for n in range(1, 51):
            assert await anext(rows) == [(n,)]
            assert cursor.read <= n + 2  # one is ahead, one waits
        assert await rest(rows) == []


async def test_what_ends_a_cursor_ends_the_stream_after_the_rows_before_it() -> None:
    found = []
    with pytest.raises(DatabaseUnavailable):  # noqa: PT012 - the rows before it count
        async for batch in Streams().read(Cursor(3, DatabaseUnavailable()).batches()):
            found += batch
    assert found == [(1,), (2,), (3,)]


async def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(ahead: object, batch: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(streams._Ahead, "put", full)
    with pytest.raises(DatabaseUnavailable, match="no room"):
        await rest(Streams().read(Cursor(3).batches()))


async def test_files_that_cannot_be_made_for_now_cost_no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_descriptors() -> object:
        raise OSError(24, "Too many open files")

    made = Streams()
    with monkeypatch.context() as short:
        short.setattr("tempfile.TemporaryFile", no_descriptors)
        for _ in range(streams._AT_ONCE):
            with pytest.raises(DatabaseUnavailable, match="no room"):
                await rest(made.read(Cursor(3).batches()))
    assert await rest(made.read(Cursor(3).batches())) == [(1,), (2,), (3,)]


async def test_only_some_cursors_are_read_at_once_and_closed_streams_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_PATIENCE", 0.01)
    made, cursors = Streams(), [Cursor(1, waits=True) for _ in range(streams._AT_ONCE)]
    opened = [made.read(cursor.batches()) for cursor in cursors]
    for one in opened:
        await anext(one)
    with pytest.raises(TooMany):
        await anext(made.read(Cursor(1).batches()))
    await opened[0].aclose()
    assert cursors[0].closed.is_set()
    assert await rest(made.read(Cursor(1).batches())) == [(1,)]
    for one in opened[1:]:
        await one.aclose()
