"""Modules and versions by the paths of files: layouts, the order of versions, the searches, and paths that leave the version open."""

import random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.repositories.layouts import Layout, Layouts, Module
from entrepot.repositories.versions import order

API = "/artifactory/api/search"


@pytest.mark.parametrize(
    ("layout", "path", "module"),
    [
        ("maven-2-default", "com/acme/app/1.0/app-1.0.jar", Module("com.acme", "app", "1.0", extension="jar")),
        ("maven-2-default", "com/acme/app/1.0/app-1.0.tar.gz", Module("com.acme", "app", "1.0", extension="tar.gz")),
        (
            "maven-2-default",
            "com/acme/app/1.0/app-1.0-sources.jar",
            Module("com.acme", "app", "1.0", "", "sources", "jar"),
        ),
        ("maven-2-default", "com/acme/app/1.0-rc-1/app-1.0-rc-1.pom", Module("com.acme", "app", "1.0-rc-1")),
        (
            "maven-2-default",
            "a/app/1-SNAPSHOT/app-1-20180601.101010-7.jar",
            Module("a", "app", "1", "20180601.101010-7", "", "jar"),
        ),
        ("maven-2-default", "com/acme/app/1.0/other-1.0.jar", None),
        ("maven-2-default", "com/acme/app/1.0/app-2.0.jar", None),
        ("maven-2-default", "app.jar", None),
        ("simple-default", "com/acme/app/app-1.0.tar.gz", Module("com.acme", "app", "1.0", extension="tar.gz")),
        ("ivy-default", "org.x/mod/1.0/jars/mod-1.0.jar", Module("org.x", "mod", "1.0", extension="jar")),
        ("npm-default", "acme/app/app-1.0.0.tgz", Module("acme", "app", "1.0.0")),
        ("nuget-default", "acme/Newton/Newton.1.2.3.nupkg", Module("acme", "Newton", "1.2.3")),
        ("go-default", "github.com/a/b/@v/v1.2.3.zip", Module("github.com.a", "b", "1.2.3")),
        ("puppet-default", "acme/ntp/acme-ntp-1.0.0.tar.gz", Module("acme", "ntp", "1.0.0")),
        ("sbt-default", "org/mod/scala_2.12/sbt_1.0/1.1/jars/mod.jar", Module("org", "mod", "1.1", extension="jar")),
        ("none", "com/acme/app/app-1.0.jar", Module("com.acme", "app", "1.0", extension="jar")),
        (
            "simple-default",
            "com/acme/app/1.0/app-1.0.jar",
            Module("com.acme", "app", "1.0", extension="jar"),
        ),  # Maven's, anywhere
    ],
)
def test_a_path_says_what_it_is(layout: str, path: str, module: Module | None) -> None:
    assert Layouts(dict).read(layout, path) == module


def test_a_layout_of_ones_own_goes_before_a_shipped_one() -> None:
    own = {
        "simple-default": {"artifactPathPattern": "[org]/[module]_[baseRev].[ext]"},
        "broken": {"artifactPathPattern": "[a<(>]"},
    }
    layouts = Layouts(lambda: own)
    assert layouts.read("simple-default", "acme/app_1.0.zip") == Module("acme", "app", "1.0", extension="zip")
    assert layouts.read("broken", "acme/app_1.0.zip") is None


@given(st.text(max_size=80))
def test_no_path_breaks_the_reading(path: str) -> None:
    for layout in ("maven-2-default", "simple-default", "conan-default"):
        Layouts(dict).read(layout, path)
    Layout("x", "[org]/(((").read(path)


def test_versions_are_in_the_order_of_maven() -> None:
    wanted = [
        "1.0-alpha-1",
        "1.0-beta",
        "1.0-m2",
        "1.0-rc1",
        "1.0-SNAPSHOT",
        "1.0",
        "1.0-sp",
        "1.0-xyz",
        "1.0.1",
        "1.1",
        "1.9",
        "1.10",
        "2-rc1",
        "2",
        "10",
    ]
    mixed = random.sample(wanted, len(wanted))
    assert sorted(mixed, key=order) == wanted
    for one, other in (("1", "1.0.0"), ("1.0-ga", "1"), ("1.0-alpha1", "1-alpha-1"), ("1.0-CR1", "1.0-rc1")):
        assert order(one) == order(other)


@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_text_has_its_place(texts: list[str]) -> None:
    keys = [order(text) for text in texts]
    assert all((a < b) + (a == b) + (a > b) == 1 for a in keys for b in keys)
    order("9" * 5000)


@pytest.fixture
async def maven(http: httpx.AsyncClient) -> httpx.AsyncClient:
    if (await http.head("/artifactory/api/storage/vers")).status_code != 200:
        for key, kind in (("vers", "maven"), ("flat", "generic")):
            await http.put(f"/artifactory/api/repositories/{key}", json={"rclass": "local", "packageType": kind})
        for version in ("1.0", "1.9", "1.10", "2.0-rc1"):
            await http.put(f"/artifactory/vers/com/acme/lib/{version}/lib-{version}.jar", content=version.encode())
        for stamp in ("20180601.101010-1", "20180602.101010-2"):
            await http.put(f"/artifactory/vers/com/acme/lib/2.0-SNAPSHOT/lib-2.0-{stamp}.jar", content=stamp.encode())
        await http.put("/artifactory/vers/com/acme/lib/maven-metadata.xml", content=b"<metadata/>")
        for version in ("0.9", "1.2"):
            await http.put(f"/artifactory/flat/acme/tool/tool-{version}.zip", content=version.encode())
    return http


