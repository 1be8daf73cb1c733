"""What callers learn who may read a part of a repository only, and what repositories refuse everybody; on both engines."""

import hashlib

import httpx
import pytest

from entrepot.repositories.granted import Granted, Granter
from tests.unit.rest.artifacts.test_images import docker, pulls, push

PASSWORD = "Narrow-pass-1"


async def reader(
    http: httpx.AsyncClient, repo: str, *includes: str, excludes: tuple[str, ...] = (), may: tuple[str, ...] = ("read",)
) -> httpx.BasicAuth:
    """A user who may read, of this repository, what the patterns say; called again for another one, of both."""
    name = f"reader-{repo.partition('-')[0]}"
    user = {"name": name, "email": "r@example.org", "password": PASSWORD}
    assert (await http.put(f"/artifactory/api/security/users/{name}", json=user)).status_code in {200, 201}
    for everybody in ("Anything", "Any Remote"):
        await http.delete(f"/artifactory/api/v2/security/permissions/{everybody}")
    target = {
        "name": f"narrow-{repo}",
        "repo": {
            "include-patterns": includes, "exclude-patterns": excludes, "repositories": [repo],
            "actions": {"users": {name: may}},
        },
    }  # fmt: skip
    made = await http.put(f"/artifactory/api/v2/security/permissions/narrow-{repo}", json=target)
    assert made.status_code in {200, 201}, made.text
    return httpx.BasicAuth(name, PASSWORD)


async def put(http: httpx.AsyncClient, repo: str, *paths: str) -> None:
    for path in paths:
        made = await http.put(f"/artifactory/{repo}/{path}", content=f"{repo} {path}".encode())
        assert made.status_code == 201, made.text


async def test_the_newest_file_is_the_newest_that_the_caller_may_read(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "public/a.txt", "secret/plan.pdf")
    url, mine = f"/artifactory/api/storage/{repo}", await reader(http, repo, "public/**")
    for path in ("?lastModified", "/public?lastModified"):
        told = (await http.get(f"{url}{path}", auth=mine)).json()
        assert told["uri"].endswith("/public/a.txt")
    assert (await http.get(f"{url}?lastModified")).json()["uri"].endswith("/secret/plan.pdf")
    await put(http, repo, "public/b.txt")
    assert (await http.get(f"{url}?lastModified", auth=mine)).json()["uri"].endswith("/public/b.txt")
    nothing = await reader(http, repo, "other/**")
    assert (await http.get(f"{url}?lastModified", auth=nothing)).json()["uri"].endswith(repo)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/artifactory/{path}"),
        ("GET", "/artifactory/api/storage/{path}"),
        ("GET", "/artifactory/api/storage/{path}?stats"),
        ("GET", "/artifactory/api/storage/{path}?properties"),
        ("GET", "/artifactory/api/storage/{path}?list"),
        ("GET", "/artifactory/api/archive/download/{path}?archiveType=zip"),
        ("POST", "/artifactory/api/copy/{path}?to=/{repo}/copied.jar"),
        ("PROPFIND", "/artifactory/{path}"),
    ],
)
async def test_who_may_only_pass_by_a_file_is_told_the_same_whether_or_not_it_is_there(
    http: httpx.AsyncClient, repo: str, method: str, url: str
) -> None:
    await put(http, repo, "secret/there.jar", "secret/mine.jar")
    mine = await reader(http, repo, "**/mine.jar", "copied.jar", may=("read", "write"))
    answers = []
    for name in ("there.jar", "not.jar"):
        asked = url.format(path=f"{repo}/secret/{name}", repo=repo)
        answer = await http.request(method, asked, auth=mine)
        answers.append((answer.status_code, answer.text.replace(name, "")))
    assert answers[0][0] == 403
    assert answers[0] == answers[1]


