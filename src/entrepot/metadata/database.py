"""The contract between the product and its database: SQLite or PostgreSQL, one code for both.

A transaction body is an `async def` that awaits nothing but its `Tx`. On PostgreSQL it runs on the loop. On SQLite it runs
on the writer thread of the process, where no await ever suspends, together with others in one commit (each within its own
savepoint): so a body must not touch the loop, and must do no other I/O.

A body may run more than once (a serialisation failure is retried), so it must have no effect but through its `Tx`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from entrepot.errors import EntrepotError, Invalid, Unavailable
from entrepot.metadata.sql import Parameter, Statement

T = TypeVar("T")
Row = Sequence[Any]  # one column each; the reader unpacks it into named values at once


class DatabaseUnavailable(Unavailable):
    """The database is not available for now; try again in a few seconds."""


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full; make room or ask an administrator."""

    status = 507


class DatabaseBusy(Unavailable):
    """Too many writes are waiting for the database; try again in a few seconds."""


class ReferenceLost(EntrepotError):
    """Something that this change refers to was removed meanwhile."""

    status = 409


class Unstorable(Invalid):
    """A text that was sent holds a character that cannot be stored: NUL."""


class Duplicate(EntrepotError):
    """There is one already."""

    status = 409


class Reads(Protocol):
    """Point reads and bounded pages. Each sees all that was committed before it began, by any process."""

    async def row(self, statement: Statement, **parameters: Parameter) -> Row | None:
        """Return the first row, or None. Raises DatabaseUnavailable."""
        ...

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        """Return all rows: at most a page of some thousand, off an index. Raises DatabaseUnavailable."""
        ...


class Tx(Reads, Protocol):
    """A running transaction; sees its own changes."""

    async def execute(self, statement: Statement, **parameters: Parameter) -> int:
        """Run a statement and return how many rows it touched. Raises Duplicate, ReferenceLost, DatabaseUnavailable."""
        ...

    async def many(self, statement: Statement, parameters: Sequence[dict[str, Parameter]]) -> None:
        """Run a statement once for each set of parameters."""
        ...


class Database(Reads, Protocol):
    """A database that this process has opened."""

    engine: str  # sqlite, postgresql

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """Run the body in one transaction and return its result once that is durable.

        Raises what the body raises (nothing is changed then), DatabaseBusy, DatabaseUnavailable, DatabaseFull.
        """
        ...

    async def scan(self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter) -> Sequence[Row]:
        """Run a read that may be slow, away from the loop, ended `seconds` after it has begun (DatabaseUnavailable).

        Raises TooMany when others keep it from beginning for as long.
        """
        ...

    def stream(
        self, statement: Statement, *, seconds: float = 30.0, **parameters: Parameter
    ) -> AsyncGenerator[Sequence[Row], None]:
        """Yield the rows of a read of any size in batches, as of one moment, away from the loop.

        Whoever takes them slowly keeps neither a connection nor a transaction. Each batch has `seconds` to be found
        (DatabaseUnavailable). Raises TooMany at the beginning. To be closed by whoever does not read it to its end.
        """
        ...

    def now(self) -> int:
        """Return the database's clock, epoch milliseconds, exact to some milliseconds; does no I/O."""
        ...

    async def close(self) -> None:
        """Finish what is queued and release everything."""
        ...
