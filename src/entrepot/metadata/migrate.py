"""Bring a database to the schema of this build.

`sqlite_revision` answers the question that every start asks: raw, without SQLAlchemy and Alembic (0.7 s and 98 MiB).
Only when it is not ours does `cli/prepare.py` call `migrate`, which takes the engine's own lock, so that of several
nodes that start at once one migrates.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.errors import EntrepotError
from entrepot.metadata.database import DatabaseFull
from entrepot.metadata.sqlite_errors import outage

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

HEAD = "0007"
_LOCK_WAIT = 2_000  # milliseconds that a migration of PostgreSQL waits for a table, and all others behind it
_LOCK_NOT_AVAILABLE = "55P03"
_DISK_FULL = "53100"
_ATTEMPTS = 40
LOCK_KEY = 0x656E74726570  # any constant of our own, for PostgreSQL's advisory lock


class SchemaTooNew(EntrepotError):
    """The database was made by a newer version (schema {found}); this one works with {head}. Install that version."""


class TablesLocked(EntrepotError):
    """Others hold locks on the tables that are to be migrated; start again when their transactions have ended."""


class DatabaseUnreadable(EntrepotError):
    """The database {file} cannot be opened: {why}."""


class DatabaseDamaged(EntrepotError):
    """The database {file} is damaged ({why}); restore it from a backup, together with entrepot.db-wal if there is one."""


class ReferencesBroken(EntrepotError):
    """The database was not migrated: after it, rows of {tables} would refer to what is not there. Nothing was changed."""


def sqlite_revision(file: Path) -> str | None:
    """Return the revision that a SQLite file stands at, None when there is none yet. Raises DatabaseDamaged, DatabaseUnreadable."""
    if not file.exists():
        return None
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise DatabaseUnreadable(file=file, why=error) from error
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_ERROR":  # there is no such table
            return None
        raise DatabaseUnreadable(file=file, why=error) from error
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(file=file, why=error) from error
    finally:
        connection.close()
    return str(row[0]) if row else None


def refuse_newer(found: str | None) -> None:
    """Raise SchemaTooNew unless this build knows the revision."""
    if found is not None and found > HEAD:
        raise SchemaTooNew(found=found, head=HEAD)


def migrate(home: Path, url: str) -> None:
    """Apply what is missing; safe to call from several processes and nodes at once.

    Raises TablesLocked, ReferencesBroken, DatabaseFull.
    """
    from alembic.config import Config  # noqa: PLC0415 - heavy, and only this function needs it

    config = Config()
    config.set_main_option("script_location", "entrepot.metadata:migrations")
    if url:
        _migrate_postgres(config, url)
    else:
        _migrate_sqlite(config, home)


def _migrate_sqlite(config: Config, home: Path) -> None:
    from sqlalchemy import URL, create_engine, event  # noqa: PLC0415 - as above
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - as above

    lock = os.open(home / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    file = home / "entrepot.db"
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine(URL.create("sqlite", database=str(file)))

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # else the driver commits each statement of DDL: half a schema after a kill
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        _upgrade(config, engine)
    except (DBAPIError, sqlite3.Error) as error:
        told = outage(error, home)
        if isinstance(told, DatabaseFull):
            raise told from error
        raise
    finally:
        engine.dispose()
        os.close(lock)


def _migrate_postgres(config: Config, url: str) -> None:
    import asyncio  # noqa: PLC0415 - as above

    import asyncpg  # noqa: PLC0415 - as above
    from sqlalchemy import text  # noqa: PLC0415 - as above
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    from entrepot.metadata.postgres import connecting  # noqa: PLC0415 - as above

    async def run() -> None:
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**connecting(url)), poolclass=NullPool
        )
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
            await connection.commit()
            await _upgrade_in_turn(config, connection)
        await engine.dispose()

    asyncio.run(run())


async def _upgrade_in_turn(config: Config, connection: AsyncConnection) -> None:
    """Upgrade in one transaction that waits briefly for the locks of others: whoever comes later waits behind it."""
    from sqlalchemy import text  # noqa: PLC0415 - as above
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - as above

    for _ in range(_ATTEMPTS):
        try:
            await connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_WAIT}"))
            await connection.run_sync(lambda sync: _upgrade_on(config, sync))
            await connection.commit()
        except DBAPIError as error:
            await connection.rollback()
            if getattr(error.orig, "sqlstate", "") == _DISK_FULL:
                raise DatabaseFull from error
            if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
                raise
            await _pause()
        else:
            return
    raise TablesLocked


async def _pause() -> None:
    import asyncio  # noqa: PLC0415 - as above

    await asyncio.sleep(1.0)


def _upgrade(config: Config, engine: Engine) -> None:
    with engine.connect() as connection:
        _upgrade_on(config, connection)
        _check_references(connection)
        connection.commit()


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql('SELECT DISTINCT "table" FROM pragma_foreign_key_check').scalars().all()
    if broken:
        raise ReferencesBroken(tables=", ".join(sorted(broken)))


def _upgrade_on(config: Config, connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - as above

    config.attributes["connection"] = connection
    command.upgrade(config, "head")
