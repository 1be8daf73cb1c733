"""Before the first request: bring the database to this build's schema and give a new instance its first contents.

Runs in a process of its own, for migrations need modules of 98 MiB that a serving process should not carry. It may be
repeated, also after a crash at any point: an instance that has its contents keeps them.
"""

from __future__ import annotations

from entrepot.cluster.child import Child, begin  # before anybody else imports structlog: see there

# isort: split
import asyncio
import secrets
import sys
from pathlib import Path

import structlog

from entrepot.cli.serve import PREPARED
from entrepot.cluster.home import PASSWORD_FILE, HomeFull, event_log, no_room, run_folder, write_private
from entrepot.errors import EntrepotError, Unavailable, reason
from entrepot.logs.setup import configure
from entrepot.metadata import facts
from entrepot.metadata.database import DatabaseFull
from entrepot.metadata.migrate import HEAD, migrate, refuse_newer, sqlite_revision
from entrepot.metadata.open import open_database
from entrepot.metadata.sql import sql
from entrepot.settings import ROWS, Settings

_FAILED = 3
_REVISION = sql("SELECT version_num FROM alembic_version")

log = structlog.get_logger()


def main(arguments: list[str]) -> int:
    """Prepare the database; return the exit status."""
    child = begin(arguments)
    child.end_with_supervisor()
    events = event_log(child.settings, "prepare")
    configure(events)
    try:
        prepare(child.settings)
    except Exception as error:  # noqa: BLE001 - told in one line, whatever it is; see `told`
        return _fail(child, told(error, child.settings))
    finally:
        events.close()
    return 0


def told(error: Exception, settings: Settings) -> str:
    """Return in one line why the database could not be prepared; of what should not happen the log has a traceback."""
    if no_room(error) or (isinstance(error, DatabaseFull) and not settings.database_url):
        return HomeFull(home=settings.home).message
    if isinstance(error, EntrepotError):
        return error.message
    log.error("prepare.failed", exc_info=error)
    return reason(error)


def prepare(settings: Settings) -> None:
    """Migrate if needed, then make the first contents. Raises EntrepotError, or what a database driver raises."""
    found, filled = _found(settings)
    refuse_newer(found)
    if found != HEAD:
        log.info("database.migrating", found=found, wanted=HEAD)
        migrate(settings.home, settings.database_url)
    if not filled:
        _fill(settings)
    database = ROWS["database.url"].shown(settings.database_url)
    write_private(run_folder(settings.home) / PREPARED, database.encode())


def _found(settings: Settings) -> tuple[str | None, bool]:
    """Return the schema's revision, and whether the first contents are known to be there: for every start on PostgreSQL."""
    if not settings.database_url:
        return sqlite_revision(settings.home / "entrepot.db"), False
    return asyncio.run(_found_in_postgres(settings))


async def _found_in_postgres(settings: Settings) -> tuple[str | None, bool]:
    import asyncpg  # noqa: PLC0415 - only PostgreSQL has a use for it

    database = await open_database(settings.home, settings.database_url)
    try:
        row = await database.row(_REVISION)
        found = str(row[0]) if row else None
        return found, found == HEAD and await facts.known(database, facts.FILLED) is not None
    except (asyncpg.UndefinedTableError, Unavailable):  # a database that is down tells the migration so
        return None, False
    finally:
        await database.close()


def _fill(settings: Settings) -> None:
    password, written = _password(settings)
    made = asyncio.run(_bootstrap(settings, password))
    if written and not made:
        (settings.home / PASSWORD_FILE).unlink(missing_ok=True)  # it opens nothing


def _password(settings: Settings) -> tuple[str, bool]:
    """Return the password for `admin` and whether we have just written it down, which comes before the account."""
    if settings.admin_password is not None:
        return settings.admin_password.reveal(), False
    file: Path = settings.home / PASSWORD_FILE
    if file.exists():  # an earlier start made it, and may have died before the account was there
        return file.read_text().strip(), False
    password = secrets.token_urlsafe(18)
    write_private(file, f"{password}\n".encode())
    return password, True


async def _bootstrap(settings: Settings, password: str) -> bool:
    from entrepot import first_contents  # noqa: PLC0415 - not before the schema is there

    database = await open_database(settings.home, settings.database_url)
    try:
        return await first_contents.fill(database, password)
    finally:
        await database.close()


def _fail(child: Child, reason: str) -> int:
    child.failed(reason)
    return _FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
