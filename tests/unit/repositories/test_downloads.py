"""Counts of downloads."""

import pytest

from entrepot.metadata.sql import sql
from entrepot.repositories.downloads import Downloads
from tests.stores import value
from tests.world import Node


@pytest.mark.parametrize("known", [True, False])
async def test_downloads_are_counted_and_survive_items_that_go(node: Node, known: bool) -> None:
    await node.push("r/app", "1.0", b"one")
    item = await value(node.database, "SELECT item_id FROM docker_manifest")
    assert isinstance(item, int)
    downloads = Downloads(node.database, node.database.now)
    for _ in range(3):
        downloads.count(item if known else item + 1000, "somebody")
    await downloads.flush()
    downloads.count(item, "else")
    await downloads.flush()
    row = await node.database.row(sql("SELECT downloads, last_downloaded_by FROM stat"))
    assert row is not None
    assert tuple(row) == (4 if known else 1, "else")
