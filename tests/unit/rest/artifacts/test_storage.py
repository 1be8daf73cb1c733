"""The storage API, copy and move, over HTTP, on both engines."""

import io
import tarfile
import threading
import zipfile

import httpx
import pytest
from structlog.testing import capture_logs

from entrepot.artifacts import packing

CONTENT = b"content"


async def put(http: httpx.AsyncClient, repo: str, *paths: str) -> None:
    for path in paths:
        assert (await http.put(f"/artifactory/{repo}/{path}", content=path.encode())).status_code == 201


async def properties(http: httpx.AsyncClient, repo: str, path: str) -> dict[str, list[str]] | None:
    answer = await http.get(f"/artifactory/api/storage/{repo}/{path}?properties")
    return answer.json()["properties"] if answer.status_code == 200 else None


async def test_a_file_and_a_folder_tell_about_themselves(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/z.txt", "a/b/c.txt")
    info = (await http.get(f"/artifactory/api/storage/{repo}/a/z.txt")).json()
    assert (info["repo"], info["path"], info["size"]) == (repo, "/a/z.txt", "7")
    assert {"created", "createdBy", "lastModified", "modifiedBy", "lastUpdated", "originalChecksums"} <= set(info)
    assert info["uri"] == f"http://entrepot.test/artifactory/api/storage/{repo}/a/z.txt"
    folder = (await http.get(f"/artifactory/api/storage/{repo}/a/")).json()
    assert folder["children"] == [{"uri": "/b", "folder": True}, {"uri": "/z.txt", "folder": False}]
    assert folder["uri"].endswith(f"/{repo}/a")
    root = (await http.get(f"/artifactory/api/storage/{repo}")).json()
    assert (root["path"], root["children"]) == ("/", [{"uri": "/a", "folder": True}])


async def test_what_is_not_there_is_told_in_the_words_that_clients_look_for(http: httpx.AsyncClient, repo: str) -> None:
    for path in ("none", "none/deeper"):
        answer = await http.get(f"/artifactory/api/storage/{repo}/{path}")
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (404, "Unable to find item")


async def test_a_file_list_has_what_was_asked_for(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "test/a.in", "b.in", "c.tar.gz")
    await http.put(f"/artifactory/api/storage/{repo}/test/a.in?properties=k=v")
    url = f"/artifactory/api/storage/{repo}?list"
    full = (await http.get(f"{url}&deep=1&depth=2&listFolders=1&mdTimestamps=1&includeRootPath=1")).json()
    assert [entry["uri"] for entry in full["files"]] == ["/", "/b.in", "/c.tar.gz", "/test", "/test/a.in"]
    assert "mdTimestamps" in full["files"][4]
    assert "mdTimestamps" not in full["files"][1]
    assert len(full["files"][1]["sha1"]) == 40
    shallow = (await http.get(url)).json()
    assert [entry["uri"] for entry in shallow["files"]] == ["/b.in", "/c.tar.gz"]
    assert [one["uri"] for one in (await http.get(f"{url}&deep=1&depth=1")).json()["files"]] == ["/b.in", "/c.tar.gz"]
    assert (await http.get(f"/artifactory/api/storage/{repo}/b.in?list")).status_code == 400


async def test_properties_are_set_replaced_and_deleted(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/1.txt")
    url = f"/artifactory/api/storage/{repo}/a/1.txt"
    assert (await http.put(f"{url}?properties=a=1,2;b=x%5C%2Cy|c=%5C=")).status_code == 204
    assert await properties(http, repo, "a/1.txt") == {"a": ["1", "2"], "b": ["x,y"], "c": ["="]}
    await http.put(f"{url}?properties=a=3")
    assert await properties(http, repo, "a/1.txt") == {"b": ["x,y"], "c": ["="], "a": ["3"]}
    assert (await http.get(f"{url}?properties=a,zz")).json()["properties"] == {"a": ["3"]}
    assert (await http.delete(f"{url}?properties=a,nothing,b,c")).status_code == 204
    answer = await http.get(f"{url}?properties")
    assert answer.status_code == 404
    assert "No properties could be found" in answer.json()["errors"][0]["message"]


async def test_properties_reach_what_is_below_unless_told_otherwise(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/1.txt", "a/b/2.txt")
    await http.put(f"/artifactory/api/storage/{repo}/a?properties=k=v&recursive=0")
    assert await properties(http, repo, "a") == {"k": ["v"]}
    assert await properties(http, repo, "a/1.txt") is None
    await http.put(f"/artifactory/api/storage/{repo}/a?properties=k=w")
    for path in ("a", "a/1.txt", "a/b", "a/b/2.txt"):
        assert await properties(http, repo, path) == {"k": ["w"]}
    await http.put(f"/artifactory/api/storage/{repo}?properties=r=1")
    assert await properties(http, repo, "a/b/2.txt") == {"k": ["w"], "r": ["1"]}


async def test_a_merge_patch_changes_properties(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/1.txt")
    url = f"/artifactory/api/metadata/{repo}/a"
    long = b'{"props": {}' + b" " * (2 << 20) + b"}"
    assert (await http.patch(url, content=long)).status_code == 204
    assert (
        await http.patch(f"{url}/1.txt", json={"props": {"k": "v", "many": ["1", "2"], "gone": "x"}})
    ).status_code == 204
    assert (await http.patch(f"{url}/1.txt", json={"props": {"k": "w", "gone": None}})).status_code == 204
    assert await properties(http, repo, "a/1.txt") == {"k": ["w"], "many": ["1", "2"]}
    await http.patch(f"{url}?recursiveProperties=1", json={"props": {"all": "1"}})
    assert (await properties(http, repo, "a/1.txt") or {})["all"] == ["1"]
    for body in ({"props": {"k": 1}}, {"props": []}, {}):
        assert (await http.patch(f"{url}/1.txt", json=body)).status_code == 400
    assert (await http.delete(f"{url}/1.txt")).status_code == 204
    assert await properties(http, repo, "a/1.txt") is None


@pytest.mark.parametrize("query", ["properties=1k=v", "properties=", "properties=k=" + "x" * 5000])
async def test_properties_that_cannot_be_are_refused(http: httpx.AsyncClient, repo: str, query: str) -> None:
    await put(http, repo, "a.txt")
    assert (await http.put(f"/artifactory/api/storage/{repo}/a.txt?{query}")).status_code == 400


async def test_the_newest_file_below_is_told(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/1.txt", "a/b/2.txt")
    answer = await http.get(f"/artifactory/api/storage/{repo}/a?lastModified")
    assert answer.json()["uri"].endswith("/a/b/2.txt")
    assert answer.json()["lastModified"].endswith("+0000")


async def test_statistics_start_at_nothing(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a.txt")
    told = (await http.get(f"/artifactory/api/storage/{repo}/a.txt?stats")).json()
    assert (told["downloadCount"], told["lastDownloaded"]) == (0, 0)


# --- copy and move ----------------------------------------------------------------------------------------------------


async def other(http: httpx.AsyncClient, repo: str) -> str:
    await http.put(f"/artifactory/api/repositories/o-{repo}", json={"rclass": "local", "packageType": "generic"})
    return f"o-{repo}"


async def status(http: httpx.AsyncClient, repo: str, path: str) -> int:
    return (await http.get(f"/artifactory/{repo}/{path}")).status_code


async def test_a_file_is_copied_with_its_properties_and_times(http: httpx.AsyncClient, repo: str) -> None:
    target = await other(http, repo)
    await http.put(f"/artifactory/{repo}/a/1.txt;k=v", content=CONTENT)
    answer = await http.post(f"/artifactory/api/copy/{repo}/a/1.txt?to=/{target}/x/2.txt")
    assert answer.status_code == 200
    assert answer.json()["messages"][0]["level"] == "INFO"
    assert "1 artifacts and 0 folders were copied" in answer.json()["messages"][0]["message"]
    assert (await http.get(f"/artifactory/{target}/x/2.txt")).content == CONTENT
    assert await properties(http, target, "x/2.txt") == {"k": ["v"]}
    before, after = [
        (await http.get(f"/artifactory/api/storage/{at}")).json() for at in (f"{repo}/a/1.txt", f"{target}/x/2.txt")
    ]
    assert (before["created"], before["lastModified"]) == (after["created"], after["lastModified"])


async def test_a_folder_lands_at_the_new_path_or_beneath_a_folder_that_is_there(
    http: httpx.AsyncClient, repo: str
) -> None:
    target = await other(http, repo)
    await put(http, repo, "a/1.txt", "a/b/2.txt")
    await http.post(f"/artifactory/api/copy/{repo}/a?to=/{target}/new")
    assert await status(http, target, "new/b/2.txt") == 200
    await http.post(f"/artifactory/api/copy/{repo}/a?to=/{target}/new")
    assert await status(http, target, "new/a/b/2.txt") == 200
    for root in (f"/{target}/", f"/{target}"):
        await http.delete(f"/artifactory/{target}/a")
        await http.post(f"/artifactory/api/copy/{repo}/a?to={root}")
        assert await status(http, target, "a/b/2.txt") == 200


async def test_a_move_takes_the_folder_away_but_not_the_one_above(http: httpx.AsyncClient, repo: str) -> None:
    target = await other(http, repo)
    await put(http, repo, "top/a/1.txt", "top/a/b/2.txt")
    answer = await http.post(f"/artifactory/api/move/{repo}/top/a?to={target}/z")
    assert "moved" in answer.json()["messages"][0]["message"]
    assert await status(http, target, "z/b/2.txt") == 200
    assert (await http.get(f"/artifactory/api/storage/{repo}/top")).json()["children"] == []


async def test_a_dry_run_changes_nothing(http: httpx.AsyncClient, repo: str) -> None:
    target = await other(http, repo)
    await put(http, repo, "a/1.txt", "a/2.txt")
    answer = await http.post(f"/artifactory/api/move/{repo}/a?to=/{target}/a&dry=1")
    assert answer.json()["messages"][0]["message"].startswith("Dry run for moving")
    assert "2 artifacts and 1 folders" in answer.json()["messages"][0]["message"]
    assert (await status(http, target, "a/1.txt"), await status(http, repo, "a/1.txt")) == (404, 200)


async def test_what_cannot_be_copied_is_told_in_messages(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/1.txt")
    for path, to, wanted in (
        ("none", f"/{repo}/x", 404),
        ("a", "/nowhere/x", 404),
        ("a", f"/{repo}/a/deeper", 400),
        ("a", "/", 400),
    ):
        answer = await http.post(f"/artifactory/api/copy/{repo}/{path}?to={to}")
        assert (answer.status_code, answer.json()["messages"][0]["level"]) == (wanted, "ERROR"), (path, to)


async def test_patterns_of_the_target_hold_for_each_file(http: httpx.AsyncClient, repo: str) -> None:
    target = await other(http, repo)
    await http.post(f"/artifactory/api/repositories/{target}", json={"excludesPattern": "**/*.exe"})
    await put(http, repo, "a/1.txt", "a/2.exe")
    answer = await http.post(f"/artifactory/api/move/{repo}/a?to=/{target}/a")
    assert answer.status_code == 409
    assert (await status(http, target, "a/1.txt"), await status(http, repo, "a/2.exe")) == (200, 200)


async def test_a_moved_file_keeps_its_downloads_and_a_large_folder_goes_in_steps(
    http: httpx.AsyncClient, repo: str
) -> None:
    target = await other(http, repo)
    for number in range(450):
        await http.put(f"/artifactory/{repo}/big/{number % 7}/{number}.txt", content=b"x")
    answer = await http.post(f"/artifactory/api/move/{repo}/big?to=/{target}/big")
    assert "450 artifacts and 8 folders were moved" in answer.json()["messages"][0]["message"]
    assert (await http.get(f"/artifactory/api/storage/{repo}")).json()["children"] == []
    listed = (await http.get(f"/artifactory/api/storage/{target}/big?list&deep=1")).json()["files"]
    assert len(listed) == 450


# --- folders as archives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz"])
async def test_a_folder_comes_as_an_archive_where_that_is_enabled(
    http: httpx.AsyncClient, repo: str, kind: str
) -> None:
    await put(http, repo, "top/a/1.txt", "top/a/b/2.txt", "top/other.txt")
    url = f"/artifactory/api/archive/download/{repo}/top/a?archiveType={kind}"
    assert (await http.get(url)).status_code == 403
    configuration = "/artifactory/api/system/configuration"
    await http.patch(configuration, content="folderDownloadConfig: {enabled: true, maxFiles: 2}")
    content = (await http.get(url)).content
    await http.delete(f"/artifactory/{repo}/none")
    too_many = await http.get(f"/artifactory/api/archive/download/{repo}?archiveType={kind}")
    wrong = await http.get(f"/artifactory/api/archive/download/{repo}/top/a?archiveType=rar")
    await http.patch(configuration, content="folderDownloadConfig: null")
    assert unpacked(content) == {"a/1.txt": b"top/a/1.txt", "a/b/2.txt": b"top/a/b/2.txt"}
    assert (too_many.status_code, wrong.status_code) == (403, 400)


def unpacked(content: bytes) -> dict[str, bytes]:
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


async def test_a_zip_is_deflated_on_a_thread_and_tells_when_its_files_were_changed(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece, threads = packing._Zip.piece, []

    def observed(writer: packing._Zip, data: bytes) -> bytes:
        threads.append(threading.current_thread())
        return piece(writer, data)

    monkeypatch.setattr(packing._Zip, "piece", observed)
    for name, modified in (("a.txt", 1_600_000_000_000), ("old.txt", 1000), ("far.txt", 9_000_000_000_000)):
        headers = {"X-Artifactory-Last-Modified": str(modified)}
        await http.put(f"/artifactory/{repo}/z/{name}", content=b"x" * 5000, headers=headers)
    configuration = "/artifactory/api/system/configuration"
    await http.patch(configuration, content="folderDownloadConfig: {enabled: true}")
    content = (await http.get(f"/artifactory/api/archive/download/{repo}/z?archiveType=zip")).content
    await http.patch(configuration, content="folderDownloadConfig: null")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        told = {one.filename: one for one in archive.infolist()}
    assert {(one.compress_type, one.compress_size < 100) for one in told.values()} == {(zipfile.ZIP_DEFLATED, True)}
    years = [told[f"z/{name}.txt"].date_time[0] for name in ("a", "old", "far")]
    assert (told["z/a.txt"].date_time, years) == ((2020, 9, 13, 12, 26, 40), [2020, 1980, 2107])
    assert threads
    assert threading.main_thread() not in threads


async def test_a_long_copy_says_in_the_log_how_far_it_is(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await http.put(f"/artifactory/{repo}/long/a/1.txt", content=b"x")
    monkeypatch.setattr("entrepot.artifacts.journeys._TOLD", -1.0)
    with capture_logs() as logs:
        assert (await http.post(f"/artifactory/api/copy/{repo}/long?to=/{repo}/copied")).status_code == 200
    lines = [one for one in logs if one["event"] == "folder.copying"]
    assert [(one["source"], one["target"], one["files"]) for one in lines] == [(f"{repo}/long", f"{repo}/copied", 1)]
