import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from entrepot.settings import Settings
from tests.served import prepared, served, settings_of
from tests.stores import postgres_engine, postgres_server
from tests.unit.rest.artifacts.test_images import docker

__all__ = ["postgres_engine", "postgres_server"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home: Path = tmp_path_factory.mktemp("artifacts") / "home"
    url = request.getfixturevalue("postgres_server").new_database() if request.param == "postgresql" else ""
    return prepared(settings_of(home, url))


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(settings) as client:
        yield client


@pytest.fixture
async def pair(http: httpx.AsyncClient, repo: str) -> tuple[str, str]:
    """Two local Docker repositories."""
    return await docker(http, repo), await docker(http, f"o{repo}")


_NUMBERS = iter(range(1, 1_000_000))


@pytest.fixture
async def repo(http: httpx.AsyncClient) -> str:
    """A new local repository."""
    key = f"libs{next(_NUMBERS)}-{id(asyncio.get_running_loop()) % 1000}"
    made = await http.put(f"/artifactory/api/repositories/{key}", json={"rclass": "local", "packageType": "generic"})
    assert made.status_code == 200, made.text
    return key
