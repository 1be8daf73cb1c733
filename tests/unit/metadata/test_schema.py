"""The schema's own rules, and that migrations lead to it."""

import asyncio
import itertools
import math
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, create_engine, event, text
from sqlalchemy import Engine as AnyEngine
from sqlalchemy.ext.asyncio import create_async_engine

from entrepot.metadata import migrate as migrating
from entrepot.metadata.database import DatabaseFull
from entrepot.metadata.migrate import (
    HEAD,
    DatabaseUnreadable,
    ReferencesBroken,
    SchemaTooNew,
    TablesLocked,
    migrate,
    refuse_newer,
    sqlite_revision,
)
from entrepot.metadata.open import open_database
from entrepot.metadata.schema import metadata
from entrepot.metadata.sql import sql
from entrepot.metadata.triggers import HOLDERS
from tests.parts.postgres import Postgres
from tests.stores import Engine, value, write

ONLY_ON_POSTGRESQL = {"ix_event_unnumbered"}
TABLES = list(metadata.tables.values())


def holding(table: Table) -> list[str]:
    return [
        key.parent.name
        for key in table.foreign_keys
        if key.column.table.name == "blob" and (key.ondelete or "").upper() != "CASCADE"
    ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_id_is_one_that_is_never_used_again(table: Table) -> None:
    if "id" not in table.columns or table.columns["id"].type.python_type is not int or table.name == "grace":
        return
    assert table.columns["id"].identity is not None
    assert table.dialect_options["sqlite"]["autoincrement"] is True


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_foreign_key_has_an_index_that_begins_with_it(table: Table) -> None:
    led = {
        next(iter(index.columns)).name for index in table.indexes if index.dialect_options["sqlite"]["where"] is None
    }
    led.add(next(iter(table.primary_key.columns)).name)
    led |= {next(iter(one.columns)).name for one in table.constraints if getattr(one, "columns", None)}
    assert {key.parent.name for key in table.foreign_keys} <= led


def test_every_holder_of_blobs_has_its_triggers() -> None:
    assert {table.name for table in TABLES if holding(table)} == set(HOLDERS)


@pytest.mark.parametrize("name", HOLDERS)
def test_holders_call_the_blob_the_same(name: str) -> None:
    assert holding(metadata.tables[name]) == ["blob_id"]


def differences(connection: Connection) -> list[object]:
    def is_for_here(_thing: object, name: str | None, *_rest: object) -> bool:
        return name not in ONLY_ON_POSTGRESQL or connection.dialect.name == "postgresql"

    options = {"compare_type": True, "include_object": is_for_here}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_migrations_lead_to_the_schema_on_sqlite(tmp_path: Path) -> None:
    migrate(tmp_path, "")
    engine = create_engine(f"sqlite:///{tmp_path / 'entrepot.db'}")
    with engine.connect() as connection:
        assert differences(connection) == []
        triggers = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))}
    engine.dispose()
    assert triggers == {f"tg_{name}_{what}" for name in HOLDERS for what in ("deleted", "moved")}


