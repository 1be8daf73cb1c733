"""WebDAV, over HTTP, on both engines."""

from xml.etree import ElementTree as ET

import httpx
import pytest

DAV = "{DAV:}"


async def found(http: httpx.AsyncClient, path: str, depth: str = "1") -> dict[str, dict[str, str | None]]:
    answer = await http.request("PROPFIND", f"/artifactory/{path}", headers={"Depth": depth})
    assert answer.status_code == 207, answer.text
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    told = {}
    for one in ET.fromstring(answer.text).findall(f"{DAV}response"):
        facts = one.find(f"{DAV}propstat/{DAV}prop")
        assert facts is not None
        kind = "folder" if facts.find(f"{DAV}resourcetype/{DAV}collection") is not None else "file"
        told[one.findtext(f"{DAV}href", "")] = {"kind": kind, "size": facts.findtext(f"{DAV}getcontentlength")}
    return told


async def test_what_can_be_done_is_told(http: httpx.AsyncClient, repo: str) -> None:
    for path in (repo, f"{repo}/", f"{repo}/a/b"):
        answer = await http.options(f"/artifactory/{path}")
        assert (answer.status_code, answer.headers["dav"]) == (200, "1")
        assert answer.headers["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS, PROPFIND, MKCOL"
    assert (await http.options("/artifactory/none/a")).status_code == 404


async def test_folders_are_made_once(http: httpx.AsyncClient, repo: str) -> None:
    for path in ("a", "b/c/"):
        assert (await http.request("MKCOL", f"/artifactory/{repo}/{path}")).status_code == 201
        assert (await http.request("MKCOL", f"/artifactory/{repo}/{path}")).status_code == 405
    assert set(await found(http, repo)) == {f"/artifactory/{repo}/{path}" for path in ("", "a/", "b/")}
    await http.put(f"/artifactory/{repo}/file", content=b"x")
    assert (await http.request("MKCOL", f"/artifactory/{repo}/file")).status_code == 405
    assert (await http.request("MKCOL", f"/artifactory/{repo}/file/below")).status_code == 409
    assert (await http.request("MKCOL", f"/artifactory/{repo}/d", content=b"<x/>")).status_code == 413
    assert (await http.request("MKCOL", "/artifactory/docker-local/d")).status_code == 409


async def test_a_folder_is_listed_one_level_at_a_time(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/d/a%20%26%3C%C3%A9.txt", content=b"four")
    await http.put(f"/artifactory/{repo}/d/sub/b.txt", content=b"x")
    place = f"/artifactory/{repo}/d"
    folder, file = {"kind": "folder", "size": None}, {"kind": "file", "size": "4"}
    name = f"{place}/a%20&%3C%C3%A9.txt"
    for path in (f"{repo}/d", f"{repo}/d/"):
        assert await found(http, path) == {f"{place}/": folder, name: file, f"{place}/sub/": folder}
        assert await found(http, path, "0") == {f"{place}/": folder}
    assert await found(http, f"{repo}/d/a%20%26%3C%C3%A9.txt") == {name: file}
    deep = await http.request("PROPFIND", place, headers={"Depth": "infinity"})
    assert deep.status_code == 403
    assert "propfind-finite-depth" in deep.text


async def test_a_virtual_repository_shows_what_is_in_its_members(http: httpx.AsyncClient, repo: str) -> None:
    body = {"rclass": "virtual", "packageType": "generic", "repositories": [repo]}
    await http.put(f"/artifactory/api/repositories/v-{repo}", json=body)
    await http.put(f"/artifactory/{repo}/a.txt", content=b"x")
    assert set(await found(http, f"v-{repo}/")) == {f"/artifactory/v-{repo}/", f"/artifactory/v-{repo}/a.txt"}
    assert (await http.request("MKCOL", f"/artifactory/v-{repo}/d")).status_code == 405


@pytest.mark.parametrize(
    ("path", "headers", "content", "status"),
    [
        ("none", {"Depth": "1"}, b"", 404), ("", {"Depth": "2"}, b"", 400), ("", {"Depth": "1"}, b"x" * 70_000, 413),
        ("", {"Depth": "1"}, b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>', 207),
        ("%00", {"Depth": "1"}, b"", 400), ("..%2Fx", {"Depth": "1"}, b"", 400),
    ],
)  # fmt: skip
async def test_odd_questions_are_answered(
    http: httpx.AsyncClient, repo: str, path: str, headers: dict[str, str], content: bytes, status: int
) -> None:
    url = f"http://entrepot.test/artifactory/{repo}/{path}"
    answer = await http.request("PROPFIND", url, headers=headers, content=content)
    assert answer.status_code == status


async def test_who_may_not_look_sees_nothing(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"x")
    person = {"name": f"u-{repo}", "email": "u@x.test", "password": "Rosebud-1941"}
    await http.put(f"/artifactory/api/security/users/u-{repo}", json=person)
    await http.post(f"/artifactory/api/security/users/u-{repo}", json={"groups": []})
    user = httpx.BasicAuth(f"u-{repo}", "Rosebud-1941")
    for method in ("PROPFIND", "OPTIONS", "MKCOL"):
        assert (
            await http.request(method, f"/artifactory/{repo}/a.txt", auth=user, headers={"Depth": "1"})
        ).status_code == 403
