"""Who may do what with artifacts: operation x caller -> status, over HTTP; each caller by password, token and reference token."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.settings import Settings
from tests.served import PASSWORD, prepared, served, settings_of

CALLERS = {
    "nobody": "", "stranger": "", "reader": "r", "deployer": "rw", "annotator": "rn", "deleter": "rd",
    "blind": "w", "all": "rwnd", "narrow": "rwnd",
}  # fmt: skip
"""Callers and their letters on `libs`; `narrow` has them below `mine/` only, `nobody` sends no credentials."""

OPERATIONS: dict[str, tuple[str, str, dict[str, Any], dict[str, int], int]] = {
    # name: method, URL, more, the statuses of those who may, the status of all other users
    "download": (
        "GET",
        "/artifactory/libs/a/1.txt",
        {},
        dict.fromkeys(("reader", "deployer", "annotator", "deleter", "all"), 200),
        403,
    ),
    "download mine": (
        "GET",
        "/artifactory/libs/mine/1.txt",
        {},
        dict.fromkeys(("reader", "deployer", "annotator", "deleter", "all", "narrow"), 200),
        403,
    ),
    "deploy anew": (
        "PUT",
        "/artifactory/libs/new/{n}.txt",
        {"content": b"new"},
        dict.fromkeys(("deployer", "blind", "all"), 201),
        403,
    ),
    "deploy over": ("PUT", "/artifactory/libs/a/over.txt", {"content": b"over {n}"}, {"all": 201}, 403),
    "deploy the same": (
        "PUT",
        "/artifactory/libs/a/1.txt",
        {"content": b"one"},
        dict.fromkeys(("deployer", "blind", "all"), 201),
        403,
    ),
    "make a folder": ("PUT", "/artifactory/libs/folder{n}/", {}, dict.fromkeys(("deployer", "blind", "all"), 201), 403),
    "delete": ("DELETE", "/artifactory/libs/del/{n}.txt", {}, dict.fromkeys(("deleter", "all"), 204), 403),
    "describe": (
        "GET",
        "/artifactory/api/storage/libs/a/1.txt",
        {},
        dict.fromkeys(("reader", "deployer", "annotator", "deleter", "all"), 200),
        403,
    ),
    "annotate": (
        "PUT",
        "/artifactory/api/storage/libs/a/1.txt?properties=k=v",
        {},
        dict.fromkeys(("annotator", "all"), 204),
        403,
    ),
    "merge properties": (
        "PATCH",
        "/artifactory/api/metadata/libs/a/1.txt",
        {"json": {"props": {"k": "v"}}},
        dict.fromkeys(("annotator", "all"), 204),
        403,
    ),
    "copy": (
        "POST",
        "/artifactory/api/copy/libs/a/1.txt?to=/libs/copies/{n}.txt",
        {},
        dict.fromkeys(("deployer", "all"), 200),
        403,
    ),
    "move": ("POST", "/artifactory/api/move/libs/move/{n}.txt?to=/libs/moved/{n}.txt", {}, {"all": 200}, 403),
    "empty the trash": ("POST", "/artifactory/api/trash/empty", {}, {}, 403),
    "read the configuration": ("GET", "/artifactory/api/system/configuration", {}, {}, 403),
    "sum up the storage": ("GET", "/artifactory/api/storageinfo", {}, {}, 403),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home: Path = tmp_path_factory.mktemp("access") / "home"
    made = prepared(settings_of(home))
    asyncio.run(_filled(made))
    return made


async def _filled(settings: Settings) -> None:
    async with served(settings) as admin:
        await admin.put("/artifactory/api/repositories/libs", json={"rclass": "local", "packageType": "generic"})
        for everyone in ("Anything", "Any%20Remote"):
            await admin.delete(f"/artifactory/api/security/permissions/{everyone}")
        for name, letters in CALLERS.items():
            if name != "nobody":
                user = {"email": f"{name}@x.test", "password": PASSWORD, "groups": []}
                assert (await admin.put(f"/artifactory/api/security/users/{name}", json=user)).status_code == 201
            if letters:
                target = {
                    "name": name, "includesPattern": "mine/**" if name == "narrow" else "**", "repositories": ["libs"],
                    "principals": {"users": {name: [*letters]}},
                }  # fmt: skip
                assert (
                    await admin.put(f"/artifactory/api/security/permissions/{name}", json=target)
                ).status_code == 201
        files = [
            "a/1.txt",
            "a/over.txt",
            "mine/1.txt",
            *(f"{folder}/{n}.txt" for folder in ("del", "move") for n in range(40)),
        ]
        for path in files:
            content = b"one" if path.endswith("/1.txt") else path.encode()
            assert (await admin.put(f"/artifactory/libs/{path}", content=content)).status_code == 201


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(settings) as client:
        yield client


async def credentials(admin: httpx.AsyncClient, name: str) -> list[dict[str, str]]:
    """Return the headers by which a caller may come."""
    if name == "nobody":
        return [{}]
    request = httpx.Request("GET", "http://x")
    basic = next(httpx.BasicAuth(name, PASSWORD).auth_flow(request)).headers["authorization"]
    own = httpx.AsyncClient(transport=admin._transport, base_url=admin.base_url)
    told = (
        await own.post(
            "/access/api/v1/tokens", json={"include_reference_token": True}, headers={"authorization": basic}
        )
    ).json()
    return [
        {"authorization": basic}, {"authorization": f"Bearer {told['access_token']}"}, {"X-JFrog-Art-Api": told["reference_token"]},
    ]  # fmt: skip


@pytest.mark.parametrize("caller", CALLERS)
async def test_each_caller_may_do_what_it_was_granted_and_nothing_else(admin: httpx.AsyncClient, caller: str) -> None:
    client = httpx.AsyncClient(transport=admin._transport, base_url=admin.base_url)
    for way, headers in enumerate(await credentials(admin, caller)):
        number = [*CALLERS].index(caller) * 4 + way
        for name, (method, url, more, allowed, refused) in OPERATIONS.items():
            given = {
                key: value.replace(b"{n}", b"%d" % number) if isinstance(value, bytes) else value
                for key, value in more.items()
            }
            answer = await client.request(method, url.format(n=number), headers=headers, **given)
            wanted = 401 if caller == "nobody" else allowed.get(caller, refused)
            assert answer.status_code == wanted, (caller, way, name, answer.text)


async def test_what_may_not_be_read_is_not_deployed_by_its_checksum(admin: httpx.AsyncClient) -> None:
    info = (await admin.get("/artifactory/api/storage/libs/a/over.txt")).json()
    client = httpx.AsyncClient(transport=admin._transport, base_url=admin.base_url)
    for caller, path, status in (("blind", "x/1.txt", 404), ("narrow", "mine/x.txt", 404), ("all", "x/2.txt", 201)):
        for header, algorithm in (("X-Checksum-Sha1", "sha1"), ("X-Checksum-Sha256", "sha256")):
            known = {"X-Checksum-Deploy": "true", header: info["checksums"][algorithm]}
            unknown = {"X-Checksum-Deploy": "true", header: "0" * len(info["checksums"][algorithm])}
            auth = httpx.BasicAuth(caller, PASSWORD)
            answers = [
                await client.put(f"/artifactory/libs/{path}", headers=headers, auth=auth)
                for headers in (known, unknown)
            ]
            assert answers[0].status_code == status
            assert answers[1].status_code == 404
            if status == 404:
                told = [answer.text.replace(info["checksums"][algorithm], "") for answer in answers]
                assert told[0] == told[1].replace("0" * len(info["checksums"][algorithm]), "")


@pytest.mark.parametrize(
    "path",
    [
        "mine/../a/1.txt",
        "mine/%2e%2e/a/1.txt",
        "mine/..%2fa/1.txt",
        "mine//%2e%2e//a/1.txt",
        "mine%00/1.txt",
        "mine;/../a/1.txt",
        "a/1.txt;mine/",
    ],
)
async def test_no_spelling_of_a_path_leads_round_a_pattern(admin: httpx.AsyncClient, path: str) -> None:
    client = httpx.AsyncClient(transport=admin._transport, base_url=admin.base_url, auth=("narrow", PASSWORD))
    for method, prefix in (("GET", ""), ("DELETE", ""), ("PUT", ""), ("GET", "api/storage/")):
        request = client.build_request(method, "/")
        request.url = httpx.URL("http://entrepot.test").copy_with(raw_path=f"/artifactory/{prefix}libs/{path}".encode())
        answer = await client.send(request)
        assert answer.status_code in {400, 403, 404}, (method, path, answer.status_code)
    assert (await admin.get("/artifactory/libs/a/1.txt")).content == b"one"
