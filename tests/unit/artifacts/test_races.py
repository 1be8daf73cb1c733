"""Two transactions over the same files and folders; on PostgreSQL, where they run beside each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.access.permissions import Rules
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.deploy import Deploy, Overwriting, Target
from entrepot.artifacts.journeys import Count, Journey, Journeys
from entrepot.metadata.database import Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import Item, NewFile, find
from entrepot.metadata.tree import Tree
from entrepot.repositories.granted import Granted
from tests.stores import done_or_waiting
from tests.world import ADMIN, Node


async def no_bound(*_: object) -> None:
    pass


class World:
    """What callers do in the repository `libs`."""

    def __init__(self, node: Node) -> None:
        found = node.repositories.get("libs")
        assert found is not None
        self.node, self.repository = node, found
        self.where = Where(found.id, found.key, found.package_type, "admin")
        self.branches = Branches(node.database, node.tree)
        self.journeys = Journeys(node.database, node.tree, self.branches)
        self.deploy = Deploy(node.database, node.content, node.intake, tree=node.tree, granter=None, room=no_bound)  # type: ignore[arg-type]

    async def put(self, path: str, content: bytes, caller: Caller = ADMIN) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield content

        granted = Granted(caller, Rules(self.node.rules), "libs", self.repository, (self.repository,))
        await self.deploy.file(granted, Target(self.repository, path, {}), body(), {})

    async def get(self, path: str) -> bytes | None:
        item = await find(self.node.database, self.repository.id, path)
        if item is None or item.blob_id is None:
            return None
        stored = await self.node.content.find(item.blob_id)
        assert stored is not None
        return await self.node.content.whole(stored, 1000)

    async def carry(
        self, path: str, to: str, refusal: Callable[[Item, str, Item | None], str | None] = lambda *_: None
    ) -> Count:
        return await self.journeys.carry(Journey(self.where, path, self.where, to, moving=True, refusal=refusal))


@pytest.fixture
def world(node: Node) -> World:
    return World(node)


@pytest.fixture
def before_placing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[object]]], None]:
    """Let something happen within the next transaction that places files, right before it does."""
    place = Tree.put_files

    def arrange(happening: Callable[[], Awaitable[object]]) -> None:
        async def interrupted(tree: Tree, *arguments: object, **more: object) -> list[Item]:
            monkeypatch.setattr(Tree, "put_files", place)
            await happening()
            return await place(tree, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Tree, "put_files", interrupted)

    return arrange


BeforePlacing = Callable[[Callable[[], Awaitable[object]]], None]


async def test_whoever_may_not_delete_does_not_replace_what_was_deployed_a_moment_ago(
    world: World, before_placing: BeforePlacing
) -> None:
    one, two = (world.node.grant(name, "libs", rights=Action.DEPLOY) for name in ("one", "two"))
    before_placing(lambda: world.put("a.txt", b"first", one))
    with pytest.raises(Overwriting):
        await world.put("a.txt", b"second", two)
    assert await world.get("a.txt") == b"first"


async def test_a_move_leaves_out_what_would_replace_a_file_that_came_a_moment_ago(
    world: World, before_placing: BeforePlacing
) -> None:
    await world.put("a/1.txt", b"moves")
    before_placing(lambda: world.put("b/1.txt", b"stays"))
    count = await world.carry("a", "b", lambda item, path, there: None if there is None else f"{path} is there")
    assert (count.left_out, count.reasons) == (1, ["b/1.txt is there"])
    assert (await world.get("a/1.txt"), await world.get("b/1.txt")) == (b"moves", b"stays")


async def test_a_deploy_over_a_file_that_is_being_moved_comes_after_the_move(
    world: World, before_placing: BeforePlacing
) -> None:
    await world.put("a.txt", b"old")
    deploys: list[asyncio.Task[None]] = []

    async def begin() -> None:
        deploys.append(asyncio.create_task(world.put("a.txt", b"new")))
        await done_or_waiting(world.node.database, deploys[0])

    before_placing(begin)
    await world.carry("a.txt", "b.txt")
    await deploys[0]
    assert (await world.get("a.txt"), await world.get("b.txt")) == (b"new", b"old")


async def test_a_file_that_is_placed_while_its_folder_is_removed_never_stays_without_it(world: World) -> None:
    node, placed, commit = world.node, asyncio.Event(), asyncio.Event()
    await world.put("f/g/old", b"x")
    held = await find(node.database, world.repository.id, "f/g/old")
    assert held is not None
    assert held.blob_id is not None
    file = NewFile("new", held.blob_id, held.size)

    async def work(tx: Tx) -> None:
        await node.tree.put_files(tx, world.where, "f/g", [file])
        placed.set()
        await commit.wait()

    placing = asyncio.create_task(node.database.transact(work))
    await placed.wait()
    removing = asyncio.create_task(world.branches.remove(world.where, "f"))
    await done_or_waiting(node.database, removing)
    commit.set()
    await placing
    assert await removing == 4
    assert await node.count("item") == 0
