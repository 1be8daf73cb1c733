"""Databases and stores for tests: SQLite and PostgreSQL, migrated once, then copied for each test."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from entrepot.metadata.database import Database
from entrepot.metadata.migrate import migrate
from entrepot.metadata.open import open_database
from entrepot.metadata.sql import sql
from tests.parts.postgres import Postgres, postgres

_NUMBERS = itertools.count(1)


class Engine:
    """Where new, migrated databases come from."""

    name: str

    def new(self, home: Path) -> str:
        """Make a database; return its URL, empty for the one in `home`."""
        raise NotImplementedError


class SqliteEngine(Engine):
    name = "sqlite"

    def __init__(self, template: Path) -> None:
        self._template = template
        migrate(template, "")

    def new(self, home: Path) -> str:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._template / "entrepot.db", home / "entrepot.db")
        return ""


class PostgresEngine(Engine):
    name = "postgresql"

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._template = server.new_database()
        migrate(Path(), self._template)

    def new(self, home: Path) -> str:
        home.mkdir(parents=True, exist_ok=True)
        template = self._template.rpartition("/")[2]
        name = f"copy_{next(_NUMBERS)}"

        async def copy() -> None:
            connection = await asyncpg.connect(self._server.dsn)
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            await connection.close()

        _elsewhere(copy)
        return f"{self._template.rpartition('/')[0]}/{name}"


def _elsewhere(work: object) -> None:
    """Run a coroutine function to its end on a thread, whether or not a loop is running here."""
    from threading import Thread

    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(scope="session")
def sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> SqliteEngine:
    return SqliteEngine(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_engine(postgres_server: Postgres) -> PostgresEngine:
    return PostgresEngine(postgres_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue("sqlite_engine" if request.param == "sqlite" else "postgres_engine")
    return found


@pytest.fixture
async def database(engine: Engine, tmp_path: Path) -> AsyncIterator[Database]:
    url = engine.new(tmp_path / "home")
    opened = await open_database(tmp_path / "home", url)
    yield opened
    await opened.close()


async def write(database: Database, text: str, **parameters: object) -> int:
    """Run one statement in a transaction of its own; return how many rows it touched."""
    return await database.transact(lambda tx: tx.execute(sql(text), **parameters))  # type: ignore[arg-type]


async def value(database: Database, text: str, **parameters: object) -> object:
    """Return the first column of the first row."""
    row = await database.row(sql(text), **parameters)  # type: ignore[arg-type]
    assert row is not None
    return row[0]


async def done_or_waiting(database: Database, task: asyncio.Task[object]) -> None:
    """Return once a task is done, or a transaction of a PostgreSQL database waits for another."""
    while not task.done() and not await value(  # noqa: ASYNC110 - the server tells nobody that somebody waits
        database,
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    ):
        await asyncio.sleep(0.005)
