"""Bring a database to the schema of this build.

`up_to_date` is the question that every start asks: raw, without SQLAlchemy and Alembic (0.7 s and 98 MiB). Only when its
answer is no does the supervisor run `python -m entrepot.metadata.migrate`, which takes the engine's own lock, so that of
several nodes that start at once one migrates.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sqlite3
import sys
from pathlib import Path

from entrepot.errors import EntrepotError

HEAD = "0003"
LOCK_KEY = 0x656E74726570  # any constant of our own, for PostgreSQL's advisory lock


class SchemaTooNew(EntrepotError):
    """The database was made by a newer version (schema {found}); this one works with {head}. Install that version."""


class DatabaseUnreadable(EntrepotError):
    """The database {file} cannot be opened: {why}."""


class DatabaseDamaged(EntrepotError):
    """The database {file} is damaged ({why}); restore it from a backup, together with entrepot.db-wal if there is one."""


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
    except sqlite3.OperationalError:
        return None
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
    """Apply what is missing; safe to call from several processes and nodes at once."""
    from alembic.config import Config  # noqa: PLC0415 - heavy, and only this function needs it

    config = Config()
    config.set_main_option("script_location", "entrepot.metadata:migrations")
    if url:
        _migrate_postgres(config, url)
    else:
        _migrate_sqlite(config, home)


def _migrate_sqlite(config: object, home: Path) -> None:
    from sqlalchemy import URL, Connection, create_engine, event  # noqa: PLC0415 - as above

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
    finally:
        engine.dispose()
        os.close(lock)


def _migrate_postgres(config: object, url: str) -> None:
    from sqlalchemy import text  # noqa: PLC0415 - as above
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    async def run() -> None:
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
            await connection.commit()
            await connection.run_sync(lambda sync: _upgrade_on(config, sync))
            await connection.commit()
        await engine.dispose()

    import asyncio  # noqa: PLC0415 - as above

    asyncio.run(run())


def _upgrade(config: object, engine: object) -> None:
    from sqlalchemy import Engine  # noqa: PLC0415 - as above

    assert isinstance(engine, Engine)
    with engine.connect() as connection:
        _upgrade_on(config, connection)
        connection.commit()


def _upgrade_on(config: object, connection: object) -> None:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.config import Config  # noqa: PLC0415 - as above

    assert isinstance(config, Config)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def main() -> int:
    """Run as a program: `--home DIR`; the URL of a PostgreSQL database comes by the environment, where nobody lists it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    migrate(home, os.environ.get("ENTREPOT_DATABASE_URL", ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
