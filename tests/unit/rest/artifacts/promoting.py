"""Images that are promoted, and who promotes them."""

from collections.abc import Sequence
from typing import Any

import httpx

from tests.unit.rest.artifacts.test_images import KIND, LAYER
from tests.world import manifest, sha256

PASSWORD = "Narrow-pass-1"
Right = tuple[str, Sequence[str], Sequence[str]]  # repository, actions, patterns


async def push(http: httpx.AsyncClient, key: str, tag: str, *, note: str = "") -> bytes:
    config = b'{"config": {"Labels": {"team": "blue"}}, "note": "%s"}' % note.encode()
    for content in (config, LAYER):
        url = f"/v2/{key}/app/blobs/uploads/?digest={sha256(content)}"
        assert (await http.post(url, content=content)).status_code == 201
    body = manifest(config, LAYER)
    assert await put(http, f"{key}/app", tag or sha256(body), body) == 201
    return body


async def put(http: httpx.AsyncClient, image: str, reference: str, body: bytes, kind: str = KIND) -> int:
    sent = await http.put(f"/v2/{image}/manifests/{reference}", content=body, headers={"content-type": kind})
    return sent.status_code


async def promote(
    http: httpx.AsyncClient, source: str, target: str, *, auth: httpx.Auth | None = None, **fields: object
) -> httpx.Response:
    body = {"targetRepo": target, "dockerRepository": "app", **fields}
    more = {} if auth is None else {"auth": auth}
    return await http.post(f"/artifactory/api/docker/{source}/v2/promote", json=body, **more)  # type: ignore[arg-type]


async def tags(http: httpx.AsyncClient, key: str, image: str = "app") -> Sequence[str]:
    told = await http.get(f"/v2/{key}/{image}/tags/list")
    found: Sequence[str] = told.json()["tags"] if told.status_code == 200 else []
    return found


async def properties(http: httpx.AsyncClient, path: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = (await http.get(f"/artifactory/api/storage/{path}?properties")).json()["properties"]
    return found


async def user_with(http: httpx.AsyncClient, name: str, *rights: Right) -> httpx.BasicAuth:
    user = {"name": name, "email": "m@example.org", "password": PASSWORD}
    assert (await http.put(f"/artifactory/api/security/users/{name}", json=user)).status_code == 201
    for everybody in ("Anything", "Any Remote"):
        await http.delete(f"/artifactory/api/v2/security/permissions/{everybody}")
    for number, (key, actions, patterns) in enumerate(rights):
        repo = {"repositories": [key], "include-patterns": patterns, "actions": {"users": {name: actions}}}
        url = f"/artifactory/api/v2/security/permissions/{name}{number}"
        assert (await http.put(url, json={"name": f"{name}{number}", "repo": repo})).status_code in {200, 201}
    return httpx.BasicAuth(name, PASSWORD)


async def annotate(http: httpx.AsyncClient, path: str, said: str, auth: httpx.BasicAuth | None = None) -> int:
    more: Any = {} if auth is None else {"auth": auth}
    return (await http.put(f"/artifactory/api/storage/{path}?properties={said}", **more)).status_code
