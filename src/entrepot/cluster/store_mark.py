"""Which store of files belongs to a database: the mark in its root is kept in the database, too.

The file decides which mark it is, so that processes and nodes that start at once agree. A store without a mark, or with
another one, is the database's only if it shows that: it has one of the objects that the database names.
"""

from __future__ import annotations

from pathlib import Path

from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.disk import mapped
from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.mark import NotThisStore
from entrepot.blobs.threads import DISK
from entrepot.clock import new_id
from entrepot.metadata import facts
from entrepot.metadata.database import Database, Reads
from entrepot.metadata.sql import sql

_KEY = "blob_store_mark"
_SOME = sql("""
SELECT storage_key FROM (SELECT storage_key FROM blob WHERE storage_key IS NOT NULL LIMIT 100) AS whole
UNION ALL
SELECT storage_key FROM (SELECT storage_key FROM blob_segment LIMIT 100) AS pieces
""")


async def expect_mark(reads: Reads, driver: Driver) -> str:
    """Hold a store of files to the mark that the database knows, if any; return it."""
    known = await facts.known(reads, _KEY) or ""
    if isinstance(driver, Files):
        driver.mark.expected = known
    return known


async def recognise(database: Database, driver: Driver, *, elsewhere: bool) -> None:
    """Hold a store of files to its mark; give it one at the first start. `elsewhere`: the last start used another store.

    A store that is not there now stays unavailable until it is; where it was never marked, raises NotThisStore.
    """
    known = await expect_mark(database, driver)
    if not isinstance(driver, Files):
        return
    with mapped():
        found = await DISK.run(driver.mark.read)
        if known and found == known:
            return
        if (known or not found) and not await _is_ours(database, driver, new=elsewhere or not known):
            if not known:
                raise NotThisStore(
                    "The folder {root} has none of the objects that the database names; is the volume mounted?",
                    root=driver.root,
                )
            return
        mark = found or await DISK.run(driver.mark.write, known or new_id())
    await database.transact(lambda tx: facts.note(tx, _KEY, mark))
    driver.mark.expected = mark


async def _is_ours(database: Database, driver: Files, *, new: bool) -> bool:
    """Whether the store has an object that the database names; one that is `new` may be empty if it names none."""
    keys = [str(row[0]) for row in await database.scan(_SOME)]
    return await DISK.run(_any_there, driver.root, keys) if keys else new


def _any_there(root: Path, keys: list[str]) -> bool:
    return any((root / key).is_file() for key in keys)
