"""Walks of large folders: others have their turn meanwhile, and they end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from entrepot.artifacts import latest
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.latest import Latest
from entrepot.metadata.database import Database
from entrepot.metadata.items import Tree
from entrepot.metadata.sql import sql
from entrepot.repositories.layouts import Layouts
from tests.stores import database, engine, sqlite_engine, value, write  # noqa: F401

_FILE = sql("""
INSERT INTO item (repo_id, path, name, kind, depth, size, blob_id, created, created_by, modified, modified_by, updated)
SELECT r.id, :path, :name, 1, 2, 1, b.id, 0, '', 0, '', 0 FROM repository r, blob b
""")


async def fill(database: Database, *folders: str, each: int) -> int:  # noqa: F811
    """Make a repository with files in folders; return its id."""
    await write(
        database,
        "INSERT INTO blob (sha256, sha1, md5, size, created, keep_until) VALUES (:a, :a, :a, 1, 0, 0)",
        a=b"a",
    )
    await write(
        database,
        "INSERT INTO repository (key, folded, rclass, package_type, position, config, created) "
        "VALUES ('r', 'r', 'local', 'generic', 1, '{}', 0)",
    )
    rows = [{"path": folder, "name": f"f{n:04}"} for folder in folders for n in range(each)]
    await database.transact(lambda tx: tx.many(_FILE, rows))  # type: ignore[arg-type]
    return int(await value(database, "SELECT id FROM repository"))  # type: ignore[call-overload]


async def turns(walk: AsyncIterator[object]) -> tuple[int, int]:
    """Return how many things a walk yields, and how often others had their turn meanwhile."""
    had = 0

    async def others() -> None:
        nonlocal had
        while True:
            await asyncio.sleep(0)
            had += 1

    task = asyncio.create_task(others())
    found = [one async for one in walk]
    task.cancel()
    return len(found), had


async def test_a_walk_lets_others_have_their_turn(database: Database) -> None:  # noqa: F811
    repo_id = await fill(database, "a", "a/b", each=1000)
    found, had = await turns(Branches(database, Tree({})).below(repo_id, "a"))
    assert found == 2000
    assert had >= 9


async def test_the_newest_is_looked_for_among_so_many_files_and_others_have_their_turn(
    database: Database,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latest, "_MOST", 300)
    monkeypatch.setattr(latest, "_PAGE", 50)
    repo_id = await fill(database, "a", "a/b", each=200)
    found, had = await turns(_files(Latest(database, Layouts(dict)), repo_id))
    assert found == 300
    assert had >= 5


def _files(newest: Latest, repo_id: int) -> AsyncIterator[Any]:
    class Repository:
        id = repo_id

    return newest._files(Repository(), "a")  # type: ignore[arg-type]
