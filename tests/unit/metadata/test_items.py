"""The tree by itself, on both engines."""

import pytest

from entrepot.metadata.database import Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import BATCH, Item, NewFile, NoNameForFile
from entrepot.metadata.tree import Tree
from tests.stores import value
from tests.world import Node


class Recorded:
    """A projection that remembers what it was told."""

    def __init__(self) -> None:
        self.here: set[str] = set()

    async def added(self, tx: Tx, where: Where, item: Item) -> None:
        self.here.add(item.path)

    async def removed(self, tx: Tx, where: Where, item: Item) -> None:
        self.here.remove(item.path)


async def test_each_file_of_a_large_folder_that_is_renamed_is_told(node: Node) -> None:
    await node.upload("r/app", b"one")
    blob_id, repository, recorded = (
        await value(node.database, "SELECT id FROM blob"),
        node.repositories.get("r"),
        Recorded(),
    )
    assert repository is not None
    assert isinstance(blob_id, int)
    tree, where = Tree({"docker": recorded}), Where(repository.id, "r", "docker", "admin")
    files = [NewFile(f"{number:04}", blob_id, 3) for number in range(BATCH + 2)]
    for some in (files[:BATCH], files[BATCH:]):
        await node.database.transact(lambda tx, some=some: tree.put_files(tx, where, "old", some))  # type: ignore[misc]
    await node.database.transact(lambda tx: tree.rename_folder(tx, where, "old", "new"))
    assert recorded.here == {f"new/{file.name}" for file in files}
    assert await value(node.database, "SELECT COUNT(*) FROM event WHERE kind = 'moved'") == len(files) + 1
    last = "SELECT before FROM event WHERE kind = 'moved' ORDER BY id DESC LIMIT 1"
    assert await value(node.database, last) == f'{{"path":"old/{files[-1].name}"}}'


async def test_folders_are_made_however_deep(node: Node) -> None:
    repository = node.repositories.get("r")
    assert repository is not None
    where = Where(repository.id, "r", "docker", "admin")
    for deep in ("/".join("d" * 700), "/".join("d" * 690 + "e" * 10)):
        await node.database.transact(lambda tx, deep=deep: node.tree.ensure_folder(tx, where, deep))  # type: ignore[misc]
    assert await node.count("item") == 710
    assert await value(node.database, "SELECT COUNT(*) FROM event WHERE kind = 'created'") == 710
    assert await value(node.database, "SELECT MAX(depth) FROM item") == 700


def test_no_file_is_made_for_the_root_of_a_repository() -> None:
    with pytest.raises(NoNameForFile):
        NewFile("", 1, 1)
