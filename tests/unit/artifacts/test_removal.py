"""What comes while something is deleted, or taken out of the trash can; on both engines."""

from typing import Any

import pytest

from entrepot.access.actions import Action
from entrepot.access.permissions import Rules
from entrepot.artifacts.address import parse
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.removal import Removal
from entrepot.artifacts.retention import TrashRetention
from entrepot.errors import Denied
from entrepot.repositories.granted import Granted
from tests.stores import write
from tests.unit.artifacts.test_races import World
from tests.world import Node


class Settings:
    """The settings of the trash can."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def one(self, _: str) -> dict[str, object]:
        return {"enabled": self._enabled}


@pytest.mark.parametrize("trash", [False, True])
async def test_a_deletion_leaves_what_its_caller_may_not_delete_and_came_a_moment_ago(
    node: Node, monkeypatch: pytest.MonkeyPatch, trash: bool
) -> None:
    world = World(node)
    await node.create("can", package_type="generic")
    ann = node.grant("ann", "libs", "d/mine*", rights=Action.READ | Action.DELETE | Action.DEPLOY)
    await world.put("d/mine", b"1")
    removal = Removal(
        node.database,
        world.branches,
        world.journeys,
        find_repository=lambda _: node.repositories.get("can"),
        documents=Settings(trash),  # type: ignore[arg-type]
    )
    judge = Removal._all_may_go

    async def judged(self: Removal, *words: Any) -> bool:
        may = await judge(self, *words)
        await world.put("d/theirs", b"2")
        return may

    monkeypatch.setattr(Removal, "_all_may_go", judged)
    granted = Granted(ann, Rules(node.rules), "libs", world.repository, (world.repository,))
    with pytest.raises(Denied, match="d/theirs"):
        await removal.remove(granted, parse("d"))
    assert await world.get("d/theirs") == b"2"


async def test_retention_leaves_a_file_that_was_deleted_again_a_moment_ago(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(node)  # whose repository is the trash can
    for path in ("x/a", "x/b"):
        await world.put(path, b"old")
    await write(node.database, "UPDATE item SET updated = 1 WHERE kind = 1")
    remove_file = Branches.remove_file

    async def meanwhile(self: Branches, *words: Any, **more: Any) -> bool:
        monkeypatch.setattr(Branches, "remove_file", remove_file)
        await world.put("x/b", b"deleted again")
        return await remove_file(self, *words, **more)

    monkeypatch.setattr(Branches, "remove_file", meanwhile)
    assert await TrashRetention(node.database, world.branches, lambda _: world.repository).round() == 1
    assert (await world.get("x/a"), await world.get("x/b")) == (None, b"deleted again")
