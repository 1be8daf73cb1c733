"""Fill a test instance with items quickly: `python -m bench.fill --home DIR --items 100000` (or `--database-url postgresql://...`).

Makes repository `filled` in an instance whose first start is over, and writes items with properties straight into its database,
where only a benchmark may: no events, no bytes. What it writes is the same for the same number.
"""

import argparse
import asyncio
import hashlib
import sys
import time
from pathlib import Path

from entrepot.metadata.database import Database, Tx
from entrepot.metadata.open import open_database
from entrepot.metadata.properties import value_hash
from entrepot.metadata.sql import sql
from entrepot.repositories.catalog import insert
from entrepot.repositories.configuration import create

KEY = "filled"
_STEP = 5_000
_START = 1_700_000_000_000

_REPOSITORY = sql("SELECT id FROM repository WHERE key = 'filled' AND deleted IS NULL")
_COUNT = sql("SELECT COUNT(*) FROM item WHERE repo_id = :repo_id AND kind = 1")
_NEXT = sql("SELECT COALESCE(MAX(id), 0) + 1 FROM item")
_NEXT_BLOB = sql("SELECT COALESCE(MAX(id), 0) + 1 FROM blob")
_ITEM = sql("""
INSERT INTO item (id, repo_id, path, name, kind, depth, size, blob_id, created, created_by, modified, modified_by, updated)
VALUES (:id, :repo_id, :path, :name, 1, 4, :size, :blob_id, :at, 'filler', :at, 'filler', :at)
""")
_FOLDER = sql("""
INSERT INTO item (id, repo_id, path, name, kind, depth, size, blob_id, created, created_by, modified, modified_by, updated)
VALUES (:id, :repo_id, :path, :name, 0, :depth, 0, NULL, :at, 'filler', :at, 'filler', :at) ON CONFLICT DO NOTHING
""")
_SEQUENCES = [
    sql("SELECT setval(pg_get_serial_sequence('item', 'id'), (SELECT MAX(id) FROM item))"),
    sql("SELECT setval(pg_get_serial_sequence('blob', 'id'), (SELECT MAX(id) FROM blob))"),
]
_FOLDERS = 1 << 40  # beyond the ids of files
_BLOB = sql("""
INSERT INTO blob (id, sha256, sha1, md5, size, created, keep_until) VALUES (:id, :sha256, :sha1, :md5, :size, :at, :at)
""")
_PROP = sql("INSERT INTO prop (item_id, key, value, value_hash) VALUES (:id, :key, :value, :hash)")


def path(number: int) -> tuple[str, str]:
    """Return the folder and name of an item: a hundred files in each folder."""
    return f"org/team{number // 10_000}/app{number // 100 % 100}", f"app-{number:08d}.jar"


def digest(name: str, number: int) -> bytes:
    """Return a checksum of an item."""
    return hashlib.new(name, str(number).encode()).digest()


async def fill(database: Database, items: int) -> int:
    """Bring the repository up to so many items; return how many were added."""
    row = await database.row(_REPOSITORY)
    if row is None:
        await database.transact(
            lambda tx: insert(tx, create(KEY, {"rclass": "local", "packageType": "generic"}, lambda _: None))
        )
        row = await database.row(_REPOSITORY)
    assert row is not None
    repo_id = int(row[0])
    have = (await database.scan(_COUNT, seconds=600, repo_id=repo_id))[0][0]
    first_item, first_blob = [(await database.row(one))[0] for one in (_NEXT, _NEXT_BLOB)]  # type: ignore[index]
    began = time.monotonic()
    for start in range(have, items, _STEP):
        numbers = range(start, min(start + _STEP, items))

        async def work(tx: Tx, numbers: range = numbers) -> None:
            await _write(tx, repo_id, numbers, first_item - have, first_blob - have)

        await database.transact(work)
        done = numbers.stop - have
        sys.stderr.write(f"\r{numbers.stop:,} items, {done / (time.monotonic() - began):,.0f} a second ")
    sys.stderr.write("\n")
    if database.engine == "postgresql":
        for one in _SEQUENCES:
            await database.row(one)
    return max(items - have, 0)


async def _write(tx: Tx, repo_id: int, numbers: range, item: int, blob: int) -> None:
    await tx.many(_BLOB, [
        {"id": blob + n, "sha256": digest("sha256", n), "sha1": digest("sha1", n), "md5": digest("md5", n), "size": 1000 + n % 1000,
         "at": _START}
        for n in numbers
    ])  # fmt: skip
    folders = {folder for n in numbers for folder in _above(path(n)[0])}
    await tx.many(_FOLDER, [
        {"id": _folder_id(folder), "repo_id": repo_id, "depth": folder.count("/") + 1,
         "path": folder.rpartition("/")[0] or ".", "name": folder.rpartition("/")[2], "at": _START}
        for folder in sorted(folders)
    ])  # fmt: skip
    rows = []
    for n in numbers:
        folder, name = path(n)
        rows.append({"id": item + n, "repo_id": repo_id, "path": folder, "name": name, "size": 1000 + n % 1000, "blob_id": blob + n,
                     "at": _START + n * 1000})  # fmt: skip
    await tx.many(_ITEM, rows)
    properties = (
        (n, key, value) for n in numbers for key, value in (("build.number", str(n // 50)), ("quality", f"q{n % 7}"))
    )
    await tx.many(
        _PROP, [{"id": item + n, "key": key, "value": value, "hash": value_hash(value)} for n, key, value in properties]
    )


def _folder_id(folder: str) -> int:
    return _FOLDERS + int.from_bytes(hashlib.md5(folder.encode(), usedforsecurity=False).digest()[:5], "big")


def _above(folder: str) -> list[str]:
    """Return a folder and those above it."""
    parts = folder.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


async def _main(home: Path, url: str, items: int) -> None:
    database = await open_database(home, url)
    try:
        added = await fill(database, items)
        print(f"{added:,} items added to {KEY}")
    finally:
        await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("home"))
    parser.add_argument("--database-url", default="")
    parser.add_argument("--items", type=int, default=100_000)
    given = parser.parse_args()
    asyncio.run(_main(given.home, given.database_url, given.items))
