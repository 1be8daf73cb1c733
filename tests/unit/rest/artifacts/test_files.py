"""Deploy, download and delete, over HTTP, on both engines."""

import hashlib
import io
import tarfile
import zipfile

import httpx
import pytest

CONTENT = b"some bytes, not many"
BIG = bytes(range(256)) * 4000


def sums(content: bytes) -> dict[str, str]:
    return {name: hashlib.new(name, content).hexdigest() for name in ("sha1", "md5", "sha256")}


async def test_a_file_that_is_deployed_is_told_with_all_checksums_and_comes_back(
    http: httpx.AsyncClient, repo: str
) -> None:
    answer = await http.put(f"/artifactory/{repo}/org/a/b.txt", content=CONTENT)
    assert answer.status_code == 201
    told = answer.json()
    assert told["checksums"] == sums(CONTENT)
    assert (told["repo"], told["path"], told["size"], told["mimeType"]) == (
        repo,
        "/org/a/b.txt",
        str(len(CONTENT)),
        "text/plain",
    )
    assert told["createdBy"] == "admin"
    assert told["uri"] == told["downloadUri"] == f"http://entrepot.test/artifactory/{repo}/org/a/b.txt"
    back = await http.get(f"/artifactory/{repo}/org/a/b.txt")
    assert back.content == CONTENT
    assert back.headers["etag"] == sums(CONTENT)["sha1"]
    assert back.headers["x-checksum-md5"] == sums(CONTENT)["md5"]
    assert back.headers["accept-ranges"] == "bytes"
    head = await http.head(f"/artifactory/{repo}/org/a/b.txt")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))


@pytest.mark.parametrize("name", ["X-Checksum-Sha1", "X-Checksum-Sha256", "X-Checksum-Md5", "X-Checksum"])
async def test_a_wrong_checksum_is_refused_and_leaves_nothing(http: httpx.AsyncClient, repo: str, name: str) -> None:
    wrong = {"X-Checksum-Sha1": "0" * 40, "X-Checksum-Md5": "0" * 32}.get(name, "0" * 64)
    answer = await http.put(f"/artifactory/{repo}/x/a.bin", content=BIG, headers={name: wrong})
    assert answer.status_code == 409
    assert "Checksum policy" in answer.json()["errors"][0]["message"]
    assert (await http.get(f"/artifactory/{repo}/x/a.bin")).status_code == 404
    assert (await http.get(f"/artifactory/api/storage/{repo}/x")).status_code == 404


