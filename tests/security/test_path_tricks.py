"""No spelling of a path is a way round: dots, encodings, slashes, parameters, NUL and letters that look alike.

The request line is given to the application as no client library would send it.
"""

import asyncio
import hashlib
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.security.expectations import OPERATIONS, PATHS
from tests.security.places import Place, basic

SECRET = b"what only some may read: 7f3a91"
MARKS = (SECRET, *(hashlib.new(name, SECRET).hexdigest().encode() for name in ("sha256", "sha1", "md5")))
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
HIDDEN, OWN = "libs/a/secret.txt", "libs/mine/own.txt"

DOTS = (
    "..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..;", "..;x=1", "..%00", "%00..", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
    "%ef%bc%8e%ef%bc%8e", "%e2%80%a5", "..%20", "..%09", ".%0a.", "..%5c..", "...", "x/../..", "./..", "..//", "%u002e%u002e",
)  # fmt: skip
SLASHES = (
    "/",
    "//",
    "%2f",
    "%2F",
    "%252f",
    "%5c",
    "\\",
    "/./",
    "/%2e/",
    ";/",
    ";x=1/",
    "%3b/",
    "%00/",
    "%ef%bc%8f",
    "%e2%88%95",
)
OPEN_TO_KNOWN = {"open", "judged", "users", "own password", "session", "ticket"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    asked: bytes

    def tells(self) -> bool:
        """Whether anything of the secret is in it that its caller did not say first."""
        said = self.body + b"".join(name + value for name, value in self.headers)
        return any(mark in said and mark not in self.asked for mark in MARKS)


class Asker:
    """Sends what stands in a request line, byte for byte."""

    def __init__(self, place: Place) -> None:
        self.application: Any = place.admin._transport.app._application  # type: ignore[attr-defined]

    async def __call__(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        raw = target.encode("latin-1")
        path, _, query = raw.partition(b"?")
        given = {"host": "entrepot.test", "content-length": str(len(body)), **headers}
        scope = {
            "type": "http", "method": method, "path": path.decode("latin-1"), "raw_path": path, "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in given.items()], "client": ("192.0.2.7", 5),
            "server": ("entrepot.test", 80), "scheme": "http", "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await self.application(scope, receive, send)
        start = messages[0]
        return Answer(
            start["status"],
            tuple(start["headers"]),
            b"".join(one.get("body", b"") for one in messages[1:]),
            raw + repr(headers).encode(),
        )


class Line(Asker):
    """The same over a connection, for what the server makes of a spelling before the application sees it."""

    def __init__(self, place: Place) -> None:
        self.url = place.admin.base_url

    async def __call__(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        given = {"host": self.url.netloc.decode(), "content-length": str(len(body)), "connection": "close", **headers}
        head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        sent = "\r\n".join(head).encode("latin-1")
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        try:
            writer.write(sent + body)
            async with asyncio.timeout(30):
                head_and_body = await reader.read()
        finally:
            writer.close()
        return Answer(int(head_and_body[9:12]), (), head_and_body, sent)


@pytest.fixture
async def ask(place: Place) -> Asker:
    for path in (HIDDEN, OWN):
        content = SECRET if path == HIDDEN else b"own"
        assert (await place.admin.put(f"/artifactory/{path}", content=content)).status_code == 201
    digest = f"sha256:{hashlib.sha256(SECRET).hexdigest()}"
    begun = (await place.admin.post("/v2/images/secret/app/blobs/uploads/")).headers["location"]
    closed = await place.admin.put(f"{begun}{'&' if '?' in begun else '?'}digest={digest}", content=SECRET)
    assert closed.status_code == 201
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(SECRET)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config": config}
    pushed = await place.admin.put(
        "/v2/images/secret/app/manifests/1", content=json.dumps(manifest), headers={"content-type": MANIFEST}
    )
    assert pushed.status_code == 201, pushed.text
    return Line(place) if place.served else Asker(place)


async def state(place: Place) -> dict[str, Any]:
    """All that could have been changed, but what lies below `mine`."""
    query = 'items.find({"type":"any","path":{"$nmatch":"mine*"}}).include("repo","path","name","size","actual_sha1","property")'
    found = (await place.admin.post("/artifactory/api/search/aql", content=query)).json()["results"]
    held: dict[str, Any] = {"items": sorted(json.dumps(one, sort_keys=True) for one in found if one["name"] != "mine")}
    for name in ("security/users", "security/groups", "security/permissions", "repositories"):
        held[name] = (await place.admin.get(f"/artifactory/api/{name}")).json()
    held["tokens"] = len((await place.admin.get("/access/api/v1/tokens")).json()["tokens"])
    held["projects"] = (await place.admin.get("/access/api/v1/projects")).json()
    held["configuration"] = (await place.admin.get("/artifactory/api/system/configuration")).text
    return held


def spellings(path: str) -> Iterator[str]:
    """Other ways to write a path, most of which a careless reader takes for the same."""
    parts = path.strip("/").split("/")
    for number, part in enumerate(parts):
        before, after = "/".join(parts[:number]), "/".join(parts[number + 1 :])

        def around(middle: str, before: str = before, after: str = after) -> str:
            return "/" + "/".join(piece for piece in (before, middle, after) if piece)

        for dots in DOTS:
            yield around(f"x/{dots}/{part}")
        yield from (around(f"./{part}"), around(f"%2e/{part}"), around(f"{part};x=1"), around(f"{part}%3bx=1"))
        yield from (around(f"{part}%00"), around(f"%00{part}"), around(f"{part}%20"), around(f"{part}."))
        yield from (
            around(part.upper()),
            around(f"%{ord(part[0]):02x}{part[1:]}"),
            around(f"%25{ord(part[0]):02x}{part[1:]}"),
        )
        yield around(
            "".join(chr(ord(letter) + 0xFEE0) if "a" <= letter <= "z" else letter for letter in part).encode().hex("%")
        )
        if number:
            yield from ("/" + before + slash + "/".join(parts[number:]) for slash in SLASHES)
    for end in (
        "/",
        "//",
        "/.",
        "/..",
        "/%2e",
        "/%2e%2e/",
        ";",
        ";x",
        "%00",
        "%0a",
        "%20",
        "%3f",
        "%23",
        "/;/",
        "\\",
        "%5c",
        "/%2f",
    ):
        yield path + end
    for start in (
        "/",
        "//",
        "/.",
        "/x/..",
        "/artifactory",
        "/artifactory/artifactory",
        "/access",
        "/v2",
        "/ui",
        "/;x=1",
        "/%2e",
    ):
        yield start + path
    yield "/artifactory/..;/.." + path


def written_out(path: str, words: dict[str, str]) -> str:
    return re.sub(r"\{([a-z_]+)\*?\}", lambda word: words[word[1]], path)


in_process = pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True, scope="module")


async def test_the_secret_is_told_to_those_who_may(ask: Asker) -> None:
    for target in ("/artifactory/libs/a/secret.txt", f"/v2/images/secret/app/blobs/sha256:{MARKS[1].decode()}"):
        assert (await ask("GET", target, basic("admin"))).tells()


@in_process
@pytest.mark.parametrize("caller", ["nobody", "stranger", "narrow"])
async def test_no_spelling_of_a_route_does_what_the_route_refuses(place: Place, ask: Asker, caller: str) -> None:
    headers = {} if caller == "nobody" else basic(caller)
    before = await state(place)
    for row in place.rows:
        if OPERATIONS[row.operation] in OPEN_TO_KNOWN:
            continue
        name = "secret/app" if row.face == "oci" else "none"
        body = b"{}" if row.method in {"PUT", "POST", "PATCH"} else b""
        for target in spellings(written_out(row.path, {**PATHS, "path": "a/secret.txt", "name": name, "key": "app"})):
            answer = await ask(row.method, target, headers, body)
            assert not answer.tells(), (row.operation, target)
            assert answer.status != 500, (row.operation, target)
            assert answer.status >= 400 or caller == "narrow", (
                row.operation,
                target,
                answer,
            )  # who sees the way to its own
    assert await state(place) == before


def beyond() -> Iterator[str]:
    """Paths that begin where `narrow` may do everything, and lead elsewhere for whoever reads them carelessly."""
    for dots in DOTS:
        for slash in ("/", "%2f", "//", "%5c", ";/"):
            yield f"mine{slash}{dots}{slash}a/secret.txt"
            yield f"mine/{dots}{slash}a{slash}secret.txt"
    yield from (
        "mine%2f..%2fa%2fsecret.txt",
        "mine;x=1/../a/secret.txt",
        "./a/secret.txt",
        "MINE/../a/secret.txt",
        "mine/%00/../../a/secret.txt",
    )


async def test_from_its_own_folder_nobody_reaches_into_another(place: Place, ask: Asker) -> None:
    me, sha1 = basic("narrow"), hashlib.sha1(SECRET, usedforsecurity=False).hexdigest()
    before = await state(place)
    for path in itertools.islice(beyond(), 0, None, 3 if place.served else 1):
        api = f"/artifactory/api/storage/libs/{path}"
        for method, target, headers, body in (
            ("GET", f"/artifactory/libs/{path}", {}, b""), ("HEAD", f"/artifactory/libs/{path}", {}, b""),
            ("GET", f"/artifactory/libs/{path}!/a", {}, b""), ("GET", f"/artifactory/libs/{path};k=v", {}, b""),
            ("PUT", f"/artifactory/libs/{path}", {}, b"overwritten"), ("DELETE", f"/artifactory/libs/{path}", {}, b""),
            ("PUT", f"/artifactory/libs/{path}", {"x-checksum-deploy": "true", "x-checksum-sha1": sha1}, b""),
            ("PUT", "/artifactory/libs/mine/copy", {"x-checksum-deploy": "true", "x-checksum-sha1": sha1}, b""),
            ("GET", api, {}, b""), ("GET", f"{api}?list&deep=1", {}, b""), ("GET", f"{api}?properties", {}, b""),
            ("PUT", f"{api}?properties=k=v&recursive=1", {}, b""), ("DELETE", f"{api}?properties=k", {}, b""),
            ("PATCH", f"/artifactory/api/metadata/libs/{path}", {"content-type": "application/json"}, b'{"props":{"k":"v"}}'),
            ("POST", f"/artifactory/api/copy/libs/{path}?to=/libs/mine/got.txt", {}, b""),
            ("POST", f"/artifactory/api/move/libs/{path}?to=/libs/mine/got.txt", {}, b""),
            ("POST", f"/artifactory/api/copy/libs/mine/own.txt?to=/libs/{path}", {}, b""),
            ("POST", f"/artifactory/api/move/libs/mine/own.txt?to=/libs/{path}", {}, b""),
            ("GET", f"/artifactory/api/archive/download/libs/{path.rpartition('secret.txt')[0]}?archiveType=zip", {}, b""),
            ("POST", f"/artifactory/api/v1/uploads/create?repoKey=libs&repoPath={path}", {}, b"{}"),
            ("GET", f"/artifactory/api/search/checksum?sha1={sha1}", {}, b""),
            ("POST", "/artifactory/api/search/aql", {}, b'items.find({"path":{"$match":"*"}}).include("*")'),
        ):  # fmt: skip
            answer = await ask(method, target, {**headers, **me}, body)
            assert answer.status != 500, (method, target)
            assert not answer.tells(), (method, target, answer)
    assert await state(place) == before


@in_process
async def test_no_name_of_an_image_or_entry_of_an_archive_leads_out_of_what_is_ones_own(
    place: Place, ask: Asker
) -> None:
    me, digest = basic("narrow"), f"sha256:{MARKS[1].decode()}"
    before = await state(place)
    for dots in DOTS:
        for name in (f"mine/{dots}/secret/app", f"mine%2f{dots}%2fsecret/app", f"mine/x;/{dots}/{dots}/secret/app"):
            for base in ("/v2/images", "/artifactory/api/docker/images/v2"):
                for method, tail in (("GET", "manifests/1"), ("HEAD", f"blobs/{digest}"), ("GET", f"blobs/{digest}"),
                                     ("GET", "tags/list"), ("GET", f"referrers/{digest}"), ("PUT", "manifests/2"),
                                     ("DELETE", "manifests/1"), ("POST", "blobs/uploads/")):  # fmt: skip
                    answer = await ask(method, f"{base}/{name}/{tail}", me, b"{}" if method == "PUT" else b"")
                    assert answer.status != 500, (method, name, tail)
                    assert not answer.tells(), (method, name, tail)
                    assert answer.status >= 400, (method, name, tail, answer)
        mount = f"/v2/images/mine/app/blobs/uploads/?mount={digest}&from=images/mine/{dots}/secret/app"
        assert (await ask("POST", mount, me)).status != 201
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(f"{dots}/a/secret.txt", "overwritten")
        headers = {"x-explode-archive": "true", **me}
        assert (await ask("PUT", "/artifactory/libs/mine/x/y.zip", headers, packed.getvalue())).status != 500
    assert await state(place) == before
