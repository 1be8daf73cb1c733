"""Every registry route by every caller, against a running server: one table of expectations (DESIGN section 3)."""

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.parts.entrepot import Entrepot, entrepot
from tests.parts.registry_client import MANIFEST, digest_of

PUBLIC, SECRET = "docker-local/team/public", "docker-local/team/secret"
CONFIG = b'{"architecture":"amd64","os":"linux"}'
LAYER = b"a layer that only its team may see"
ABSENT = digest_of(b"nobody ever pushed this")

USERS = {
    "reader": ["team/public/**"],
    "deployer": ["team/public/**"],
    "stranger": [],
    "narrow": ["team/public/one/**"],
}


@dataclass(frozen=True)
class World:
    """A server with two images and users with different rights."""

    server: Entrepot
    manifest: bytes

    def ask(self, caller: str, method: str, path: str, **rest: object) -> httpx.Response:
        auth = None if caller == "nobody" else (caller, "Passw0rd1" if caller != "admin" else self.server.password)
        return httpx.request(method, self.server.url + path, auth=auth, timeout=30, **rest)  # type: ignore[arg-type]


def push(world: World, name: str, tag: str) -> None:
    for body in (CONFIG, LAYER):
        where = world.ask("admin", "POST", f"/v2/{name}/blobs/uploads/").headers["location"]
        assert world.ask("admin", "PUT", f"{where}?digest={digest_of(body)}", content=body).status_code == 201
    answer = world.ask(
        "admin", "PUT", f"/v2/{name}/manifests/{tag}", content=world.manifest, headers={"content-type": MANIFEST}
    )
    assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(LAYER), "size": len(LAYER)}],
    }).encode()  # fmt: skip
    with entrepot(tmp_path_factory.mktemp("access") / "home") as server:
        made = World(server, manifest)
        for name in ("Anything", "Any Remote"):
            assert made.ask("admin", "DELETE", f"/artifactory/api/security/permissions/{name}").status_code == 200
        for user, patterns in USERS.items():
            body = {"email": f"{user}@example.com", "password": "Passw0rd1", "admin": False}
            assert made.ask("admin", "PUT", f"/artifactory/api/security/users/{user}", json=body).status_code == 201
            if patterns:
                letters = ["r", "w"] if user == "deployer" else ["r"]
                target = {
                    "repositories": ["docker-local"], "includesPattern": ",".join(patterns), "excludesPattern": "",
                    "principals": {"users": {user: letters}, "groups": {}},
                }  # fmt: skip
                path = f"/artifactory/api/security/permissions/{user}"
                assert made.ask("admin", "PUT", path, json=target).status_code == 201
        push(made, PUBLIC, "one")
        push(made, PUBLIC, "two")
        push(made, SECRET, "one")
        yield made


# fmt: off
EXPECTED = [
    # method  path                                                nobody admin reader deployer narrow stranger
    ("GET",   "/v2/",                                             401, 200, 200, 200, 200, 200),
    ("GET",   f"/v2/{PUBLIC}/manifests/one",                      401, 200, 200, 200, 200, 403),
    ("HEAD",  f"/v2/{PUBLIC}/manifests/two",                      401, 200, 200, 200, 403, 403),
    ("GET",   f"/v2/{PUBLIC}/blobs/{digest_of(LAYER)}",           401, 200, 200, 200, 200, 403),
    ("GET",   f"/v2/{PUBLIC}/tags/list",                          401, 200, 200, 200, 200, 403),
    ("GET",   f"/v2/{PUBLIC}/referrers/{ABSENT}",                 401, 200, 200, 200, 200, 403),
    ("GET",   f"/v2/{SECRET}/manifests/one",                      401, 200, 403, 403, 403, 403),
    ("HEAD",  f"/v2/{SECRET}/blobs/{digest_of(LAYER)}",           401, 200, 403, 403, 403, 403),
    ("GET",   f"/v2/{SECRET}/tags/list",                          401, 200, 403, 403, 403, 403),
    ("GET",   f"/v2/{SECRET}/referrers/{ABSENT}",                 401, 200, 403, 403, 403, 403),
    ("GET",   "/v2/docker-local/team/absent/manifests/one",       401, 404, 403, 403, 403, 403),
    ("GET",   "/v2/no-such-repository/app/manifests/one",         401, 404, 403, 403, 403, 403),
    ("POST",  f"/v2/{PUBLIC}/blobs/uploads/",                     401, 202, 403, 202, 403, 403),
    ("POST",  f"/v2/{SECRET}/blobs/uploads/",                     401, 202, 403, 403, 403, 403),
    ("DELETE", f"/v2/{PUBLIC}/manifests/one",                     401, None, 403, 403, 403, 403),
    ("DELETE", f"/v2/{PUBLIC}/blobs/{ABSENT}",                    401, 404, 403, 403, 403, 403),
    ("GET",   "/artifactory/docker-local/team/public/one/manifest.json", 401, 200, 200, 200, 200, 403),
    ("GET",   "/artifactory/docker-local/team/secret/one/manifest.json", 401, 200, 403, 403, 403, 403),
    ("GET",   "/artifactory/api/security/users",                  401, 200, 403, 403, 403, 403),
    ("PUT",   "/artifactory/api/repositories/mine",               401, None, 403, 403, 403, 403),
]
# fmt: on
CALLERS = ("nobody", "admin", "reader", "deployer", "narrow", "stranger")