def schema(home: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(home / "entrepot.db")) as connection:
        return sorted(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def test_a_migration_that_was_broken_off_anywhere_leads_to_the_schema_the_next_time(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    migrate(tmp_path / "whole", "")
    left = math.inf

    def break_off(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    event.listen(AnyEngine, "before_cursor_execute", break_off)
    try:
        for number in itertools.count(0, 7):
            home = tmp_path / str(number)
            home.mkdir()
            left = number
            try:
                migrate(home, "")
            except KeyboardInterrupt:
                left = math.inf
                migrate(home, "")
            else:
                break
            assert schema(home) == schema(tmp_path / "whole")
    finally:
        event.remove(AnyEngine, "before_cursor_execute", break_off)
    assert number > 100


def test_a_migration_after_which_a_row_refers_to_nothing_is_refused(tmp_path: Path) -> None:
    migrate(tmp_path, "")
    with closing(sqlite3.connect(tmp_path / "entrepot.db")) as connection:
        connection.execute("INSERT INTO blob_inline (blob_id, data) VALUES (99, x'00')")
        connection.commit()
    with pytest.raises(ReferencesBroken, match="rows of blob_inline would refer"):
        migrate(tmp_path, "")


def test_a_database_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(tmp_path, "")
    with closing(sqlite3.connect(tmp_path / "entrepot.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
        with pytest.raises(DatabaseUnreadable, match="locked"):
            sqlite_revision(tmp_path / "entrepot.db")


async def test_migrations_lead_to_the_schema_on_postgresql(postgres_engine: Engine, tmp_path: Path) -> None:
    url = postgres_engine.new(tmp_path)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        found = await connection.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"))
        triggers = {row[0] for row in found}
    await engine.dispose()
    assert triggers == {f"tg_{name}_{what}" for name in HOLDERS for what in ("deleted", "moved")}


def test_migrating_twice_changes_nothing_on_sqlite(tmp_path: Path) -> None:
    migrate(tmp_path, "")
    before = (tmp_path / "entrepot.db").read_bytes()
    migrate(tmp_path, "")
    assert (tmp_path / "entrepot.db").read_bytes() == before
    assert sqlite_revision(tmp_path / "entrepot.db") == HEAD


def test_migrating_twice_changes_nothing_on_postgresql(postgres_server: Postgres) -> None:
    url = postgres_server.new_database()
    migrate(Path(), url)
    migrate(Path(), url)


@pytest.mark.parametrize("query", ["?application_name=me&sslmode=disable", "?statement_cache_size=0", "?"])
async def test_what_a_url_says_of_the_connection_is_understood_by_migrations_and_by_all_else(
    postgres_server: Postgres, tmp_path: Path, query: str
) -> None:
    url = postgres_server.new_database() + query
    await asyncio.to_thread(migrate, Path(), url)
    database = await open_database(tmp_path, url)
    name = await value(database, "SELECT current_setting('application_name')")
    assert name == ("me" if "=me" in query else "entrepot")
    kept = await value(database, "SELECT COUNT(*) FROM pg_prepared_statements")
    kept = await value(database, "SELECT COUNT(*) FROM pg_prepared_statements")
    assert bool(kept) is (query != "?statement_cache_size=0")
    await database.close()


async def locked_out(url: str) -> asyncpg.Connection:
    """Take a database back by a revision, and hold a lock that the way forward needs."""
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER TABLE account DROP COLUMN locked; UPDATE alembic_version SET version_num = '0001'")
    await connection.execute("BEGIN; LOCK TABLE account IN ACCESS SHARE MODE")
    return connection


async def test_a_migration_waits_in_short_turns_for_a_table_that_others_use(
    postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_engine.new(tmp_path)
    other = await locked_out(url)
    loop, turns = asyncio.get_running_loop(), []

    async def let_go() -> None:
        turns.append(1)
        asyncio.run_coroutine_threadsafe(other.close(), loop).result() if len(turns) == 2 else None

    monkeypatch.setattr(migrating, "_pause", let_go)
    monkeypatch.setattr(migrating, "_LOCK_WAIT", 50)
    await asyncio.to_thread(migrate, Path(), url)
    assert len(turns) == 2
    database = await open_database(tmp_path, url)
    assert await value(database, "SELECT version_num FROM alembic_version") == HEAD
    await database.close()


async def test_a_table_that_others_never_let_go_of_is_told(
    postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_engine.new(tmp_path)
    other = await locked_out(url)
    monkeypatch.setattr(migrating, "_ATTEMPTS", 1)
    monkeypatch.setattr(migrating, "_LOCK_WAIT", 50)
    with pytest.raises(TablesLocked):
        await asyncio.to_thread(migrate, Path(), url)
    await other.close()


NO_ROOM = (
    """
    CREATE FUNCTION no_room() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$
    """,
    "CREATE EVENT TRIGGER no_room ON ddl_command_start EXECUTE FUNCTION no_room()",
)


async def test_a_migration_without_room_is_told_as_a_full_disk(postgres_server: Postgres) -> None:
    url = postgres_server.new_database()
    connection = await asyncpg.connect(url)
    for statement in NO_ROOM:
        await connection.execute(statement)
    await connection.close()
    with pytest.raises(DatabaseFull):
        await asyncio.to_thread(migrate, Path(), url)


def test_a_home_without_a_database_has_no_revision(tmp_path: Path) -> None:
    assert sqlite_revision(tmp_path / "entrepot.db") is None
    (tmp_path / "entrepot.db").touch()
    assert sqlite_revision(tmp_path / "entrepot.db") is None


def test_a_newer_schema_is_refused() -> None:
    refuse_newer(None)
    refuse_newer(HEAD)
    with pytest.raises(SchemaTooNew):
        refuse_newer("9999")


def test_an_earlier_schema_is_brought_to_this_one_on_sqlite(tmp_path: Path) -> None:
    migrate(tmp_path, "")
    with sqlite3.connect(tmp_path / "entrepot.db") as connection:
        connection.execute("ALTER TABLE account DROP COLUMN unlocked")
        connection.execute("ALTER TABLE upload DROP COLUMN checksums")
        connection.execute("DROP TABLE image_blob_claim")
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    connection.close()
    migrate(tmp_path, "")
    engine = create_engine(f"sqlite:///{tmp_path / 'entrepot.db'}")
    with engine.connect() as found:
        assert differences(found) == []
    engine.dispose()
    assert sqlite_revision(tmp_path / "entrepot.db") == HEAD


async def test_an_earlier_schema_is_brought_to_this_one_on_postgresql(postgres_server: Postgres) -> None:
    url = postgres_server.new_database()
    await asyncio.to_thread(migrate, Path(), url)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.execute(text("DROP INDEX ix_event_unnumbered"))
        await connection.execute(text("DROP TABLE image_blob_claim"))
        await connection.execute(text("ALTER TABLE account DROP COLUMN unlocked"))
        await connection.execute(text("ALTER TABLE upload DROP COLUMN checksums"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    await asyncio.to_thread(migrate, Path(), url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_who_could_name_an_upload_before_the_claims_can_name_it_after(engine: Engine, tmp_path: Path) -> None:
    url = engine.new(tmp_path)
    database = await open_database(tmp_path, url)
    for statement in (
        """INSERT INTO repository (key, folded, rclass, package_type, position, config, created)
        VALUES ('r', 'r', 'local', 'docker', 1, '{}', 0)""",
        "INSERT INTO blob (sha256, sha1, md5, size, created, keep_until) VALUES (:raw, :raw, :raw, 1, 0, 0)",
        """INSERT INTO image_blob (repo_id, image, blob_id, expires, created_by)
        SELECT r.id, i.image, b.id, i.expires, 'ann' FROM repository r, blob b,
        (SELECT 'for-now' AS image, 5 AS expires UNION ALL SELECT 'for-good', NULL) i WHERE r.key = 'r'""",
        "DROP TABLE image_blob_claim",
        "UPDATE alembic_version SET version_num = '0004'",
    ):
        await write(database, statement, **({"raw": b"a"} if ":raw" in statement else {}))
    await asyncio.to_thread(migrate, tmp_path, url)
    found = await database.rows(
        sql("SELECT b.image, c.actor, c.expires FROM image_blob_claim c JOIN image_blob b ON b.id = c.image_blob_id")
    )
    assert [tuple(row) for row in found] == [("for-now", "ann", 5)]
    await database.close()


async def test_what_tokens_named_before_is_known_after(engine: Engine, tmp_path: Path) -> None:
    url = engine.new(tmp_path)
    database = await open_database(tmp_path, url)
    for number, scope in enumerate(("applied-permissions/user", "member-of-groups:A,b applied-permissions/roles:p:Dev")):
        await write(
            database,
            """INSERT INTO token (id, kind, security_epoch, subject, scope, audience, issued)
            VALUES (:id, 'access', 0, 'x', :scope, '', 0)""",
            id=f"t{number}",
            scope=scope,
        )
    await write(database, "DROP TABLE token_name")
    await write(database, "UPDATE alembic_version SET version_num = '0005'")
    await asyncio.to_thread(migrate, tmp_path, url)
    found = await database.rows(sql("SELECT token_id, project, name FROM token_name ORDER BY name"))
    assert [tuple(row) for row in found] == [("t1", "", "a"), ("t1", "", "b"), ("t1", "p", "dev")]
    await database.close()


async def test_events_without_a_number_are_found_among_many_by_an_index(postgres_server: Postgres) -> None:
    url = postgres_server.new_database()
    await asyncio.to_thread(migrate, Path(), url)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.execute(
            text(
                """INSERT INTO event (seq, time, kind, repo_id, repo_key, path, actor, origin, version)
                SELECT n, 0, 'created', 1, 'r', 'p', 'a', '', 1 FROM generate_series(1, 20000) AS n"""
            )
        )
        await connection.execute(text("ANALYZE event"))
        told = await connection.execute(text("EXPLAIN SELECT id FROM event WHERE seq IS NULL ORDER BY id LIMIT 5000"))
        assert "ix_event_unnumbered" in "".join(row[0] for row in told)
    await engine.dispose()


async def test_ids_are_not_used_again(engine: Engine, tmp_path: Path) -> None:
    database = await open_database(tmp_path, engine.new(tmp_path))
    add = """INSERT INTO event (time, kind, repo_id, repo_key, path, actor, origin, version)
    VALUES (0, 'created', 1, 'r', 'p', 'a', '', 1)"""
    await write(database, add)
    first = await value(database, "SELECT MAX(id) FROM event")
    await write(database, "DELETE FROM event")
    await write(database, add)
    second = await value(database, "SELECT MAX(id) FROM event")
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert second > first
    await database.close()
