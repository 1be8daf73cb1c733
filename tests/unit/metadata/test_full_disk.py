"""What is told when the disk of a SQLite database is full, and when an I/O error has another reason."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from entrepot.errors import reason
from entrepot.metadata.database import Database, DatabaseFull, DatabaseUnavailable
from entrepot.metadata.open import open_database
from entrepot.metadata.sql import sql
from tests.parts.disks import fill, small_disk
from tests.stores import Engine, write

PUT = sql("INSERT INTO setting (key, value) VALUES (:key, :value)")
GET = sql("SELECT value FROM setting WHERE key = :key")


async def put(database: Database, key: str, text: str = "x") -> None:
    await database.transact(lambda tx: tx.execute(PUT, key=key, value=text))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size: an error of writing that is none of the disk's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_database_without_room_is_full_and_the_reason_is_for_the_log(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    sqlite_engine.new(tmp_path)
    database = await open_database(tmp_path, "")
    await write(database, "PRAGMA max_page_count = 1")  # or as many as there are
    with pytest.raises(DatabaseFull) as failed:
        await put(database, "a", "x" * 10_000_000)
    assert failed.value.status == 507
    assert failed.value.message == "The disk of the database is full; make room or ask an administrator."
    assert reason(failed.value) == "OperationalError: database or disk is full"
    await database.close()


async def test_a_full_disk_is_told_to_all_who_write_and_to_none_who_read(sqlite_engine: Engine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as home:
        sqlite_engine.new(home)
        database = await open_database(home, "")
        await put(database, "before")
        filler = fill(home)
        writes = [put(database, f"k{n}", "x" * 20_000) for n in range(20)]
        told = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(one) for one in told} == {DatabaseFull}
        row = await database.row(GET, key="before")
        assert row is not None
        assert row[0] == "x"
        filler.unlink()
        await put(database, "after")
        await database.close()


async def test_an_index_of_the_log_without_room_is_a_full_disk(sqlite_engine: Engine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as home:
        sqlite_engine.new(home)
        fill(home)
        with pytest.raises(DatabaseFull) as failed:
            await open_database(home, "")
        assert reason(failed.value) == "OperationalError: disk I/O error"


async def test_a_disk_that_takes_no_further_file_is_full(sqlite_engine: Engine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096, files=2) as home:
        sqlite_engine.new(home)
        with pytest.raises(DatabaseFull) as failed:
            await open_database(home, "")
        assert reason(failed.value) == "OperationalError: unable to open database file"


async def test_an_error_of_writing_on_a_disk_with_room_is_no_full_disk(sqlite_engine: Engine, tmp_path: Path) -> None:
    sqlite_engine.new(tmp_path)
    database = await open_database(tmp_path, "")
    await put(database, "before")
    with files_of_at_most(100_000), pytest.raises(DatabaseUnavailable) as failed:
        await put(database, "a", "x" * 1_000_000)
    assert failed.type is DatabaseUnavailable
    assert reason(failed.value) == "OperationalError: disk I/O error"
    await put(database, "after")
    await database.close()