@pytest.mark.parametrize(
    ("method", "path", "caller", "status"),
    [
        (row[0], row[1], caller, row[2 + place])
        for row in EXPECTED
        for place, caller in enumerate(CALLERS)
        if row[2 + place]
    ],
)
def test_each_route_answers_each_caller_as_the_table_says(
    world: World, method: str, path: str, caller: str, status: int
) -> None:
    answer = world.ask(caller, method, path)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.headers["www-authenticate"]


def test_the_catalog_shows_what_its_caller_may_read(world: World) -> None:
    seen = {
        caller: world.ask(caller, "GET", "/v2/_catalog").json()["repositories"]
        for caller in ("admin", "reader", "narrow", "stranger")
    }
    assert seen == {"admin": [PUBLIC, SECRET], "reader": [PUBLIC], "narrow": [PUBLIC], "stranger": []}


def test_tags_show_what_their_caller_may_read(world: World) -> None:
    assert world.ask("reader", "GET", f"/v2/{PUBLIC}/tags/list").json()["tags"] == ["one", "two"]
    assert world.ask("narrow", "GET", f"/v2/{PUBLIC}/tags/list").json()["tags"] == ["one"]


@pytest.mark.parametrize("source", [f"&from={SECRET}", "&from=docker-local/team/absent", "&from=..%2F..", ""])
def test_a_mount_gives_no_hint_of_what_its_caller_may_not_read(world: World, source: str) -> None:
    alone = b"only in the secret image"
    where = world.ask("admin", "POST", f"/v2/{SECRET}/blobs/uploads/").headers["location"]
    assert world.ask("admin", "PUT", f"{where}?digest={digest_of(alone)}", content=alone).status_code == 201
    answer = world.ask("deployer", "POST", f"/v2/{PUBLIC}/blobs/uploads/?mount={digest_of(alone)}{source}")
    assert answer.status_code == 202
    absent = world.ask("deployer", "POST", f"/v2/{PUBLIC}/blobs/uploads/?mount={ABSENT}{source}")
    assert (answer.status_code, answer.headers.keys()) == (absent.status_code, absent.headers.keys())


def test_a_manifest_cannot_name_what_its_pusher_may_not_read(world: World) -> None:
    alone = b"named only by the secret image"
    where = world.ask("admin", "POST", f"/v2/{SECRET}/blobs/uploads/").headers["location"]
    assert world.ask("admin", "PUT", f"{where}?digest={digest_of(alone)}", content=alone).status_code == 201
    stolen = json.loads(world.manifest)
    stolen["layers"][0] |= {"digest": digest_of(alone), "size": len(alone)}
    path = f"/v2/{PUBLIC}/manifests/stolen"
    answer = world.ask("deployer", "PUT", path, content=json.dumps(stolen), headers={"content-type": MANIFEST})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_a_deployer_without_delete_cannot_move_a_tag(world: World) -> None:
    other = json.loads(world.manifest) | {"annotations": {"a": "b"}}
    path = f"/v2/{PUBLIC}/manifests/one"
    answer = world.ask("deployer", "PUT", path, content=json.dumps(other), headers={"content-type": MANIFEST})
    assert answer.status_code == 403
    again = world.ask("deployer", "PUT", path, content=world.manifest, headers={"content-type": MANIFEST})
    assert again.status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/v2/docker-local/..%2fteam/secret/manifests/one",
        "/v2/docker-local/team/public/../secret/manifests/one",
        "/v2/docker-local/team/%2e%2e/secret/manifests/one",
        "/v2/docker-local//team/secret/manifests/one",
        "/v2/docker-local/team/secret%00/manifests/one",
        "/v2/docker-local/team/secret/manifests/..%2fone",
        "/artifactory/docker-local/team/public/../secret/one/manifest.json",
        "/artifactory/docker-local/team/public/%2e%2e/secret/one/manifest.json",
        "/artifactory/docker-local/team/secret/one/manifest.json%00",
        "/artifactory/docker-local/%ff%fe/manifest.json",
    ],
)
@pytest.mark.parametrize("caller", ["reader", "admin"])
def test_path_tricks_open_nothing(world: World, caller: str, path: str) -> None:
    password = "Passw0rd1" if caller != "admin" else world.server.password
    credentials = base64.b64encode(f"{caller}:{password}".encode()).decode()
    connection = http.client.HTTPConnection(world.server.host, timeout=30)  # sends the path as it is
    connection.request("GET", path, headers={"Authorization": f"Basic {credentials}"})
    answer = connection.getresponse()
    assert answer.status in {400, 403, 404}
    assert json.loads(answer.read())["errors"]
    connection.close()
