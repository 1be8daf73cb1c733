"""A node on each engine, for the `conftest.py` of a room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stores import Engine
from tests.world import Node
from tests.world import node as open_node


@pytest.fixture
async def node(engine: Engine, tmp_path: Path) -> AsyncIterator[Node]:
    home = tmp_path / "home"
    async with open_node(engine.new(home), home) as made:
        yield made
