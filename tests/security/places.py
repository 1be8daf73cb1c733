"""Where routes are asked: the application in this process and servers of several workers, on both databases."""

import asyncio
import base64
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from entrepot.messages import Row
from entrepot.settings import Settings
from entrepot.worker import build
from tests.parts.entrepot import Entrepot, entrepot
from tests.security.expectations import CALLERS, PATHS
from tests.served import PASSWORD, client_of, prepared, settings_of

PLACES = ("sqlite", "postgresql", "sqlite, 3 workers", "postgresql, 3 workers")


@dataclass
class Place:
    """The running application, and what a test asks it."""

    rows: tuple[Row, ...]
    admin: httpx.AsyncClient
    served: bool = False  # by several workers, over connections
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def status(self, row: Row, headers: dict[str, str], *, name: str = "none", project: str = "app") -> int:
        """Ask a route for something that is not there, or that does no harm."""
        words = {**PATHS, "name": PATHS["name"] if row.face == "oci" else name}
        if row.operation.startswith("projects.") and "{key}" in row.path:
            words["key"] = project
        if row.operation == "artifacts.deploy":
            words["path"] = f"new/{next(self.numbers)}.txt"
        url = re.sub(r"\{([a-z_]+)\*?\}", lambda word: words[word[1]], row.path)
        unsafe = row.method in {"PUT", "POST", "PATCH"}
        more = {"content": b"{}"} if unsafe else {}
        client = httpx.AsyncClient(transport=self.admin._transport, base_url=self.admin.base_url, headers=headers)
        return (await client.request(row.method, url, **more)).status_code

    async def session(self, name: str) -> dict[str, str]:
        client = httpx.AsyncClient(transport=self.admin._transport, base_url=self.admin.base_url)
        reply = await client.post("/ui/api/v1/ui/auth/login", json={"user": name, "password": PASSWORD})
        assert reply.status_code == 200, reply.text
        return {"cookie": reply.headers["set-cookie"].partition(";")[0], "x-csrf-token": reply.json()["csrfToken"]}

    async def token(self, **wish: object) -> dict[str, str]:
        made = await self.admin.post("/access/api/v1/tokens", json=wish)
        assert made.status_code == 200, made.text
        told: dict[str, str] = made.json()
        return told


@dataclass(frozen=True)
class Site:
    """An instance with its callers: in this process by `settings`, and as a server where there is one."""

    settings: Settings
    server: Entrepot | None = None

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Give what a test asks."""
        async with build(self.settings) as application:
            rows = application._table.rows
            if self.server is None:
                async with client_of(application) as admin:
                    yield Place(rows, admin)
                return
        # Each request on a connection of its own, so that no worker has them all.
        transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
        async with httpx.AsyncClient(
            transport=transport, base_url=self.server.url, auth=("admin", PASSWORD), timeout=60
        ) as admin:
            yield Place(rows, admin, served=True)


@pytest.fixture(scope="module", params=PLACES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database, _, workers = request.param.partition(", ")
    url = request.getfixturevalue("postgres_server").new_database() if database == "postgresql" else ""
    folder: Path = tmp_path_factory.mktemp("every")

    async def fill(one: Site) -> None:
        async with one.place() as place:
            await filled(place.admin)

    if not workers:
        found = Site(prepared(settings_of(folder / "home", url)))
        asyncio.run(fill(found))
        yield found
        return
    table = prepared(settings_of(folder / "table"))  # of which only the routes are taken
    environment = {"ENTREPOT_ADMIN_PASSWORD": PASSWORD, **({"ENTREPOT_DATABASE_URL": url} if url else {})}
    with entrepot(folder / "home", arguments=("--workers", "3"), environment=environment) as server:
        found = Site(table, server)
        asyncio.run(fill(found))
        yield found


@pytest.fixture
async def place(site: Site) -> AsyncIterator[Place]:
    async with site.place() as found:
        yield found


async def filled(admin: httpx.AsyncClient) -> None:
    """Make the callers, what they hold, and the file that they ask for."""
    for everyone in ("Anything", "Any%20Remote"):
        await admin.delete(f"/artifactory/api/security/permissions/{everyone}")
    for key, kind in (("libs", "generic"), ("images", "docker")):
        await admin.put(f"/artifactory/api/repositories/{key}", json={"rclass": "local", "packageType": kind})
    await admin.put("/artifactory/api/security/groups/crew", json={"name": "crew"})
    await admin.post("/access/api/v1/projects", json={"project_key": "app", "display_name": "App"})
    for name, letters in CALLERS.items():
        user = {"email": f"{name}@x.test", "password": PASSWORD, "groups": ["crew"] if name == "member" else []}
        assert (await admin.put(f"/artifactory/api/security/users/{name}", json=user)).status_code == 201
        if name == "chief" or (not letters and name != "narrow"):
            continue
        principals = {"groups": {"crew": ["r"]}} if name == "member" else {"users": {name: [*(letters or "rwndm")]}}
        target = {"name": name, "repositories": ["libs", "images"], "principals": principals,
                  "includesPattern": "mine/**" if name == "narrow" else "**"}  # fmt: skip
        answer = await admin.put(f"/artifactory/api/security/permissions/{name}", json=target)
        assert answer.status_code == 201, answer.text
    chief = {"name": "chief", "roles": ["Project Admin"]}
    assert (await admin.put("/access/api/v1/projects/app/users/chief", json=chief)).status_code == 200
    for key in ("libs", "images"):
        assert (await admin.put(f"/access/api/v1/projects/_/attach/repositories/{key}/app")).status_code == 204
    assert (await admin.put("/artifactory/libs/a/1.txt", content=b"one")).status_code == 201
    yaml = {"content-type": "application/yaml"}
    text = "folderDownloadConfig: {enabled: true}"
    assert (await admin.patch("/artifactory/api/system/configuration", content=text, headers=yaml)).status_code == 200


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def credentials(place: Place, name: str) -> dict[str, dict[str, str]]:
    """All ways in which somebody may come."""
    told = await place.token(username=name, include_reference_token=True)
    client = httpx.AsyncClient(transport=place.admin._transport, base_url=place.admin.base_url, headers=basic(name))
    key = (await client.put("/artifactory/api/security/apiKey")).json()["apiKey"]
    encrypted = (await client.get("/artifactory/api/security/encryptedPassword")).text
    return {
        "basic": basic(name), "jwt": bearer(told["access_token"]), "reference": {"X-JFrog-Art-Api": told["reference_token"]},
        "token as password": basic(name, told["access_token"]), "api key": {"X-JFrog-Art-Api": key},
        "key as password": basic(name, key), "encrypted": basic(name, encrypted), "session": await place.session(name),
    }  # fmt: skip
