"""The searches over builds, over HTTP, on both engines."""

from typing import Any

import httpx
import pytest

from tests.unit.search.golden import digest

DEPENDENCY = "/artifactory/api/search/dependency"
ARTIFACTS = "/artifactory/api/search/buildArtifacts"


async def made(http: httpx.AsyncClient, **wanted: Any) -> list[str]:
    answer = await http.post(ARTIFACTS, json={"buildName": "app", **wanted})
    assert answer.status_code == 200, answer.text
    return [one["downloadUri"].partition("/artifactory/")[2] for one in answer.json()["results"]]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_builds_are_found_by_what_they_used(http: httpx.AsyncClient, algorithm: str) -> None:
    answer = await http.get(f"{DEPENDENCY}?{algorithm}={digest(algorithm, 'c').hex().upper()}")
    assert answer.headers["content-type"] == "application/vnd.org.jfrog.artifactory.search.DependencyBuilds+json"
    (one,) = answer.json()["results"]
    assert one["uri"].endswith("/artifactory/api/build/app/1")
    assert (await http.get(f"{DEPENDENCY}?{algorithm}={digest(algorithm, 'a').hex()}")).json() == {"results": []}


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        ({"buildNumber": "1"}, ["libs/org/a.jar"]),
        ({"buildNumber": "1", "repos": ["ext"]}, ["ext-cache/org/a.jar"]),
        ({"buildNumber": 2}, ["libs/org/b.jar"]),
        ({"buildNumber": "LATEST"}, ["libs/org/b.jar"]),
        ({"buildStatus": "released"}, ["libs/org/b.jar"]),
        ({"buildNumber": "2", "buildRepo": "artifactory-build-info"}, ["libs/org/b.jar"]),
        ({"buildNumber": "1", "mappings": [{"input": "libs/(.+)/a\\.jar"}]}, ["libs/org/a.jar"]),
        (
            {"buildNumber": "1", "mappings": [{"input": "none"}, {"input": "libs:.*", "output": "x"}]},
            ["libs/org/a.jar"],
        ),
    ],
)
async def test_what_a_build_has_made_is_found_once(
    http: httpx.AsyncClient, wanted: dict[str, Any], paths: list[str]
) -> None:
    assert await made(http, **wanted) == paths


async def test_the_copy_that_carries_the_build_s_name_comes_before_others(http: httpx.AsyncClient) -> None:
    await http.put("/artifactory/api/repositories/out", json={"rclass": "local", "packageType": "generic"})
    copied = await http.post("/artifactory/api/copy/libs/org/b.jar?to=/out/b.jar")
    assert copied.status_code == 200, copied.text
    assert await made(http, buildNumber="2") == ["libs/org/b.jar"]
    await http.put("/artifactory/api/storage/out/b.jar?properties=build.name=app;build.number=2")
    assert await made(http, buildNumber="2") == ["out/b.jar"]
    await http.delete("/artifactory/api/repositories/out")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"buildNumber": "9"}, "Could not find any build artifacts for build 'app' number '9'"),
        ({"buildStatus": "none"}, "Could not find any build artifacts for build 'app' status 'none'"),
        ({"buildNumber": "1", "project": "p"}, "Could not find any build artifacts for build 'app' number '1'"),
        ({"buildNumber": "1", "repos": ["out"]}, "Could not find any build artifacts for build 'app' number '1'"),
        ({"buildName": "no", "buildNumber": "LATEST"}, "Could not find any build artifacts for build 'no' number 'LATEST'"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_told(http: httpx.AsyncClient, body: dict[str, Any], text: str) -> None:
    answer = await http.post(ARTIFACTS, json={"buildName": "app", **body})
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (404, text)


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"buildName": "app"}, {"buildName": "app", "buildNumber": "1", "buildStatus": "x"}, {"buildNumber": "1"},
        {"buildName": "", "buildNumber": "1"}, {"buildName": "a", "buildNumber": {}}, {"buildName": "a\0", "buildNumber": "1"},
        {"buildName": "a", "buildNumber": "\0"}, {"buildName": "a", "buildNumber": "1", "buildRepo": "\0", "repos": "x"},
        {"buildName": "a", "buildNumber": "1", "mappings": [{"output": "x"}]},
        {"buildName": "a", "buildNumber": "1", "mappings": [{"input": "(a+)+$"}]},
        {"buildName": "a", "buildNumber": "1", "mappings": [{"input": "a"}] * 101},
        {"buildName": "a", "buildNumber": "1", "repos": ["a"] * 101},
    ],
)  # fmt: skip
async def test_what_says_no_build_is_refused(http: httpx.AsyncClient, body: object) -> None:
    assert (await http.post(ARTIFACTS, json=body)).status_code == 400


async def test_builds_that_may_not_be_read_are_not_found(http: httpx.AsyncClient) -> None:
    person = {"name": "eve", "email": "eve@x.test", "password": "Rosebud-1941"}
    assert (await http.put("/artifactory/api/security/users/eve", json=person)).status_code == 201
    eve = httpx.BasicAuth("eve", "Rosebud-1941")
    found = await http.get(f"{DEPENDENCY}?sha1={digest('sha1', 'c').hex()}", auth=eve)
    assert found.json() == {"results": []}
    asked = {"buildName": "app", "buildNumber": "1"}
    assert (await http.post(ARTIFACTS, json=asked, auth=eve)).status_code == 404
