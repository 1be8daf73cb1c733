"""Texts of callers that an index holds: the longest that are taken fit into it, on both engines; longer ones are told the limit.

PostgreSQL refuses rows of an index beyond some 2,700 bytes, after it has tried to compress them: so nothing here repeats.
"""

import random
from collections.abc import Callable
from typing import Any

import httpx

_ANY = random.Random(1)
_SMALL = "abcdefghijklmnopqrstuvwxyz0123456789"
_WIDE = [chr(code) for code in range(0x20000, 0x2A000)]  # four bytes each

Send = Callable[[httpx.AsyncClient, str, str], Any]


def text(length: int, letters: Any = _SMALL) -> str:
    return "n" + "".join(_ANY.choice(letters) for _ in range(length - 1))


def path(length: int) -> str:
    pieces = [text(255) for _ in range(length // 256)]
    return "/".join([*pieces, text(length - 256 * len(pieces))])


TEXTS: dict[str, tuple[int, Callable[[int], str], Send, str]] = {
    "property": (
        255,
        lambda n: text(n, _WIDE),
        lambda http, repo, name: http.patch(f"/artifactory/api/metadata/{repo}/a", json={"props": {name: "v"}}),
        "is longer than 255 characters",
    ),
    "value": (
        4000,
        lambda n: text(n, _WIDE),
        lambda http, repo, name: http.patch(f"/artifactory/api/metadata/{repo}/a", json={"props": {"key": name}}),
        "is longer than 4000 characters",
    ),
    "path": (
        2000,
        path,
        lambda http, repo, name: http.put(f"/artifactory/{repo}/{name}", content=b"x"),
        "it is longer than 2000 bytes",
    ),
    "repository": (
        64,
        text,
        lambda http, repo, name: http.put(f"/artifactory/api/repositories/{name}", json={"rclass": "local"}),
        "it has at most 64 characters",
    ),
    "user": (
        255,
        text,
        lambda http, repo, name: http.put(
            f"/artifactory/api/security/users/{name}", json={"email": "a@b.test", "password": "Passw0rd-1"}
        ),
        "at most 255 of them",
    ),
    "group": (
        64,
        lambda n: text(n, _WIDE),
        lambda http, repo, name: http.put(f"/artifactory/api/security/groups/{name}", json={}),
        "1 to 64 characters",
    ),
    "permission target": (
        64,
        lambda n: text(n, _WIDE),
        lambda http, repo, name: http.put(
            f"/artifactory/api/security/permissions/{name}", json={"repositories": [repo], "principals": {}}
        ),
        "1 to 64 printable characters",
    ),
    "token": (
        1024,
        lambda n: text(n, _WIDE),
        lambda http, repo, name: http.post("/access/api/v1/tokens", json={"description": name}),
        "The description has at most 1024 characters",
    ),
    "configuration": (
        255,
        lambda n: text(n, _WIDE),
        lambda http, repo, name: http.patch(
            "/artifactory/api/system/configuration",
            content=f"proxies:\n  ? {name}\n  :\n    host: a.test\n    port: 1\n",
            headers={"content-type": "application/yaml"},
        ),
        "texts of at most 255 characters",
    ),
    "image": (
        255 - len("docker-local/"),
        text,
        lambda http, repo, name: http.post(f"/v2/docker-local/{name}/blobs/uploads/"),
        "it is longer than 255 characters",
    ),
    "tag": (
        128,
        text,
        lambda http, repo, name: http.get(f"/v2/docker-local/app/manifests/{name}"),
        "1 to 128 letters",
    ),
}


async def test_the_longest_text_is_stored_and_a_longer_one_is_told_the_limit(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a", content=b"x")
    for kind, (longest, make, send, limit) in TEXTS.items():
        fits = await send(http, repo, make(longest))
        assert fits.status_code in ({404} if kind == "tag" else {200, 201, 202, 204}), (kind, fits.text)
        for length in (longest + 1, longest + 3000):
            beyond = await send(http, repo, make(length))
            assert (beyond.status_code, limit in beyond.text) == (400, True), (kind, beyond.text)