async def latest(http: httpx.AsyncClient, query: str) -> tuple[int, str]:
    reply = await http.get(f"{API}/latestVersion?{query}")
    return reply.status_code, reply.text if reply.status_code == 200 else reply.json()["errors"][0]["message"]


async def test_versions_are_listed_the_newest_first(maven: httpx.AsyncClient) -> None:
    async def listed(query: str) -> list[tuple[str, bool]]:
        told = (await maven.get(f"{API}/versions?{query}")).json()["results"]
        return [(one["version"], one["integration"]) for one in told]

    everything = [
        ("2.0-20180602.101010-2", True), ("2.0-20180601.101010-1", True), ("2.0-rc1", False), ("1.10", False), ("1.9", False),
        ("1.0", False),
    ]  # fmt: skip
    assert await listed("g=com.acme&a=lib") == everything
    assert await listed("g=com.acme&a=lib&v=1.*") == [("1.10", False), ("1.9", False), ("1.0", False)]
    assert await listed("g=com.acme&a=lib&v=2.0-SNAPSHOT") == everything[:2]
    assert await listed("g=acme&a=tool&repos=flat") == [("1.2", False), ("0.9", False)]
    for query, status in (
        ("g=com.acme&a=none", 404),
        ("g=com.acme", 400),
        ("a=lib", 400),
        ("g=com.acme&a=lib&repos=flat", 404),
    ):
        assert (await maven.get(f"{API}/versions?{query}")).status_code == status, query


async def test_the_latest_version_is_a_release_unless_an_integration_is_asked_for(maven: httpx.AsyncClient) -> None:
    assert await latest(maven, "g=com.acme&a=lib") == (200, "2.0-rc1")
    assert await latest(maven, "g=com.acme&a=lib&v=2.0-SNAPSHOT") == (200, "2.0-20180602.101010-2")
    assert await latest(maven, "g=com.acme&a=lib&v=1.*") == (200, "1.10")
    assert await latest(maven, "g=com.acme&a=lib&v=1.9") == (200, "1.9")
    assert await latest(maven, "g=com.acme&a=lib&v=3") == (404, "Latest release version not found")
    assert await latest(maven, "g=com.acme&a=lib&v=9-SNAPSHOT") == (404, "Latest integration version not found")
    assert await latest(maven, "g=com.acme&a=none") == (404, "Unable to find artifact versions")


async def test_a_path_may_leave_the_version_open(maven: httpx.AsyncClient) -> None:
    async def got(path: str) -> tuple[int, bytes]:
        reply = await maven.get(f"/artifactory/{path}")
        return reply.status_code, reply.content if reply.status_code == 200 else b""

    assert await got("vers/com/acme/lib/[RELEASE]/lib-[RELEASE].jar") == (200, b"2.0-rc1")
    assert await got("vers/com/acme/lib/%5BINTEGRATION%5D/lib-%5BINTEGRATION%5D.jar") == (200, b"20180602.101010-2")
    assert await got("flat/acme/tool/tool-[RELEASE].zip") == (200, b"1.2")
    assert (await got("vers/com/acme/lib/[RELEASE]/lib-[RELEASE].war"))[0] == 404
    assert (await got("vers/[RELEASE]"))[0] == 404


async def test_coordinates_are_read_by_the_layout(maven: httpx.AsyncClient) -> None:
    async def found(query: str) -> int:
        return len((await maven.get(f"{API}/gavc?{query}&repos=vers,flat")).json()["results"])

    assert await found("g=com.acme&a=lib") == 6
    assert await found("g=com.acme&a=lib&v=2.0-SNAPSHOT") == 2
    assert await found("g=acme&a=tool&v=1.2") == 1
    assert await found("g=*acme&v=1.*") == 4
    assert await found("a=li") == 0


async def test_versions_are_for_known_users_and_of_readable_files(maven: httpx.AsyncClient) -> None:
    await maven.put(
        "/artifactory/api/security/users/ver", json={"email": "v@x.test", "password": "Password1", "groups": []}
    )
    body = {"repositories": ["vers"], "includesPattern": "com/acme/lib/1.0/**", "principals": {"users": {"ver": ["r"]}}}
    await maven.put("/artifactory/api/security/permissions/ver", json={"name": "ver", **body})
    await maven.delete("/artifactory/api/security/permissions/Anything")
    client = httpx.AsyncClient(transport=maven._transport, base_url=maven.base_url, auth=("ver", "Password1"))
    assert (await client.get(f"{API}/latestVersion?g=com.acme&a=lib")).text == "1.0"
    assert (await client.get("/artifactory/vers/com/acme/lib/1.0/lib-[RELEASE].jar")).content == b"1.0"
    bare = httpx.AsyncClient(transport=maven._transport, base_url=maven.base_url)
    assert (await bare.get(f"{API}/latestVersion?g=com.acme&a=lib")).status_code == 401
