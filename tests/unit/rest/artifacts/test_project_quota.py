"""The storage quota of a project, over HTTP, on both engines."""

from collections.abc import AsyncIterator

import httpx
import pytest

from entrepot.repositories import project_quota
from tests.unit.rest.artifacts.filling import GIB, KNOWN, LARGE, PROJECTS, fill, project
from tests.unit.rest.artifacts.test_images import docker


async def unannounced() -> AsyncIterator[bytes]:
    yield b"x"


async def statuses(http: httpx.AsyncClient, repo: str) -> list[int]:
    """What is answered to whoever brings bytes, in all ways in which they can be brought."""
    asked = [
        await http.put(f"/artifactory/{repo}/small", content=b"x"),
        await http.post(f"/artifactory/api/v1/uploads/create?repoKey={repo}&repoPath=large"),
        await http.post("/v2/docker-local/app/blobs/uploads/"),
    ]
    return [one.status_code for one in asked]


async def test_a_project_takes_in_no_more_than_its_quota(http: httpx.AsyncClient, repo: str) -> None:
    full = {**await project(http, "full", repo, "docker-local", gib=2), "storage_quota_bytes": GIB}
    assert await statuses(http, repo) == [201, 200, 202]
    await fill(http, repo)

    await http.put(f"{PROJECTS}/full", json=full)
    assert await statuses(http, repo) == [413] * 3
    refused = await http.put(f"/artifactory/{repo}/small", content=b"x")
    assert "The storage quota of the project 'full' is used up" in refused.json()["errors"][0]["message"]
    await http.put(f"{PROJECTS}/full", json={**full, "soft_limit": True})
    assert await statuses(http, repo) == [201, 200, 202]
    await http.delete(f"/artifactory/{repo}/1")
    await http.put(f"{PROJECTS}/full", json={**full, "soft_limit": False})
    assert await statuses(http, repo) == [201, 200, 202]
    assert (
        await http.put(f"/artifactory/{repo}/again", content=LARGE)
    ).status_code == 413  # what came meanwhile counts
    await http.put(f"{PROJECTS}/full", json={**full, "storage_quota_bytes": -1})
    assert (await http.put(f"/artifactory/{repo}/again", content=LARGE)).status_code == 201
    await http.delete(f"{PROJECTS}/_/attach/repositories/docker-local")


async def test_what_is_here_already_counts_for_a_project_that_gets_it(http: httpx.AsyncClient, repo: str) -> None:
    await project(http, "tight", repo)
    assert (await http.put(f"/artifactory/{repo}/0", content=LARGE)).status_code == 201
    assert (await http.put(f"/artifactory/generic-local/{repo}", content=LARGE)).status_code == 201
    deployed = [(await http.put(f"/artifactory/{repo}/{number}", headers=KNOWN)).status_code for number in range(1, 17)]
    assert deployed == [201] * 15 + [413]

    begun = await http.post(f"/artifactory/api/v1/uploads/create?repoKey={repo}&repoPath=parts")
    ticket = begun.json()["token"]
    url = f"/artifactory/api/v1/uploads/part?partNumber=1&token={ticket}"
    assert (await http.put(url, content=b"x")).status_code == 413
    copied = [
        await http.post(f"/artifactory/api/copy/{source}?to=/{repo}/copied{more}")
        for source, more in ((f"{repo}/0", ""), (f"generic-local/{repo}", ""), (f"{repo}/0", "&dry=1"))
    ]
    assert [one.status_code for one in copied] == [413, 413, 200]
    assert "The storage quota of the project 'tight' is used up" in copied[0].text
    assert (await http.post(f"/artifactory/api/move/{repo}/0?to=/{repo}/moved")).status_code == 200


async def test_nobody_uses_up_or_sees_a_quota_by_what_he_says_that_he_will_bring(
    http: httpx.AsyncClient, repo: str
) -> None:
    await project(http, "calm", repo)
    nobody = httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
    parts, create = (
        "/artifactory/api/v1/uploads/part?partNumber=1&token=x",
        "/artifactory/api/v1/uploads/create?repoPath=a",
    )
    for key in (repo, "none"):
        answers = [
            await nobody.put(f"{parts}&repoKey={key}", headers={"content-length": str(GIB + 1)}),
            await nobody.post(f"{create}&repoKey={key}", headers={"content-length": str(GIB + 1)}),
        ]
        assert [one.status_code for one in answers] == [401, 401]
    ticket = (await http.post(f"{create}&repoKey={repo}")).json()["token"]
    urls = (f"/artifactory/{repo}/a", f"/artifactory/api/v1/uploads/part?partNumber=1&token={ticket}")
    for url in urls * 2:
        broken = await http.put(url, content=b"x" * 1000, headers={"content-length": str(GIB - 10_000)})
        assert broken.status_code == 400
    assert (await http.put(f"/artifactory/{repo}/a", content=b"x")).status_code == 201
    assert (await http.put(f"/artifactory/{repo}/b", headers={"content-length": str(GIB + 1)})).status_code == 413


async def test_what_arrives_beyond_the_quota_is_refused_on_its_way(http: httpx.AsyncClient, repo: str) -> None:
    await project(http, "late", repo)
    await fill(http, repo)

    assert (await http.put(f"/artifactory/{repo}/more", content=unannounced())).status_code == 413


async def test_a_full_project_is_told_as_such_whatever_is_sent_in_chunks(http: httpx.AsyncClient, repo: str) -> None:
    key = await docker(http, repo)
    await project(http, "told", repo, key)
    session = (await http.post(f"/v2/{key}/app/blobs/uploads/")).headers["location"]
    await fill(http, repo)

    refused = [
        await http.patch(session, content=unannounced()),
        await http.put(f"/v2/{key}/app/manifests/1.0", content=unannounced()),
        await http.put(f"/artifactory/{repo}/0.sha1", content=unannounced()),
    ]
    assert [one.status_code for one in refused] == [413] * 3
    assert all("The storage quota of the project 'told' is used up" in one.text for one in refused)


async def test_parts_of_a_file_count_until_they_are_thrown_away(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await project(http, "parts", repo)
    assert (await http.put(f"/artifactory/{repo}/0", content=LARGE)).status_code == 201
    for number in range(1, 15):
        assert (await http.put(f"/artifactory/{repo}/{number}", headers=KNOWN)).status_code == 201

    begun = await http.post(f"/artifactory/api/v1/uploads/create?repoKey={repo}&repoPath=parts")
    ticket = begun.json()["token"]
    part = f"/artifactory/api/v1/uploads/part?token={ticket}&partNumber="
    assert (await http.put(f"{part}1", content=LARGE)).status_code == 200
    monkeypatch.setattr(project_quota, "_FRESH", -1.0)  # each count is anew, as after a minute
    for url in (f"{part}2", f"/artifactory/{repo}/small"):
        assert (await http.put(url, content=b"x")).status_code == 413
    bearer = httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
    given_up = await bearer.post("/artifactory/api/v1/uploads/abort", headers={"authorization": f"Bearer {ticket}"})
    assert given_up.status_code == 204
    assert (await http.put(f"/artifactory/{repo}/small", content=b"x")).status_code == 201
