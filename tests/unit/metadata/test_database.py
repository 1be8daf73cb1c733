"""The contract of `metadata.database`, on both engines."""

import asyncio
import sqlite3
import time
from pathlib import Path

import asyncpg
import pytest

from entrepot.errors import TooMany, reason
from entrepot.metadata import postgres
from entrepot.metadata.database import Database, DatabaseFull, DatabaseUnavailable, Duplicate, ReferenceLost, Tx
from entrepot.metadata.open import open_database
from entrepot.metadata.postgres import open_postgres
from entrepot.metadata.sql import sql
from tests.stores import Engine, value, write

PUT = sql("INSERT INTO setting (key, value) VALUES (:key, :value)")
GET = sql("SELECT value FROM setting WHERE key = :key")
KEYS = sql("SELECT key FROM setting WHERE key {any:keys} ORDER BY key")
CLOCK = sql("SELECT {now}")
DEADLOCK = sql("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END $$")
FULL = sql("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")
ENDLESS = sql("""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT COUNT(*) FROM n
""")


async def put(database: Database, key: str, text: str = "x") -> None:
    await database.transact(lambda tx: tx.execute(PUT, key=key, value=text))


async def test_what_was_committed_is_read(database: Database) -> None:
    await put(database, "a", "1")
    row = await database.row(GET, key="a")
    assert row is not None
    assert row[0] == "1"
    assert await database.row(GET, key="b") is None


async def test_a_transaction_sees_its_own_changes_and_gives_its_result(database: Database) -> None:
    async def body(tx: Tx) -> str:
        await tx.execute(PUT, key="a", value="1")
        row = await tx.row(GET, key="a")
        assert row is not None
        assert [tuple(one) for one in await tx.rows(KEYS, keys=["a", "b"])] == [("a",)]
        return str(row[0])

    assert await database.transact(body) == "1"


async def test_a_body_that_raises_changes_nothing(database: Database) -> None:
    async def body(tx: Tx) -> None:
        await tx.execute(PUT, key="a", value="1")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.transact(body)
    assert await database.row(GET, key="a") is None


async def test_one_failing_body_takes_nothing_else_of_its_group_with_it(database: Database) -> None:
    async def good(tx: Tx, key: str) -> None:
        await tx.execute(PUT, key=key, value="1")

    async def bad(tx: Tx) -> None:
        await tx.execute(PUT, key="bad", value="1")
        raise ValueError("no")

    works = [database.transact(lambda tx, n=n: good(tx, f"k{n}") if n % 2 else bad(tx)) for n in range(20)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert [isinstance(one, ValueError) for one in outcomes] == [n % 2 == 0 for n in range(20)]
    rows = await database.rows(KEYS, keys=["bad", *(f"k{n}" for n in range(20))])
    assert {row[0] for row in rows} == {f"k{n}" for n in range(20) if n % 2}


async def test_a_second_row_of_the_same_key_is_a_duplicate(database: Database) -> None:
    await put(database, "a")
    with pytest.raises(Duplicate):
        await put(database, "a")
    with pytest.raises(Duplicate):
        await database.transact(lambda tx: tx.many(PUT, [{"key": "b", "value": ""}, {"key": "a", "value": ""}]))
    assert await database.row(GET, key="b") is None


async def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(ReferenceLost):
        await write(database, "INSERT INTO blob_inline (blob_id, data) VALUES (99, :data)", data=b"x")


async def test_removing_what_is_referred_to_is_refused(database: Database) -> None:
    await write(
        database,
        "INSERT INTO blob (sha256, sha1, md5, size, created, keep_until) VALUES (:a, :b, :c, 1, 0, 0)",
        a=b"a", b=b"b", c=b"c",
    )  # fmt: skip
    await write(
        database,
        "INSERT INTO repository (key, folded, rclass, package_type, position, config, created) "
        "VALUES ('r', 'r', 'local', 'docker', 1, '{}', 0)",
    )
    await write(
        database,
        "INSERT INTO item (repo_id, path, name, kind, depth, size, blob_id, created, created_by, modified, modified_by, "
        "updated) SELECT r.id, '.', 'f', 1, 1, 1, b.id, 0, '', 0, '', 0 FROM repository r, blob b",
    )
    with pytest.raises(ReferenceLost):
        await write(database, "DELETE FROM blob")


async def test_how_many_rows_a_statement_touched_is_told(database: Database) -> None:
    await put(database, "a")
    await put(database, "b")
    assert await write(database, "UPDATE setting SET value = 'z' WHERE key <> 'c'") == 2
    assert await write(database, "DELETE FROM setting WHERE key = 'c'") == 0


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500])
async def test_lists_of_any_length_find_what_is_in_them(database: Database, count: int) -> None:
    await database.transact(lambda tx: tx.many(PUT, [{"key": f"k{n:03}", "value": ""} for n in range(600)]))
    keys = [f"k{n:03}" for n in range(count)]
    assert [row[0] for row in await database.rows(KEYS, keys=keys)] == keys


