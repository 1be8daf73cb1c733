from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from entrepot.auth import entrance, passwords
from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import SigningKey
from tests.unit.auth.fixtures import clock, database, database_url, epochs, home, home_template, key, postgres_url
from tests.unit.auth.support import Clocked
from tests.unit.rest.security.support import PASSWORD, Directory, Site, populate

__all__ = ["clock", "database", "database_url", "epochs", "home", "home_template", "key", "postgres_url"]


CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
STAND_IN = CHEAP.hash("of nobody")


@pytest.fixture(scope="session")
def stored() -> str:
    return CHEAP.hash(PASSWORD)


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a password costs is proved elsewhere; here it would be most of the time."""
    monkeypatch.setattr(passwords, "_hasher", lambda: CHEAP)
    monkeypatch.setattr(
        passwords, "_stand_in", lambda: STAND_IN
    )  # and none that outlives this in the real one's memory


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Directory:
    """Who is asked beside the accounts; to be wanted before the site."""
    made = Directory()
    monkeypatch.setattr(entrance, "LdapSource", lambda *_: made)
    return made


@pytest.fixture
async def site(database: Clocked, epochs: Epochs, key: SigningKey, stored: str) -> AsyncIterator[Site]:
    made = Site(database, epochs, key, stored)
    await populate(made)
    yield made
    made.passwords.close()
    assert made.watcher.failures == []
