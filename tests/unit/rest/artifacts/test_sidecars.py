"""Checksum files that clients upload beside files, and fetch, on both engines."""

import hashlib
import io
import zipfile

import httpx
import pytest

CONTENT = b"content\n"
ALGORITHMS = ["sha1", "md5", "sha256"]


def checksum(algorithm: str, content: bytes = CONTENT) -> str:
    return hashlib.new(algorithm, content).hexdigest()


async def text(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_checksum_that_is_right_is_accepted_and_makes_no_file(
    http: httpx.AsyncClient, repo: str, algorithm: str
) -> None:
    await http.put(f"/artifactory/{repo}/d/a.jar", content=CONTENT)
    for sent in (
        checksum(algorithm),
        f"{checksum(algorithm).upper()}  a.jar\n",
        f"SUM (a.jar) = {checksum(algorithm)}",
    ):
        answer = await http.put(f"/artifactory/{repo}/d/a.jar.{algorithm};k=v", content=sent)
        assert (answer.status_code, answer.content) == (201, b"")
        assert answer.headers["location"] == f"/artifactory/{repo}/d/a.jar"
    listed = (await http.get(f"/artifactory/api/storage/{repo}/d")).json()["children"]
    assert [one["uri"] for one in listed] == ["/a.jar"]
    assert (await http.get(f"/artifactory/{repo}/d/a.jar.{algorithm}")).text == checksum(algorithm)


@pytest.mark.parametrize("sent", ["0" * 40, "", "none", "0" * 39, "\xff", checksum("md5"), checksum("sha256")])
async def test_a_checksum_that_is_wrong_is_refused_and_says_what_is_right(
    http: httpx.AsyncClient, repo: str, sent: str
) -> None:
    await http.put(f"/artifactory/{repo}/a.jar", content=CONTENT)
    status, told = await text(await http.put(f"/artifactory/{repo}/a.jar.sha1", content=sent.encode("latin-1")))
    assert status == 409
    assert told.startswith("Checksum error for 'a.jar.sha1': received '")
    assert told.endswith(f"' but actual is '{checksum('sha1')}'")


async def test_a_wrong_checksum_is_passed_over_where_the_server_s_own_count(http: httpx.AsyncClient, repo: str) -> None:
    body = {"checksumPolicyType": "server-generated-checksums"}
    assert (await http.post(f"/artifactory/api/repositories/{repo}", json=body)).status_code == 200
    await http.put(f"/artifactory/{repo}/a.jar", content=CONTENT)
    assert (await http.put(f"/artifactory/{repo}/a.jar.sha1", content="0" * 40)).status_code == 201
    assert (await http.get(f"/artifactory/{repo}/a.jar.sha1")).text == checksum("sha1")


async def test_a_checksum_of_nothing_is_not_found(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/folder/", content=b"")
    for path in ("none.jar", "folder"):
        answer = await http.put(f"/artifactory/{repo}/{path}.sha1", content="0" * 40)
        assert await text(answer) == (404, f"Target file to set checksum on doesn't exist: {repo}:{path}")


async def test_a_checksum_of_over_a_thousand_bytes_is_suspicious(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.jar", content=CONTENT)
    answer = await http.put(f"/artifactory/{repo}/a.jar.md5", content=b" " * 1025)
    told = "Suspicious checksum file, content length of 1025 bytes is bigger than allowed."
    assert await text(answer) == (409, told)


async def test_checksums_of_maven_s_metadata_are_taken_and_mean_nothing(http: httpx.AsyncClient, repo: str) -> None:
    for algorithm in ALGORITHMS:
        answer = await http.put(f"/artifactory/{repo}/org/acme/maven-metadata.xml.{algorithm}", content="0" * 40)
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await http.get(f"/artifactory/{repo}/org/acme/maven-metadata.xml.sha1")).status_code == 404


async def test_a_checksum_is_not_deployed_by_checksum(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.jar", content=CONTENT)
    headers = {"X-Checksum-Deploy": "true", "X-Checksum-Sha1": checksum("sha1")}
    assert (await http.put(f"/artifactory/{repo}/a.jar.sha1", headers=headers)).status_code == 404


async def test_a_file_of_a_checksum_s_name_never_stands_for_the_checksum_of_a_file(
    http: httpx.AsyncClient, repo: str
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.jar.sha1", "f" * 40)
    await http.put(f"/artifactory/{repo}/x.zip", content=file.getvalue(), headers={"X-Explode-Archive": "true"})
    assert (await http.get(f"/artifactory/{repo}/a.jar.sha1")).text == "f" * 40  # nothing else is meant
    await http.put(f"/artifactory/{repo}/a.jar", content=CONTENT)
    assert (await http.get(f"/artifactory/{repo}/a.jar.sha1")).text == checksum("sha1")


async def test_conditions_on_a_file_hold_for_its_checksums(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.jar;k=v", content=CONTENT)
    assert (await http.get(f"/artifactory/{repo}/a.jar.sha1;k=v")).text == checksum("sha1")
    assert (await http.get(f"/artifactory/{repo}/a.jar.sha1;k=w")).status_code == 404


async def test_the_latest_version_has_checksums(http: httpx.AsyncClient) -> None:
    await http.put("/artifactory/api/repositories/side-mvn", json={"rclass": "local", "packageType": "maven"})
    await http.put("/artifactory/side-mvn/org/acme/app/1.0/app-1.0.jar", content=CONTENT)
    asked = "/artifactory/side-mvn/org/acme/app/[RELEASE]/app-[RELEASE].jar.sha1"
    assert (await http.get(asked)).text == checksum("sha1")


async def test_who_may_not_read_a_file_is_not_told_its_checksum(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.jar", content=CONTENT)
    person = {"name": "writer", "email": "w@x.test", "password": "Rosebud-1941"}
    await http.put("/artifactory/api/security/users/writer", json=person)
    await http.post("/artifactory/api/security/users/writer", json={"groups": []})
    target = {"name": "only-w", "repo": {"repositories": [repo], "actions": {"users": {"writer": ["write"]}}}}
    assert (await http.put("/artifactory/api/v2/security/permissions/only-w", json=target)).status_code in {200, 201}
    writer = httpx.BasicAuth("writer", "Rosebud-1941")
    answer = await http.put(f"/artifactory/{repo}/a.jar.sha1", content="0" * 40, auth=writer)
    assert await text(answer) == (
        409,
        f"Checksum error for 'a.jar.sha1': received '{'0' * 40}' but actual is 'another'",
    )
    await http.delete("/artifactory/api/v2/security/permissions/only-w")
