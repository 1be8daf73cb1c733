from collections.abc import Iterator

import pytest

from tests.parts.slapd import Slapd, slapd
from tests.unit.auth.fixtures import clock, database, database_url, epochs, home, home_template, key, postgres_url

__all__ = ["clock", "database", "database_url", "epochs", "home", "home_template", "key", "postgres_url"]


@pytest.fixture(scope="module")
def slapd_server() -> Iterator[Slapd]:
    with slapd() as running:
        yield running
