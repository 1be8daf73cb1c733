"""The trash can takes everything, whatever of the same path is in it already; over HTTP, on both engines."""

import httpx
import pytest

TRASH = "/artifactory/auto-trashcan"


async def put(http: httpx.AsyncClient, repo: str, path: str, content: bytes = b"x") -> None:
    assert (await http.put(f"/artifactory/{repo}/{path}", content=content)).status_code == 201


async def delete(http: httpx.AsyncClient, repo: str, path: str) -> int:
    return (await http.delete(f"/artifactory/{repo}/{path}")).status_code


async def status(http: httpx.AsyncClient, repo: str, path: str) -> int:
    return (await http.get(f"{TRASH}/{repo}/{path}")).status_code


async def test_a_file_makes_room_for_a_folder_of_its_path(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a")
    assert await delete(http, repo, "a") == 204
    await put(http, repo, "a/b/c")
    assert await delete(http, repo, "a/b/c") == 204
    assert await status(http, repo, "a/b/c") == 200


async def test_a_file_makes_room_for_a_folder_within_a_deleted_one(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/b")
    await put(http, repo, "a/other")
    assert await delete(http, repo, "a/b") == 204
    await put(http, repo, "a/b/c")
    assert await delete(http, repo, "a") == 204
    assert (await status(http, repo, "a/b/c"), await status(http, repo, "a/other")) == (200, 200)


async def test_a_folder_makes_room_for_a_file_of_its_path(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "d/a/b")
    assert await delete(http, repo, "d/a") == 204
    await put(http, repo, "d/a", b"file")
    assert await delete(http, repo, "d") == 204
    assert (await http.get(f"{TRASH}/{repo}/d/a")).content == b"file"


async def test_what_was_deleted_from_a_folder_before_stays_when_the_folder_is_deleted(
    http: httpx.AsyncClient, repo: str
) -> None:
    await put(http, repo, "a/b", b"one")
    assert await delete(http, repo, "a/b") == 204
    await put(http, repo, "a/c", b"two")
    assert await delete(http, repo, "a") == 204
    assert (await http.post(f"/artifactory/api/trash/restore/{repo}/a")).status_code == 202
    assert [(await http.get(f"/artifactory/{repo}/a/{name}")).content for name in "bc"] == [b"one", b"two"]


async def test_a_file_takes_the_place_of_an_earlier_one(http: httpx.AsyncClient, repo: str) -> None:
    for content in (b"one", b"two"):
        await put(http, repo, "a", content)
        assert await delete(http, repo, "a") == 204
    assert (await http.get(f"{TRASH}/{repo}/a")).content == b"two"


async def test_nobody_puts_anything_into_the_trash_but_by_deleting_it(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a")
    assert (await http.put(f"{TRASH}/{repo}/new", content=b"x")).status_code == 403
    assert (await http.post(f"/artifactory/api/copy/{repo}/a?to=/auto-trashcan/{repo}/copied")).status_code >= 400
    assert (await http.request("MKCOL", f"{TRASH}/{repo}/folder")).status_code == 403
    assert [await status(http, repo, path) for path in ("new", "copied", "folder")] == [404] * 3
    assert await delete(http, repo, "a") == 204
    assert (await http.post(f"/artifactory/api/trash/restore/{repo}/a")).status_code < 300
    assert (await http.get(f"/artifactory/{repo}/a")).status_code == 200


async def test_the_trash_is_not_configured_as_a_repository(http: httpx.AsyncClient) -> None:
    body = {"key": "auto-trashcan", "excludesPattern": "**"}
    assert (await http.post("/artifactory/api/repositories/auto-trashcan", json=body)).status_code == 400
    assert (await http.post("/artifactory/api/v2/repositories/batch", json=[body])).status_code == 400
    assert (await http.put("/artifactory/api/repositories/auto-trashcan", json={"rclass": "local"})).status_code == 400


async def test_a_file_is_not_restored_as_the_root_of_a_repository(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "d/f")
    assert await delete(http, repo, "d/f") == 204
    assert (await http.post(f"/artifactory/api/trash/restore/{repo}/d/f?to={repo}")).status_code == 409
    assert await status(http, repo, "d/f") == 200


async def restore(http: httpx.AsyncClient, path: str, to: str = "") -> httpx.Response:
    return await http.post(f"/artifactory/api/trash/restore/{path}", params={"to": to} if to else {})


async def test_what_is_restored_replaces_no_other_file_and_says_so(http: httpx.AsyncClient, repo: str) -> None:
    for path in ("d/a", "d/b"):
        await put(http, repo, path, b"old")
    assert await delete(http, repo, "d") == 204
    await put(http, repo, "d/a", b"new")
    answer = await restore(http, f"{repo}/d")
    assert (answer.status_code, "1 files were restored, and 1 stay" in answer.text) == (409, True), answer.text
    assert [(await http.get(f"/artifactory/{repo}/d/{name}")).content for name in "ab"] == [b"new", b"old"]
    assert (await http.get(f"{TRASH}/{repo}/d/a")).content == b"old"
    assert (await restore(http, f"{repo}/d/a", f"{repo}/e")).status_code == 202
    assert (await http.get(f"/artifactory/{repo}/e")).content == b"old"


async def test_the_patterns_of_a_repository_hold_for_what_is_restored(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "d/a.log")
    assert await delete(http, repo, "d/a.log") == 204
    await http.post(f"/artifactory/api/repositories/{repo}", json={"excludesPattern": "**/*.log"})
    assert (await restore(http, f"{repo}/d/a.log")).status_code == 409
    assert await status(http, repo, "d/a.log") == 200


async def test_the_longest_and_the_deepest_path_are_deleted_restored_and_cleaned(
    http: httpx.AsyncClient, repo: str
) -> None:
    for path in ("/".join(["a" * 249] * 8), "/".join("a" * 400)):
        await put(http, repo, path)
        assert await delete(http, repo, path) == 204
        assert (await restore(http, f"{repo}/{path}")).status_code == 202
        assert (await http.get(f"/artifactory/{repo}/{path}")).status_code == 200
        assert (await restore(http, f"{repo}/{path}")).status_code == 404
        assert await delete(http, repo, path) == 204
        assert (await http.delete(f"/artifactory/api/trash/clean/{repo}/{path}")).status_code == 204
        assert (await restore(http, f"{repo}/{path}")).status_code == 404


@pytest.mark.parametrize("verb", ["copy", "move"])
async def test_nothing_goes_to_a_path_that_no_request_may_name(http: httpx.AsyncClient, repo: str, verb: str) -> None:
    path = "/".join(["a" * 249] * 8)
    await put(http, repo, path)
    answer = await http.post(f"/artifactory/api/{verb}/{repo}/{'a' * 249}?to=/{repo}/far/{'b' * 249}")
    assert (answer.status_code, "longer than 2000 bytes" in answer.text) == (409, True), answer.text
    assert (await http.get(f"/artifactory/{repo}/{path}")).status_code == 200


async def test_deleting_all_of_a_repository_leaves_no_folder(http: httpx.AsyncClient, repo: str) -> None:
    await put(http, repo, "a/b/c")
    assert await delete(http, repo, "") == 204
    assert (await http.get(f"/artifactory/api/storage/{repo}")).json()["children"] == []
    assert (await http.get(f"{TRASH}/{repo}/a/b/c")).status_code == 200
