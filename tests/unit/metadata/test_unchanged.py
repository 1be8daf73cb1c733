"""Rows remembered by SqliteDatabase for as long as nothing was committed."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from entrepot.metadata.sql import sql
from entrepot.metadata.sqlite import SqliteDatabase, open_sqlite
from entrepot.metadata.sqlite_unchanged import Unchanged
from tests.stores import SqliteEngine

PUT = sql(
    "INSERT INTO setting (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
GET = sql("SELECT value FROM setting WHERE key = :key")
CLOCK = sql("SELECT {now}")


@pytest.fixture
async def two(tmp_path: Path, sqlite_engine: SqliteEngine) -> AsyncIterator[tuple[SqliteDatabase, SqliteDatabase]]:
    sqlite_engine.new(tmp_path)
    one, other = open_sqlite(tmp_path), open_sqlite(tmp_path)
    yield one, other
    await one.close()
    await other.close()


async def put(database: SqliteDatabase, key: str, value: str) -> None:
    await database.transact(lambda tx: tx.execute(PUT, key=key, value=value))


async def test_a_row_that_was_read_is_not_asked_for_again(two: tuple[SqliteDatabase, SqliteDatabase]) -> None:
    one, _ = two
    await put(one, "a", "1")
    asked: list[str] = []
    assert await one.row(GET, key="a") == ("1",)
    one._reader.set_trace_callback(asked.append)
    assert await one.row(GET, key="a") == ("1",)
    assert asked == []
    assert await one.row(GET, key="b") is None
    assert await one.row(GET, key="b") is None
    assert len(asked) == 1
    assert await one.rows(GET, key="a") == await one.rows(GET, key="a") == [("1",)]
    assert await one.rows(GET, key="b") == await one.rows(GET, key="b") == []
    assert len(asked) == 3


@pytest.mark.parametrize("writer", [0, 1])
async def test_each_commit_of_any_connection_is_seen_by_the_next_read(
    two: tuple[SqliteDatabase, SqliteDatabase], writer: int
) -> None:
    assert await two[0].row(GET, key="a") is None
    for value in map(str, range(300)):
        await put(two[writer], "a", value)
        assert await two[0].row(GET, key="a") == (value,)


async def test_a_commit_of_another_process_is_seen(two: tuple[SqliteDatabase, SqliteDatabase], tmp_path: Path) -> None:
    await put(two[0], "a", "1")
    assert await two[0].row(GET, key="a") == ("1",)
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()"
    argv = [sys.executable, "-c", program, tmp_path / "entrepot.db", "UPDATE setting SET value = '2' WHERE key = 'a'"]
    await asyncio.to_thread(subprocess.run, argv, check=True)
    assert await two[0].row(GET, key="a") == ("2",)


async def test_a_checkpoint_and_a_new_log_lose_nothing(
    two: tuple[SqliteDatabase, SqliteDatabase], tmp_path: Path
) -> None:
    for value in map(str, range(5)):
        await put(two[1], "a", value)
        assert await two[0].row(GET, key="a") == (value,)
        other = sqlite3.connect(tmp_path / "entrepot.db")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        other.close()
        assert await two[0].row(GET, key="a") == (value,)


async def test_one_that_is_closed_takes_nothing_from_another(
    two: tuple[SqliteDatabase, SqliteDatabase], tmp_path: Path
) -> None:
    """Closing a descriptor of the index would drop the locks that the other's connections hold on it."""
    third = open_sqlite(tmp_path)
    assert await third.row(GET, key="a") is None
    await third.close()
    await put(two[1], "a", "1")
    assert await two[0].row(GET, key="a") == ("1",)


async def test_the_clock_is_read_each_time(two: tuple[SqliteDatabase, SqliteDatabase]) -> None:
    assert not CLOCK.repeatable
    first = await two[0].row(CLOCK)
    assert first is not None
    async with asyncio.timeout(10):
        while await two[0].row(CLOCK) == first:
            pass


@pytest.fixture
def unchanged(tmp_path: Path) -> Iterator[Unchanged]:
    (tmp_path / "shm").write_bytes(bytes(48))
    found = Unchanged(tmp_path / "shm")
    yield found
    found.close()


def test_large_values_and_long_answers_are_not_kept(unchanged: Unchanged) -> None:
    unchanged.get("a")
    unchanged.put("a", [(1, b"x" * 4097)])
    unchanged.put("b", [(1, b"x" * 4096)])
    unchanged.put("c", [(1,)] * 17)
    unchanged.put("d", [(1,)] * 16)
    assert unchanged.get("a") is unchanged.get("c") is None
    assert unchanged.get("b") == [(1, b"x" * 4096)]
    assert unchanged.get("d") == [(1,)] * 16


def test_what_is_kept_is_bounded(unchanged: Unchanged) -> None:
    unchanged.get(0)
    for key in range(10_000):
        unchanged.put(key, [(key,)])
        assert len(unchanged._found) <= 4096
    assert unchanged.get(9_999) == [(9_999,)]


def test_another_header_forgets_all(unchanged: Unchanged, tmp_path: Path) -> None:
    unchanged.get("a")
    unchanged.put("a", [(1,)])
    assert unchanged.get("a") == [(1,)]
    with (tmp_path / "shm").open("r+b") as file:
        file.seek(47)
        file.write(b"\1")
    assert unchanged.get("a") is None
