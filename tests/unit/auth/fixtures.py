"""Fixtures for every test that needs accounts; a conftest imports them by name."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import SigningKey
from tests.unit.auth.support import Clock, Clocked, copied, epochs_of, migrated_home, migrated_postgres, opened


@pytest.fixture(scope="session")
def home_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with migrated_postgres() as url:
        yield url


@pytest.fixture
def home(home_template: Path, tmp_path: Path) -> Path:
    return copied(home_template, tmp_path / "home")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""


@pytest.fixture
async def database(home: Path, database_url: str) -> AsyncIterator[Clocked]:
    async with opened(home, database_url) as made:
        yield made


@pytest.fixture
def epochs(home: Path) -> Iterator[Epochs]:
    with epochs_of(home) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def key() -> SigningKey:
    made = RSAKey.generate_key(2048)
    return SigningKey(made.thumbprint(), made)