async def test_the_latest_release_comes_from_where_the_caller_may_read_it(http: httpx.AsyncClient, repo: str) -> None:
    one, two, both = f"{repo}-1", f"{repo}-2", f"{repo}-v"
    for key in (one, two):
        await http.put(f"/artifactory/api/repositories/{key}", json={"rclass": "local", "packageType": "maven"})
        await put(http, key, "org/lib/1.4/lib-1.4.jar", "org/lib/1.5/lib-1.5.jar")
    virtual = {"rclass": "virtual", "packageType": "maven", "repositories": [one, two]}
    await http.put(f"/artifactory/api/repositories/{both}", json=virtual)
    await reader(http, one, "**", excludes=("**/1.5/**",))
    mine = await reader(http, two, "**")
    for version in ("1.5", "[RELEASE]"):
        for end in ("", ".sha1"):
            path = f"org/lib/{version}/lib-{version}.jar{end}"
            found = await http.get(f"/artifactory/{both}/{path}", auth=mine)
            expected = await http.get(f"/artifactory/{two}/org/lib/1.5/lib-1.5.jar{end}")
            assert (found.status_code, found.content) == (200, expected.content)


async def test_patterns_hide_an_image_by_its_tag_as_they_do_by_digest(http: httpx.AsyncClient, repo: str) -> None:
    key = await docker(http, repo)
    digest = await push(http, key, "1.0")
    await http.post(f"/artifactory/api/repositories/{key}", json={"excludesPattern": "app/**"})
    assert await pulls(http, key, "1.0") == await pulls(http, key, digest) == [404, 404]
    await http.post(f"/artifactory/api/repositories/{key}", json={"excludesPattern": ""})
    assert await pulls(http, key, "1.0") == [200, 200]


async def test_a_repository_that_is_blacked_out_serves_nothing_and_takes_nothing(
    http: httpx.AsyncClient, repo: str
) -> None:
    key = await docker(http, repo)
    virtual = {"rclass": "virtual", "packageType": "docker", "repositories": [key], "defaultDeploymentRepo": key}
    await http.put(f"/artifactory/api/repositories/{key}-v", json=virtual)
    await push(http, key, "1.0")
    await http.post(f"/artifactory/api/repositories/{key}", json={"blackedOut": True})
    for name in (key, f"{key}-v"):
        assert await pulls(http, name, "1.0") == [404, 404]
        refused = await http.post(f"/v2/{name}/app/blobs/uploads/")
        assert refused.status_code == 404
        assert "is blacked out" in refused.json()["errors"][0]["message"]
        assert (await http.get(f"/artifactory/{name}/app/1.0/manifest.json")).status_code == 404
    assert (await http.delete(f"/artifactory/{key}/app/1.0")).status_code == 204


@pytest.mark.parametrize(("may", "told"), [(("write",), {}), (("write", "annotate"), {"k": ["v"]})])
async def test_a_deploy_tells_the_properties_that_were_set(
    http: httpx.AsyncClient, repo: str, may: tuple[str, ...], told: dict[str, list[str]]
) -> None:
    user = await reader(http, repo, "**", may=may)
    detail = {"X-Result-Detail": "info, properties"}
    answer = await http.put(f"/artifactory/{repo}/a.txt;k=v", content=b"x", headers=detail, auth=user)
    assert (answer.status_code, answer.json()["properties"]) == (201, told)
    stored = await http.get(f"/artifactory/api/storage/{repo}/a.txt?properties")
    assert stored.json().get("properties", {}) == told


@pytest.mark.parametrize("how", ["copy", "move"])
async def test_copies_and_moves_take_properties_along_without_the_right_to_set_any(
    http: httpx.AsyncClient, repo: str, how: str
) -> None:
    await put(http, repo, "a.txt;k=v")
    user = await reader(http, repo, "**", may=("read", "write", "delete"))
    assert (await http.post(f"/artifactory/api/{how}/{repo}/a.txt?to=/{repo}/b.txt", auth=user)).status_code == 200
    stored = await http.get(f"/artifactory/api/storage/{repo}/b.txt?properties")
    assert stored.json()["properties"] == {"k": ["v"]}