async def test_keys_compare_by_bytes(database: Database) -> None:
    await database.transact(lambda tx: tx.many(PUT, [{"key": key, "value": ""} for key in ("b", "B", "a", "ä", "_")]))
    rows = await database.rows(sql("SELECT key FROM setting WHERE key > '' ORDER BY key"))
    assert [row[0] for row in rows] == ["B", "_", "a", "b", "ä"]


async def test_a_scan_answers_like_a_read(database: Database) -> None:
    await put(database, "a", "1")
    assert [tuple(row) for row in await database.scan(GET, key="a")] == [("1",)]


async def test_a_scan_ends_at_its_deadline_and_the_database_goes_on(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await database.scan(ENDLESS, seconds=0.05)
    await put(database, "a")
    assert [tuple(row) for row in await database.scan(GET, key="a")] == [("x",)]


async def test_a_cancelled_scan_ends(database: Database) -> None:
    scan = asyncio.ensure_future(database.scan(ENDLESS, seconds=600))
    await asyncio.sleep(0)
    scan.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scan
    await put(database, "a")


async def test_a_statement_that_is_wrong_is_a_fault_and_no_outage(database: Database) -> None:
    wrong = sql("SELECT value FROM nothing_of_this_name")
    for read in (database.row(wrong), database.rows(wrong), database.scan(wrong), anext(database.stream(wrong))):
        with pytest.raises((asyncpg.UndefinedTableError, sqlite3.OperationalError), match="nothing_of_this_name"):
            await read
    with pytest.raises((asyncpg.NotNullViolationError, sqlite3.IntegrityError)):
        await database.transact(lambda tx: tx.execute(PUT, key=None, value="x"))
    await put(database, "a")


async def test_the_clock_is_that_of_the_database(database: Database) -> None:
    before = database.now()
    told = await value(database, "SELECT {now}")
    after = database.now()
    assert isinstance(told, int)
    assert before - 50 <= told <= after + 50


async def test_writes_of_many_at_once_all_arrive(database: Database) -> None:
    await asyncio.gather(*(put(database, f"k{n}") for n in range(300)))
    assert await value(database, "SELECT COUNT(*) FROM setting WHERE key LIKE 'k%'") == 300


async def test_two_processes_see_each_others_commits(engine: Engine, tmp_path: Path) -> None:
    url = engine.new(tmp_path / "home")
    one, two = await open_database(tmp_path / "home", url), await open_database(tmp_path / "home", url)
    try:
        for n in range(20):
            await put(one if n % 2 else two, f"k{n}")
            assert await (two if n % 2 else one).row(GET, key=f"k{n}") is not None
    finally:
        await one.close()
        await two.close()


async def test_a_cancelled_caller_does_not_stop_the_others(database: Database) -> None:
    works = [asyncio.ensure_future(put(database, f"k{n}")) for n in range(10)]
    await asyncio.sleep(0)
    works[3].cancel()
    await asyncio.gather(*works, return_exceptions=True)
    for n in range(10):
        if n != 3:
            assert await database.row(GET, key=f"k{n}") is not None


async def test_a_database_that_was_closed_refuses(engine: Engine, tmp_path: Path) -> None:
    url = engine.new(tmp_path / "home")
    closed = await open_database(tmp_path / "home", url)
    await closed.close()
    with pytest.raises(DatabaseUnavailable):
        await put(closed, "a")


class TestSqlite:
    async def test_a_body_that_awaits_something_else_is_a_programmers_error(
        self, sqlite_engine: Engine, tmp_path: Path
    ) -> None:
        sqlite_engine.new(tmp_path)
        database = await open_database(tmp_path, "")

        async def body(tx: Tx) -> None:
            await tx.execute(PUT, key="a", value="")
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="awaited"):
            await database.transact(body)
        assert await database.row(GET, key="a") is None
        await database.close()

    async def test_a_scan_has_all_its_time_however_long_it_waited_for_others(
        self, sqlite_engine: Engine, tmp_path: Path
    ) -> None:
        sqlite_engine.new(tmp_path)
        database = await open_database(tmp_path, "")
        others = [asyncio.ensure_future(database.scan(ENDLESS, seconds=0.5)) for _ in range(2)]
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await database.scan(ENDLESS, seconds=1.5)
        assert time.monotonic() - began > 1.9
        await asyncio.gather(*others, return_exceptions=True)
        await database.close()

    async def test_a_scan_that_cannot_begin_in_time_is_one_too_many(
        self, sqlite_engine: Engine, tmp_path: Path
    ) -> None:
        sqlite_engine.new(tmp_path)
        database = await open_database(tmp_path, "")
        others = [asyncio.ensure_future(database.scan(ENDLESS, seconds=600)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooMany):
            await database.scan(GET, key="a", seconds=0.05)
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        assert await database.scan(GET, key="a") == []
        await database.close()

    async def test_slow_streams_leave_scans_their_threads(self, sqlite_engine: Engine, tmp_path: Path) -> None:
        sqlite_engine.new(tmp_path)
        database = await open_database(tmp_path, "")
        streams = [database.stream(ENDLESS, seconds=600) for _ in range(4)]
        firsts = [asyncio.ensure_future(anext(one)) for one in streams]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(20):
            assert await database.scan(GET, key="a") == []
        for first in firsts:
            first.cancel()
        await asyncio.gather(*firsts, return_exceptions=True)
        await database.close()


class TestPostgres:
    @pytest.mark.parametrize(
        ("state", "passes"),
        [("08006", True), ("25006", True), ("53100", True), ("55P03", True), ("57P01", True), ("58030", True), ("XX000", False),
         ("22012", False), ("54000", False)],
    )  # fmt: skip
    def test_what_passes_is_an_outage_and_all_else_a_fault(self, state: str, passes: bool) -> None:
        error = asyncpg.PostgresError.new({"C": state, "M": "it failed"})
        with pytest.raises(DatabaseUnavailable if passes else asyncpg.PostgresError) as raised:
            postgres.raise_translated(error)
        assert reason(raised.value).endswith("it failed")

    async def test_a_full_disk_is_told_as_such(self, postgres_engine: Engine, tmp_path: Path) -> None:
        database = await open_database(tmp_path, postgres_engine.new(tmp_path))
        with pytest.raises(DatabaseFull) as failed:
            await database.transact(lambda tx: tx.execute(FULL))
        assert failed.value.status == 507
        assert reason(failed.value) == "DiskFullError: could not extend file"
        await database.close()

    def test_no_other_want_of_resources_is_told_as_a_full_disk(self) -> None:
        for state in ("53000", "53200", "53300", "53400"):
            with pytest.raises(DatabaseUnavailable) as raised:
                postgres.raise_translated(asyncpg.PostgresError.new({"C": state, "M": "it failed"}))
            assert raised.type is DatabaseUnavailable

    async def test_one_deadlock_after_another_ends_and_says_why(self, postgres_engine: Engine, tmp_path: Path) -> None:
        database = await open_database(tmp_path, postgres_engine.new(tmp_path))
        tries = 0

        async def body(tx: Tx) -> None:
            nonlocal tries
            tries += 1
            await tx.execute(DEADLOCK)

        with pytest.raises(DatabaseUnavailable) as failed:
            await database.transact(body)
        assert tries > 1
        assert reason(failed.value) == "DeadlockDetectedError: again"
        await database.close()

    async def test_a_deadlock_is_tried_again(self, postgres_engine: Engine, tmp_path: Path) -> None:
        database = await open_database(tmp_path, postgres_engine.new(tmp_path))
        await put(database, "a", "0")
        await put(database, "b", "0")
        add = sql("UPDATE setting SET value = CAST(CAST(value AS INT) + 1 AS TEXT) WHERE key = :key")
        met = asyncio.Barrier(2)
        tries = 0

        async def body(tx: Tx, keys: str) -> None:
            nonlocal tries
            tries += 1
            await tx.execute(add, key=keys[0])
            if tries <= 2:
                await met.wait()
            await tx.execute(add, key=keys[1])

        await asyncio.gather(database.transact(lambda tx: body(tx, "ab")), database.transact(lambda tx: body(tx, "ba")))
        assert tries == 3
        assert [row[0] for row in await database.rows(sql("SELECT value FROM setting"))] == ["2", "2"]
        await database.close()

    async def test_whoever_waits_for_a_connection_does_so_until_a_deadline(
        self, postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = await open_postgres(postgres_engine.new(tmp_path), connections=1)

        async def body(tx: Tx) -> None:
            for read in (database.row(CLOCK), database.rows(CLOCK), database.scan(CLOCK), database.measure_clock()):
                with pytest.raises(DatabaseUnavailable):
                    await asyncio.wait_for(read, 10)
            assert await tx.row(CLOCK)

        with monkeypatch.context() as patch:
            patch.setattr(postgres, "_DEADLINE", 0.05)
            await database.transact(body)
        assert await database.row(CLOCK)
        await database.close()

    async def test_neither_the_wait_for_a_connection_nor_a_slow_answer_puts_the_clock_wrong(
        self, postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = await open_postgres(postgres_engine.new(tmp_path), connections=1)

        async def body(_tx: Tx) -> asyncio.Task[None]:
            measuring = asyncio.create_task(database.measure_clock())
            await asyncio.sleep(0.5)
            return measuring

        await (await database.transact(body))
        assert abs(database.now() - time.time_ns() // 1_000_000) < 100
        monkeypatch.setattr(postgres, "_CLOCK", sql("SELECT {now} + 0 * length(pg_sleep(0.3)::text)"))
        await database.measure_clock()
        assert abs(database.now() - time.time_ns() // 1_000_000) < 100
        await database.close()

    async def test_a_server_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(DatabaseUnavailable, match="Cannot connect"):
            await open_database(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
