"""`api/system/storage` (reference 13): upkeep of the store that an administrator asks for, done in the background by some node.

What belongs to stores and databases of other kinds (shards to balance, Derby to compress) has nothing to do here, and is
accepted, as scripts expect.
"""

from __future__ import annotations

from typing import Final

from entrepot.jobs.asked import ask
from entrepot.messages import Reply, Request, Row, text_reply
from entrepot.metadata.database import Database
from entrepot.metadata.sql import sql

_SECONDS: Final = 60.0  # that adding up the sizes may take

_SIZE = sql("SELECT COALESCE(SUM(size), 0) FROM blob")


class StorageUpkeepApi:
    """The handlers of `api/system/storage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        url = "/artifactory/api/system/storage"
        return (
            Row("POST", f"{url}/gc", "storage.gc", "admin", self.collect, response="text/plain",
                summary="Collect garbage now, in the background"),
            Row("POST", f"{url}/optimize", "storage.optimize", "admin", self.optimize, status=202,
                summary="Nothing: there are no shards to balance"),
            Row("POST", f"{url}/compress", "storage.compress", "admin", self.compress, response="text/plain",
                summary="Nothing: the database needs no compressing"),
            Row("GET", f"{url}/size", "storage.size", "admin", self.size, response="text/plain",
                summary="Bytes of all blobs"),
        )  # fmt: skip

    async def collect(self, _: Request) -> Reply:
        """POST: some node begins within a second or two; what was let go stays for the grace time all the same."""
        await self._database.transact(ask)
        return text_reply("Garbage collection was scheduled to run in the background.\n")

    async def optimize(self, _: Request) -> Reply:
        """POST: accepted, and nothing is left to do."""
        return Reply(202)

    async def compress(self, _: Request) -> Reply:
        """POST: as above."""
        return text_reply("The database needs no compressing.\n")

    async def size(self, _: Request) -> Reply:
        """GET: a number; bytes that several files have are counted once."""
        return text_reply(str(int((await self._database.scan(_SIZE, seconds=_SECONDS))[0][0])))