async def test_copies_in_repositories_of_others_are_not_even_looked_at(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(http, repo, "theirs.txt")
    mine = f"{repo}-mine"
    await http.put(f"/artifactory/api/repositories/{mine}", json={"rclass": "local", "packageType": "generic"})
    user = await reader(http, mine, "**", may=("read", "write"))
    asked, reads = [], Granter.reads

    def noted(granter: Granter, granted: Granted, repo_id: int, path: str) -> bool:
        asked.append(path)
        return reads(granter, granted, repo_id, path)

    monkeypatch.setattr(Granter, "reads", noted)
    known = {
        "X-Checksum-Deploy": "true",
        "X-Checksum-Sha256": hashlib.sha256(f"{repo} theirs.txt".encode()).hexdigest(),
    }
    assert (await http.put(f"/artifactory/{mine}/a.txt", headers=known, auth=user)).status_code == 404
    assert asked == []
    assert (await http.put(f"/artifactory/{mine}/a.txt", content=f"{repo} theirs.txt", auth=user)).status_code == 201
    assert (await http.put(f"/artifactory/{mine}/b.txt", headers=known, auth=user)).status_code == 201
    assert asked == ["a.txt"]


async def test_what_lies_in_a_repository_that_is_blacked_out_is_not_deployed_elsewhere_nor_copied_into_it(
    http: httpx.AsyncClient, repo: str
) -> None:
    black = f"{repo}-black"
    await http.put(f"/artifactory/api/repositories/{black}", json={"rclass": "local", "packageType": "generic"})
    await put(http, black, "a.txt")
    await put(http, repo, "b.txt")
    await http.post(f"/artifactory/api/repositories/{black}", json={"blackedOut": True})
    known = {"X-Checksum-Deploy": "true", "X-Checksum-Sha256": hashlib.sha256(f"{black} a.txt".encode()).hexdigest()}
    assert (await http.put(f"/artifactory/{repo}/a.txt", headers=known)).status_code == 404
    for verb in ("copy", "move"):
        refused = await http.post(f"/artifactory/api/{verb}/{repo}/b.txt?to=/{black}/b.txt")
        assert refused.status_code == 404
        assert "is blacked out" in refused.json()["messages"][0]["message"]
    await http.post(f"/artifactory/api/repositories/{black}", json={"blackedOut": False})
    assert (await http.put(f"/artifactory/{repo}/a.txt", headers=known)).status_code == 201


async def test_labels_of_an_image_are_no_markup(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a.txt")
    url = f"/artifactory/api/storage/{repo}/a.txt"
    bad = 'a/><s:script xmlns:s="http://www.w3.org/1999/xhtml">alert(1)</s:script><a'
    await http.patch(f"/artifactory/api/metadata/{repo}/a.txt", json={"props": {bad: "v"}})
    await http.put(f"{url}?properties=good=<b>")
    answer = await http.get(f"{url}?propertiesXml")
    assert answer.text == "<properties><good>&lt;b&gt;</good></properties>"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "url", "what"),
    [
        ("PUT", "/artifactory/{repo}/public/new", "deploy to '{repo}:public/new': the right DEPLOY"),
        ("DELETE", "/artifactory/{repo}/public/a.txt", "delete '{repo}:public/a.txt': the right DELETE"),
        ("GET", "/artifactory/{repo}/secret/a.txt", "read '{repo}:secret/a.txt': the right READ"),
        ("PUT", "/artifactory/api/storage/{repo}/public/a.txt?properties=a=b", "annotate '{repo}:public/a.txt': the right ANNOTATE"),
    ],
)
async def test_a_refusal_names_the_right_that_is_missing_and_is_the_same_where_there_is_no_repository(
    http: httpx.AsyncClient, repo: str, method: str, url: str, what: str
) -> None:
    await put(http, repo, "public/a.txt", "secret/a.txt")
    mine = await reader(http, repo, "public/**")
    name = f"reader-{repo.partition('-')[0]}"
    for key in (repo, f"{repo}-absent"):
        refused = await http.request(method, url.format(repo=key), auth=mine, content=b"x")
        message = f"The user '{name}' is not permitted to {what.format(repo=key)} is missing."
        assert (refused.status_code, refused.json()) == (403, {"errors": [{"status": 403, "message": message}]})


async def test_a_refusal_of_a_token_says_that_its_scope_may_be_what_is_missing(http: httpx.AsyncClient, repo: str) -> None:
    narrow = {"scope": f"artifact:{repo}:r", "username": "admin"}
    token = (await http.post("/access/api/v1/tokens", json=narrow)).json()["access_token"]
    refused = await http.put(f"/artifactory/{repo}/a", headers={"authorization": f"Bearer {token}"}, content=b"x", auth=None)
    told = f"deploy to '{repo}:a': the right DEPLOY is missing to the user, or to the scope of its token."
    assert (refused.status_code, refused.json()["errors"][0]["message"].endswith(told)) == (403, True), refused.text
