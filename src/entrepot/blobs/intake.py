"""Bytes on the way in: durable first, then named by one transaction; what comes to nothing is taken away again.

Every key that this process has written and that no row names yet is *unsettled*, until a row names it or a deletion
succeeds. A failure whose outcome is known abandons it at once. Where the outcome is not known (the database was lost at the
commit), or the store does not delete it, it stays unsettled and *in doubt*, and the keeper (`cluster/writers.py`) asks the
database later; so does the sweep, should this process die.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from entrepot.blobs.contract import Driver, StoreUnavailable
from entrepot.blobs.ingest import INLINE_LIMIT, Hashes, Received, ingest
from entrepot.blobs.key_maker import KeyMaker
from entrepot.clock import Clock
from entrepot.errors import EntrepotError, Unavailable


@dataclass(slots=True)
class Intake:
    """Receive bodies into the blob store. One per process."""

    driver: Driver
    keys: KeyMaker
    writer: str
    clock: Clock
    unsettled: dict[str, int | None] = field(default_factory=dict)  # key -> since when it is in doubt

    async def receive(
        self, source: AsyncIterator[bytes], hashes: Hashes, *, limit: int | None = None, inline: int = INLINE_LIMIT
    ) -> Received:
        """Store a body; see `blobs.ingest.ingest`. What it raises leaves nothing behind that is not looked for later."""
        made: str | None = None

        async def key() -> str:
            nonlocal made
            made = await self.keys.new()
            self.unsettled[made] = None
            return made

        try:
            return await ingest(source, driver=self.driver, key=key, hashes=hashes, inline_limit=inline, limit=limit)
        except StoreUnavailable:  # it would not delete now, either
            self.doubt(Received(0, made, None))
            raise
        except BaseException:  # what it stored may be whole, and the store may have failed to clean up
            await self.abandon(Received(0, made, None))
            raise

    @asynccontextmanager
    async def naming(self, received: Received | None) -> AsyncIterator[None]:
        """Run the transaction that names an object within this, and keep or remove the object by how it ends."""
        try:
            yield
        except EntrepotError as error:
            if isinstance(error, Unavailable):  # perhaps it was committed: it stays until the keeper has asked
                self.doubt(received)
            else:
                await self.abandon(received)
            raise
        except BaseException:  # cancelled while the transaction goes on, or a fault of ours: the same
            self.doubt(received)
            raise
        self.settle(received)

    def settle(self, received: Received | None) -> None:
        """Note that a row names the object now, or that the delete queue does."""
        if received is not None and received.key is not None:
            self.unsettled.pop(received.key, None)

    async def abandon(self, received: Received | None) -> None:
        """Remove an object that nothing names, and nothing will."""
        if received is None or received.key is None:
            return
        self.doubt(received)  # first: we may be cancelled
        with suppress(StoreUnavailable):
            await self.driver.delete(received.key)
            self.settle(received)

    def doubt(self, received: Received | None) -> None:
        """Note that we do not know whether a row names the object, or that it is to go: the keeper will ask."""
        if received is not None and received.key is not None:
            self.unsettled[received.key] = self.clock.now()
