"""One server for all client tests of a pytest worker.

`ENTREPOT_TEST_URL=http://user:password@127.0.0.1:PORT` runs the same tests against a server that is there already,
such as a peer; what only Entrepot has is then skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.registry import SECOND, Registry
from tests.parts.entrepot import Entrepot, entrepot
from tests.parts.postgres import postgres
from tests.parts.processes import short_folder

LOG_BYTES = 20_000


@pytest.fixture(scope="session")
def server() -> Iterator[Entrepot | None]:
    """Our own Entrepot, or None when the tests run against another server."""
    if "ENTREPOT_TEST_URL" in os.environ:
        yield None
        return
    with short_folder("home") as folder, entrepot(folder / "home") as running:
        yield running


@pytest.fixture(scope="session")
def registry(server: Entrepot | None) -> Registry:
    """The registry under test, with its administrator."""
    if server is not None:
        return Registry(server.url, server.user, server.password, is_entrepot=True)
    url = urlsplit(os.environ["ENTREPOT_TEST_URL"])
    return Registry(f"http://{url.hostname}:{url.port}", url.username or "", url.password or "", is_entrepot=False)


@pytest.fixture(scope="session")
def on_postgres() -> Iterator[Registry]:
    """The same on PostgreSQL, with three workers."""
    with postgres() as database, short_folder("home") as folder:
        environment = {"ENTREPOT_DATABASE_URL": database.new_database()}
        with entrepot(folder / "home", arguments=("--workers", "3"), environment=environment) as server:
            yield Registry(server.url, server.user, server.password, is_entrepot=True)


@pytest.fixture(scope="session")
def second(registry: Registry) -> str:
    """The key of a second local Docker repository."""
    registry.create_repository(SECOND)
    return SECOND


@pytest.fixture
def entrepot_only(registry: Registry) -> None:
    """Skip where a peer stands in for Entrepot."""
    if not registry.is_entrepot:
        pytest.skip("only Entrepot has this")


@pytest.fixture
def docker_config(tmp_path: Path, registry: Registry) -> Path:
    """A folder with the Docker configuration in which the account is signed in; most clients read it."""
    return registry.sign_in(tmp_path / "docker-config")


@pytest.fixture(autouse=True)
def server_log(request: pytest.FixtureRequest, server: Entrepot | None) -> Iterator[None]:
    """Show what the server printed during a test that fails."""
    start = server.log.stat().st_size if server is not None else 0
    yield
    if server is not None:
        printed = server.server.tail(min(LOG_BYTES, server.log.stat().st_size - start))
        request.node.add_report_section("teardown", "entrepot log", printed)
