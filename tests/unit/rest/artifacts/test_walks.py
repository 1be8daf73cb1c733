"""Walks of large folders: others have their turn meanwhile, and they end."""

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from entrepot.artifacts import latest
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.deploy import Deploy
from entrepot.artifacts.download import Download
from entrepot.artifacts.latest import Latest
from entrepot.artifacts.storage import Storage
from entrepot.metadata.database import Database, Row
from entrepot.metadata.sql import Parameter, Statement, sql
from entrepot.metadata.tree import Tree
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


async def test_a_large_folder_is_listed_page_by_page_and_others_have_their_turn(database: Database) -> None:  # noqa: F811
    repo_id = await fill(database, "a", each=3000)
    nothing: Any = None
    repository: Any = SimpleNamespace(id=repo_id)
    storage = Storage(database, nothing, Branches(database, Tree({})))
    for readable in (True, False):
        granted: Any = SimpleNamespace(physical=[repository], may=lambda *_, readable=readable, **__: readable)
        found, had = await turns(storage.within(granted, "a"))
        assert found == 3000 * readable
        assert had >= 2


async def test_the_page_of_a_large_folder_is_made_while_others_have_their_turn(database: Database) -> None:  # noqa: F811
    repo_id = await fill(database, "a", each=5000)
    nothing: Any = None
    repository: Any = SimpleNamespace(id=repo_id)
    granted: Any = SimpleNamespace(physical=[repository], key="r", may=lambda *_, **__: True)
    request: Any = SimpleNamespace(path="/artifactory/r/a/", base="")
    download = Download(database, nothing, nothing, nothing)
    await write(
        database,
        "INSERT INTO item (repo_id, path, name, kind, depth, size, created, created_by, modified, modified_by, updated) "
        "SELECT id, '.', 'a', 0, 1, 0, 0, '', 0, '', 0 FROM repository",
    )

    async def walk() -> AsyncIterator[object]:
        yield await download._folder(request, granted, "a")

    _, had = await turns(walk())
    assert had >= 8  # when each of five pages is read, and when it is written


class Explained:
    """Explain the plan of whatever is read; on PostgreSQL with the number of rows that were read in vain."""

    def __init__(self, database: Database) -> None:  # noqa: F811
        self._database = database
        self.plans: list[str] = []

    async def rows(self, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
        how = "QUERY PLAN" if self._database.engine == "sqlite" else "ANALYZE"
        explained = copy.copy(statement)
        explained.sqlite, explained.postgres = (
            f"EXPLAIN {how} {statement.sqlite}",
            f"EXPLAIN {how} {statement.postgres}",
        )
        self.plans.append("\n".join(str(row[-1]) for row in await self._database.rows(explained, **parameters)))
        return await self._database.rows(statement, **parameters)


async def test_a_page_is_read_from_where_it_begins_to_where_it_ends(database: Database) -> None:  # noqa: F811
    repo_id = await fill(database, "a", "b", "b/c", "d", each=1500)
    if database.engine == "postgresql":
        await write(database, "ANALYZE item")
    explained: Any = Explained(database)
    walks = Branches(explained, Tree({}))
    for pages, folder in ((31, ""), (16, "b")):
        assert len([one async for one in walks.below(repo_id, folder)]) == 200 * (pages - 1)
    assert len(await walks._deepest(repo_id, "b")) == 200
    for place in (("b", "f1000"), ("b/c", "f1000")):
        await Latest(explained, Layouts(dict))._below(repo_id, "", place)
    assert len(explained.plans) == 50
    for plan in explained.plans:
        assert sum(map(int, re.findall(r"Removed by Filter: (\d+)", plan))) < 10, plan
        assert "path" in plan, plan


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


async def test_copies_that_the_caller_may_not_read_are_passed_over_while_others_have_their_turn(
    database: Database,  # noqa: F811
) -> None:
    repo_id = await fill(database, "a", each=1000)

    class Refusing:
        asked = 0

        def serving(self, _: object) -> list[int]:
            return [repo_id]

        def reads(self, *_: object) -> bool:
            self.asked += 1
            return False

    granter: Any = Refusing()
    nothing: Any = None
    deploy = Deploy(database, nothing, nothing, tree=nothing, granter=granter, room=nothing)

    async def walk() -> AsyncIterator[object]:
        yield await deploy._readable(nothing, "sha256", b"a")

    _, had = await turns(walk())
    assert granter.asked == 1000
    assert had >= 4


async def test_others_have_their_turn_between_paths_that_take_long_to_read(
    database: Database,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latest, "_TURN", -1.0)  # each takes too long
    repo_id = await fill(database, "a", each=200)
    granted: Any = SimpleNamespace(physical=[SimpleNamespace(id=repo_id, config={})])

    async def walk() -> AsyncIterator[object]:
        yield await Latest(database, Layouts(dict)).resolve(granted, "a/[RELEASE]")

    _, had = await turns(walk())
    assert had >= 200


def test_paths_beyond_what_people_write_are_not_read_by_layouts() -> None:
    name = "n" * 150
    short, long = (f"org/{'g/' * depth}{name}/1/{name}-1.jar" for depth in (50, 120))
    assert Layouts(dict).read("maven-2-default", short) is not None
    assert Layouts(dict).read("maven-2-default", long) is None


def _files(newest: Latest, repo_id: int) -> AsyncIterator[Any]:
    class Repository:
        id = repo_id

    return newest._files(Repository(), "a")  # type: ignore[arg-type]
