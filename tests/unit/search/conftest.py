from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from entrepot.metadata.open import open_database
from entrepot.settings import Settings
from tests.served import prepared, served, settings_of
from tests.stores import postgres_engine, postgres_server
from tests.unit.search.golden import fill

__all__ = ["postgres_engine", "postgres_server"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home: Path = tmp_path_factory.mktemp("search") / "home"
    url = request.getfixturevalue("postgres_server").new_database() if request.param == "postgresql" else ""
    made = prepared(settings_of(home, url))
    import asyncio

    asyncio.run(_filled(made))
    return made


async def _filled(settings: Settings) -> None:
    async with served(settings) as client:
        for key, body in (
            ("libs", {"rclass": "local", "packageType": "generic"}),
            ("ext", {"rclass": "remote", "packageType": "generic", "url": "http://far.test/"}),
            ("both", {"rclass": "virtual", "packageType": "generic", "repositories": ["libs", "ext"]}),
        ):
            answer = await client.put(f"/artifactory/api/repositories/{key}", json=body)
            assert answer.status_code == 200, answer.text
    database = await open_database(settings.home, settings.database_url)
    await fill(database)
    await database.close()


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(settings) as client:
        yield client
