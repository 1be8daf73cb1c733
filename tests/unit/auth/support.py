"""What the tests of authentication share: both databases, with a clock that moves when it is told."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from entrepot.access.caller import ANONYMOUS
from entrepot.auth.epochs import Epochs
from entrepot.configuration.documents import Documents, Entry
from entrepot.messages import Headers, Request
from entrepot.metadata.database import Database, Row, Tx
from entrepot.metadata.migrate import migrate
from entrepot.metadata.open import open_database
from entrepot.metadata.sql import Parameter, Statement, sql
from tests.parts.postgres import postgres

T = TypeVar("T")

TRUNCATE = sql("""
TRUNCATE account, team, membership, permission_target, token, audit, secret, setting, cfg_version, repository,
  configuration, project
RESTART IDENTITY CASCADE
""")


@dataclass
class Clocked:
    """A database whose clock can be put forward."""

    inner: Database
    ahead: int = 0
    engine: str = field(init=False)

    def __post_init__(self) -> None:
        self.engine = self.inner.engine

    async def row(self, statement: Statement, **parameters: Parameter) -> Row | None:
        return await self.inner.row(statement, **parameters)

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        return await self.inner.rows(statement, **parameters)

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        return await self.inner.transact(body)

    async def scan(self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter) -> Sequence[Row]:
        return await self.inner.scan(statement, seconds=seconds, **parameters)

    def now(self) -> int:
        return self.inner.now() + self.ahead

    async def close(self) -> None:
        await self.inner.close()

    def wait(self, *, seconds: float) -> None:
        self.ahead += int(seconds * 1000)


class Clock:
    """A clock that stands until it is told."""

    def __init__(self) -> None:
        self.millis = 1_700_000_000_000

    def now(self) -> int:
        return self.millis

    def wait(self, *, seconds: float) -> None:
        self.millis += int(seconds * 1000)


@contextmanager
def migrated_postgres() -> Iterator[str]:
    """The URL of a migrated database on a server of our own."""
    with postgres() as server:
        migrate(Path("/nonexistent"), server.dsn)
        yield server.dsn


def migrated_home(folder: Path) -> Path:
    """A home folder with an empty, migrated database, to be copied."""
    folder.mkdir()
    migrate(folder, "")
    return folder


@asynccontextmanager
async def opened(home: Path, url: str) -> AsyncIterator[Clocked]:
    """The database, open and empty."""
    database = Clocked(await open_database(home, url))
    try:
        if url:
            await database.transact(lambda tx: tx.execute(TRUNCATE))
        yield database
    finally:
        await database.close()


def copied(template: Path, home: Path) -> Path:
    """A home folder of one's own."""
    shutil.copytree(template, home)
    (home / "run").mkdir()
    return home


@contextmanager
def epochs_of(home: Path) -> Iterator[Epochs]:
    """The words of a node."""
    words = Epochs(home / "run" / "epoch")
    try:
        yield words
    finally:
        words.close()


async def configured(documents: Documents, *entries: Entry) -> None:
    """Store documents as an administrator's change does."""
    await documents.change(lambda tx: documents.store(tx, entries))


def asking(headers: Headers, address: str = "192.0.2.1", method: str = "GET") -> Request:
    """A request of which only who asks matters."""
    body: Any = None
    return Request(method, "/x", {}, headers, body, id="", address=address, base_of=str, caller=ANONYMOUS)
