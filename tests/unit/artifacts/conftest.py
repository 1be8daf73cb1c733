from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stores import Engine, postgres_engine, postgres_server  # noqa: F401
from tests.world import Node
from tests.world import node as open_node


@pytest.fixture
async def node(postgres_engine: Engine, tmp_path: Path) -> AsyncIterator[Node]:  # noqa: F811
    """A node with a repository for files, `libs`, where transactions run beside each other."""
    home = tmp_path / "home"
    async with open_node(postgres_engine.new(home), home) as made:
        await made.create("libs", package_type="generic")
        yield made
