"""How every process of the cluster learns that configuration, permissions or revocations have moved.

    first in the transaction   bump(tx, scope)        the row of the scope in `cfg_version` counts up
    after the commit           announce(scope)        the word in `<home>/run/epoch` counts up, for all of this node
    on each other node         poll(database)         sees the row within 250 ms and counts that node's word up

A reader remembers the word that it built its snapshot under and compares it on each request (some tens of nanoseconds):
whoever gets an answer to a change finds it in force on the whole node. A process killed between commit and announcement
is covered by the poll. When the rows have not been read for 5 s (the process that polls hangs, the database
is gone), nothing that was remembered may be trusted any more: whoever has a request then looks at them itself.

The words mean nothing beyond a process: each looks at the rows once before it trusts them.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Literal

from entrepot.errors import EntrepotError
from entrepot.metadata.database import Database, DatabaseUnavailable, T, Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump

Scope = Literal["security", "repositories", "configuration", "blobs"]

_WORD_OF: Final[dict[str, int]] = {"security": 0, "repositories": 1, "configuration": 3, "blobs": 4}
_SEEN = 2  # when the rows were last read, milliseconds of the machine's monotonic clock
_BYTES = 4096
_PERIOD = 0.25  # seconds
_TRUST = 5_000  # milliseconds
_RENEWAL = 2.0  # seconds

_VERSIONS = sql("SELECT scope, version FROM cfg_version")


class Epochs:
    """The words of this node. One object per process; all its methods are called on the loop."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _take_room(self._file)
        self._map = mmap.mmap(self._file, _BYTES)
        self._words = memoryview(self._map).cast("Q")
        self._polling = os.open(file.with_name(f"{file.name}.poll"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._versions: dict[str, int] = {}
        self._renewing: asyncio.Future[None] | None = None

    def security(self) -> int:
        """Return the word of accounts, groups, permissions and tokens: equal means that nothing has moved."""
        return self._words[0]

    def repositories(self) -> int:
        """Return the word of repository configurations."""
        return self._words[1]

    def configuration(self) -> int:
        """Return the word of what else administrators configure (`entrepot.configuration`)."""
        return self._words[3]

    def blobs(self) -> int:
        """Return the word of where bytes are, which moves only when lost ones are given up or replaced."""
        return self._words[4]

    def all(self) -> tuple[int, int, int]:
        """Return the words of configuration and permissions: equal means that nothing of those has moved."""
        words = self._words
        return words[0], words[1], words[3]

    def trusted(self) -> bool:
        """Whether some process of this node has read the rows within the last 5 s; if not, refuse rather than guess."""
        return 0 <= _monotonic() - self._words[_SEEN] < _TRUST

    def announce(self, scope: str) -> None:
        """Tell all processes of this node. Call it after the commit, before the answer; once too often does no harm."""
        word = _WORD_OF[scope]
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._words[word] += 1
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    async def change(self, database: Database, scope: Scope, body: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a transaction that changes something in a scope, and announce it before returning its result.

        Changes of one scope run one after the other: each sees what the one before it has committed. What the body
        refuses is not announced: nothing of it is committed.
        """
        refused = False

        async def bumped(tx: Tx) -> T:
            nonlocal refused
            await bump(tx, scope)  # first: on PostgreSQL it is the lock that what the body reads holds under
            try:
                return await body(tx)
            except EntrepotError:
                refused = True
                raise

        try:
            return await database.transact(bumped)
        finally:  # a commit whose outcome we were not told, or that we were cancelled during, may stand
            if not refused:
                self.announce(scope)

    async def look(self, database: Database) -> None:
        """Read the rows once and announce what has moved since. Raises DatabaseUnavailable."""
        for scope, version in await database.rows(_VERSIONS):
            if scope in _WORD_OF and self._versions.get(scope) != version:
                self._versions[scope] = version
                self.announce(scope)
        self._words[_SEEN] = _monotonic()

    async def renew(self, database: Database) -> None:
        """Look now, when the process that polls has not for too long; one look for all who ask meanwhile.

        Raises Unavailable when the rows cannot be read within 2 s.
        """
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.ensure_future(self._renew(database))
        await asyncio.shield(self._renewing)

    async def _renew(self, database: Database) -> None:
        try:
            async with asyncio.timeout(_RENEWAL):
                await self.look(database)
        except TimeoutError:
            raise DatabaseUnavailable from None

    async def poll(self, database: Database) -> None:
        """Look every 250 ms until cancelled. Every process calls it; the one that holds the file's lock looks."""
        while True:
            if self._takes_the_lock():
                try:
                    await self.look(database)
                except Exception:  # noqa: BLE001 - also a fault: whoever looks himself meets it, and tells
                    self._versions.clear()  # `trusted` tells when this has gone on for too long
            await asyncio.sleep(_PERIOD)

    def close(self) -> None:
        """Release the file; another process takes over the poll."""
        self._words.release()
        self._map.close()
        os.close(self._file)
        os.close(self._polling)

    def _takes_the_lock(self) -> bool:
        try:
            fcntl.flock(self._polling, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _take_room(file: int) -> None:
    """Write the page once: touching a hole in a mapped file ends the process when the disk is full (SIGBUS)."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        if os.fstat(file).st_size < _BYTES:
            os.pwrite(file, bytes(_BYTES), 0)
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _monotonic() -> int:
    return time.monotonic_ns() // 1_000_000