async def test_bytes_that_are_here_are_deployed_by_their_checksum(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.bin", content=BIG)
    for number, headers in enumerate(
        (
            {"X-Checksum-Sha256": sums(BIG)["sha256"]},
            {"X-Checksum-Sha1": sums(BIG)["sha1"]},
            {"X-Checksum": sums(BIG)["sha256"]},
        )
    ):
        answer = await http.put(
            f"/artifactory/{repo}/copy{number}.bin", headers={"X-Checksum-Deploy": "true", **headers}
        )
        assert (answer.status_code, answer.json()["checksums"]) == (201, sums(BIG))
        assert (await http.get(f"/artifactory/{repo}/copy{number}.bin")).content == BIG


@pytest.mark.parametrize("name", ["X-Checksum-Sha1", "X-Checksum-Md5"])
async def test_of_bytes_that_are_deployed_by_one_checksum_all_that_are_stated_must_be_right(
    http: httpx.AsyncClient, repo: str, name: str
) -> None:
    await http.put(f"/artifactory/{repo}/a.bin", content=BIG)
    headers = {"X-Checksum-Deploy": "true", "X-Checksum-Sha256": sums(BIG)["sha256"], name: "1" * 40}
    answer = await http.put(f"/artifactory/{repo}/copy.bin", headers=headers)
    assert answer.status_code == 409
    assert "Checksum policy" in answer.json()["errors"][0]["message"]
    assert (await http.get(f"/artifactory/{repo}/copy.bin")).status_code == 404


@pytest.mark.parametrize(
    "headers", [{}, {"X-Checksum-Sha1": "xyz"}, {"X-Checksum-Sha1": "1" * 40}, {"X-Checksum-Sha256": "2" * 64}]
)
async def test_a_checksum_that_is_unknown_or_none_is_not_found(
    http: httpx.AsyncClient, repo: str, headers: dict[str, str]
) -> None:
    answer = await http.put(f"/artifactory/{repo}/a.bin", headers={"X-Checksum-Deploy": "true", **headers})
    assert answer.status_code == 404
    assert "Checksum deploy failed" in answer.json()["errors"][0]["message"]


async def test_matrix_parameters_become_properties_and_conditions(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt;build.name=my+app;q=1;q=2;empty", content=CONTENT)
    held = (await http.get(f"/artifactory/api/storage/{repo}/a.txt?properties")).json()["properties"]
    assert held == {"build.name": ["my app"], "q": ["1", "2"], "empty": [""]}
    for matrix, status in (("q=2", 200), ("q=3", 404), ("other=1", 200), ("other+=1", 404), ("q+=1", 200)):
        assert (await http.get(f"/artifactory/{repo}/a.txt;{matrix}")).status_code == status, matrix


async def test_property_keys_that_cannot_be_are_refused(http: httpx.AsyncClient, repo: str) -> None:
    answer = await http.put(f"/artifactory/{repo}/a.txt;1a=b", content=CONTENT)
    assert answer.status_code == 400
    assert "Property key: 1a is invalid" in answer.json()["errors"][0]["message"]


async def test_a_path_that_ends_in_a_slash_makes_a_folder(http: httpx.AsyncClient, repo: str) -> None:
    for _ in range(2):
        answer = await http.put(f"/artifactory/{repo}/a/b/")
        assert (answer.status_code, answer.json()["path"]) == (201, "/a/b/")
        assert answer.json()["uri"].endswith(f"/{repo}/a/b/")
    assert (await http.get(f"/artifactory/api/storage/{repo}/a")).json()["children"] == [{"uri": "/b", "folder": True}]


async def test_a_file_over_a_folder_and_a_folder_over_a_file_are_refused(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a/b.txt", content=CONTENT)
    assert (await http.put(f"/artifactory/{repo}/a", content=CONTENT)).status_code == 409
    assert (await http.put(f"/artifactory/{repo}/a/b.txt/c.txt", content=CONTENT)).status_code == 409


async def test_a_deploy_again_keeps_who_created_it_and_has_the_new_properties_only(
    http: httpx.AsyncClient, repo: str
) -> None:
    first = (await http.put(f"/artifactory/{repo}/a.txt;old=1", content=CONTENT)).json()
    again = (await http.put(f"/artifactory/{repo}/a.txt;new=1", content=BIG)).json()
    assert again["created"] == first["created"]
    assert (await http.get(f"/artifactory/api/storage/{repo}/a.txt?properties")).json()["properties"] == {"new": ["1"]}


async def test_times_and_names_from_an_administrator_are_kept(http: httpx.AsyncClient, repo: str) -> None:
    headers = {
        "X-Artifactory-Created": "1000000000123",
        "X-Artifactory-Last-Modified": "1100000000456",
        "X-Artifactory-Created-By": "bob",
    }
    await http.put(f"/artifactory/{repo}/a.txt", content=CONTENT, headers=headers)
    info = (await http.get(f"/artifactory/api/storage/{repo}/a.txt")).json()
    assert (info["created"], info["createdBy"]) == ("2001-09-09T01:46:40.123Z", "bob")
    assert info["lastModified"] == "2004-11-09T11:33:20.456Z"


async def test_a_time_that_no_calendar_has_is_not_taken(http: httpx.AsyncClient, repo: str) -> None:
    headers = {"x-artifactory-last-modified": "999999999999999"}
    assert (await http.put(f"/artifactory/{repo}/far/a.txt", content=b"a", headers=headers)).status_code == 201
    for path in ("far/a.txt", "far/"):
        assert (await http.get(f"/artifactory/{repo}/{path}")).status_code == 200


async def test_one_range_several_and_one_that_cannot_be(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.bin", content=BIG)
    one = await http.get(f"/artifactory/{repo}/a.bin", headers={"Range": "bytes=10-19"})
    assert (one.status_code, one.content, one.headers["content-range"]) == (206, BIG[10:20], f"bytes 10-19/{len(BIG)}")
    two = await http.get(f"/artifactory/{repo}/a.bin", headers={"Range": "bytes=0-1,-2"})
    assert two.status_code == 206
    assert two.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert int(two.headers["content-length"]) == len(two.content)
    assert two.content.count(b"Content-Range: bytes ") == 2
    assert BIG[:2] in two.content
    beyond = await http.get(f"/artifactory/{repo}/a.bin", headers={"Range": f"bytes={len(BIG)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(BIG)}")


async def test_what_a_client_has_already_is_not_sent_again(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=CONTENT)
    for etag in (sums(CONTENT)["sha1"], f'"{sums(CONTENT)["sha1"]}"', "*"):
        answer = await http.get(f"/artifactory/{repo}/a.txt", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")


async def test_checksums_of_a_file_are_files_beside_it(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=CONTENT)
    for name, value in sums(CONTENT).items():
        assert (await http.get(f"/artifactory/{repo}/a.txt.{name}")).text == value
    assert (await http.get(f"/artifactory/{repo}/none.txt.sha1")).status_code == 404


async def test_a_location_is_a_path_so_that_no_foreign_host_is_repeated(http: httpx.AsyncClient, repo: str) -> None:
    foreign = {"host": "evil.example"}
    made = await http.put(f"/artifactory/{repo}/d/a.txt", content=CONTENT, headers=foreign)
    assert (made.status_code, made.headers["location"]) == (201, f"/artifactory/{repo}/d/a.txt")
    compared = await http.put(f"/artifactory/{repo}/d/a.txt.md5", content=sums(CONTENT)["md5"], headers=foreign)
    assert (compared.status_code, compared.headers["location"]) == (201, f"/artifactory/{repo}/d/a.txt")
    for path in (f"/artifactory/{repo}", f"/artifactory/{repo}/d"):
        moved = await http.get(path, headers=foreign)
        assert (moved.status_code, moved.headers["location"]) == (302, f"{path}/")


async def test_a_folder_is_a_page_whose_names_are_no_markup(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/d/%3Cscript%3E.txt", content=CONTENT)
    there = await http.get(f"/artifactory/{repo}/d")
    assert (there.status_code, there.headers["location"]) == (302, f"/artifactory/{repo}/d/")
    page = await http.get(f"/artifactory/{repo}/d/")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text
    assert "&lt;script&gt;.txt" in page.text
    assert "sandbox" in page.headers["content-security-policy"]


async def test_files_never_open_in_a_browser(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.html", content=b"<script>alert(1)</script>")
    answer = await http.get(f"/artifactory/{repo}/a.html")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("application/vnd.x+json", "application/vnd.x+json"), ("text/html%0D%0AX: 1", "application/json"),
        ("a/b; c", "application/json"), ("%C3%A9/x", "application/json"), ("none", "application/json"),
    ],
)  # fmt: skip
async def test_a_manifest_has_the_type_that_its_property_says_if_that_is_one(
    http: httpx.AsyncClient, repo: str, stated: str, told: str
) -> None:
    stated = stated.replace(" ", "%20").replace(";", "%3B").replace("+", "%2B")
    answer = await http.put(f"/artifactory/{repo}/m/manifest.json;docker.manifest.type={stated}", content=b"{}")
    assert answer.status_code == 201
    assert (await http.get(f"/artifactory/{repo}/m/manifest.json")).headers["content-type"] == told


async def test_what_is_deleted_is_gone_and_a_second_time_not_found(http: httpx.AsyncClient, repo: str) -> None:
    for name in ("a/1.txt", "a/b/2.txt", "c.txt"):
        await http.put(f"/artifactory/{repo}/{name}", content=CONTENT)
    assert (await http.delete(f"/artifactory/{repo}/a")).status_code == 204
    assert (await http.get(f"/artifactory/{repo}/a/b/2.txt")).status_code == 404
    assert (await http.get(f"/artifactory/{repo}/c.txt")).status_code == 200
    again = await http.delete(f"/artifactory/{repo}/a")
    assert again.status_code == 404
    assert "Nothing to delete" in again.json()["errors"][0]["message"]


async def test_what_was_deleted_can_be_restored_and_the_trash_emptied(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a/1.txt;k=v", content=CONTENT)
    await http.delete(f"/artifactory/{repo}/a")
    held = (await http.get(f"/artifactory/api/storage/auto-trashcan/{repo}/a/1.txt?properties")).json()["properties"]
    assert held["trash.deletedBy"] == ["admin"]
    assert held["trash.originalRepository"] == [repo]
    answer = await http.post(f"/artifactory/api/trash/restore/{repo}/a")
    assert (answer.status_code, answer.text) == (202, "Successfully restored trash items")
    assert (await http.get(f"/artifactory/{repo}/a/1.txt")).content == CONTENT
    assert (await http.get(f"/artifactory/api/storage/{repo}/a/1.txt?properties")).json()["properties"] == {"k": ["v"]}
    await http.delete(f"/artifactory/{repo}/a")
    assert (await http.post("/artifactory/api/trash/empty")).status_code == 200
    assert (await http.post(f"/artifactory/api/trash/restore/{repo}/a")).status_code == 404


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


ENTRIES = {"a.txt": b"one", "d/b.txt": b"two"}


@pytest.mark.parametrize(
    ("name", "archive"), [("x.zip", zipped(ENTRIES)), ("x.tar.gz", tarred(ENTRIES)), ("x.tgz", tarred(ENTRIES))]
)
async def test_an_archive_is_taken_apart_on_request(
    http: httpx.AsyncClient, repo: str, name: str, archive: bytes
) -> None:
    answer = await http.put(
        f"/artifactory/{repo}/in/{name};k=v", content=archive, headers={"X-Explode-Archive": "true"}
    )
    assert answer.status_code == 200, answer.text
    assert (await http.get(f"/artifactory/{repo}/in/a.txt")).content == b"one"
    assert (await http.get(f"/artifactory/{repo}/in/d/b.txt")).content == b"two"
    assert (await http.get(f"/artifactory/{repo}/in/{name}")).status_code == 404
    assert (await http.get(f"/artifactory/api/storage/{repo}/in/d/b.txt?properties")).json()["properties"] == {
        "k": ["v"]
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.zip", b"no archive"), ("x.tar", b"no archive"), ("x.rar", b""), ("x.zip", zipped({"../up.txt": b"x"})),
        ("x.tar.gz", tarred({"/etc/../../passwd": b"x"})), ("x.zip", zipped(ENTRIES)[:-30]),
    ],
)  # fmt: skip
async def test_an_archive_that_is_none_or_leaves_its_folder_stores_nothing(
    http: httpx.AsyncClient, repo: str, name: str, content: bytes
) -> None:
    answer = await http.put(f"/artifactory/{repo}/in/{name}", content=content, headers={"X-Explode-Archive": "true"})
    assert answer.status_code == 400
    assert (await http.get(f"/artifactory/api/storage/{repo}")).json()["children"] == []


@pytest.mark.parametrize(("name", "archive"), [("x.jar", zipped(ENTRIES)), ("x.tar.gz", tarred(ENTRIES))])
async def test_an_entry_of_an_archive_is_downloaded_alone(
    http: httpx.AsyncClient, repo: str, name: str, archive: bytes
) -> None:
    await http.put(f"/artifactory/{repo}/{name}", content=archive)
    answer = await http.get(f"/artifactory/{repo}/{name}!/d/b.txt")
    assert (answer.status_code, answer.content) == (200, b"two")
    assert (await http.head(f"/artifactory/{repo}/{name}!/d/b.txt")).headers["content-length"] == "3"
    assert (await http.get(f"/artifactory/{repo}/{name}!/none")).status_code == 404
    assert (await http.get(f"/artifactory/{repo}/none.jar!/d/b.txt")).status_code == 404


async def test_virtual_and_unknown_repositories_take_what_they_can(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(
        f"/artifactory/api/repositories/v-{repo}",
        json={"rclass": "virtual", "packageType": "generic", "repositories": [repo]},
    )
    refused = await http.put(f"/artifactory/v-{repo}/a.txt", content=CONTENT)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    await http.post(f"/artifactory/api/repositories/v-{repo}", json={"defaultDeploymentRepo": repo})
    assert (await http.put(f"/artifactory/v-{repo}/a.txt", content=CONTENT)).json()["repo"] == repo
    assert (await http.get(f"/artifactory/v-{repo}/a.txt")).content == CONTENT
    unknown = await http.put("/artifactory/nowhere/a.txt", content=CONTENT)
    assert unknown.status_code == 404
    assert "Could not find a local repository named nowhere" in unknown.json()["errors"][0]["message"]


async def test_patterns_of_a_repository_refuse_what_they_do_not_take(http: httpx.AsyncClient, repo: str) -> None:
    await http.post(
        f"/artifactory/api/repositories/{repo}", json={"includesPattern": "ok/**", "excludesPattern": "**/*.exe"}
    )
    assert (await http.put(f"/artifactory/{repo}/ok/a.txt", content=CONTENT)).status_code == 201
    for path in ("other/a.txt", "ok/a.exe"):
        answer = await http.put(f"/artifactory/{repo}/{path}", content=CONTENT)
        assert answer.status_code == 409
        assert "include/exclude" in answer.json()["errors"][0]["message"]


async def test_images_are_not_deployed_as_files(http: httpx.AsyncClient) -> None:
    assert (await http.put("/artifactory/docker-local/app/1.0/manifest.json", content=b"{}")).status_code == 409
