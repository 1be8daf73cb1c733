"""With `hideUnauthorizedResources` nobody can tell what is hidden from what is not there, on any route that names a resource."""

import hashlib
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.security.places import Place, basic

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NAMED = {"repositories.get", "repositories.get.v2"}  # which name a repository outside of what they are granted
DIGEST = hashlib.sha256(b"{}").hexdigest()


async def configure(place: Place, text: str) -> None:
    yaml = {"content-type": "application/yaml"}
    answer = await place.admin.patch("/artifactory/api/system/configuration", content=text, headers=yaml)
    assert answer.status_code == 200


@pytest.fixture
async def hiding(place: Place) -> AsyncIterator[Place]:
    """The instance with an image, hiding what callers may not see."""
    begun = (await place.admin.post("/v2/images/qqthere/blobs/uploads/")).headers["location"]
    closed = await place.admin.put(f"{begun}{'&' if '?' in begun else '?'}digest=sha256:{DIGEST}", content=b"{}")
    assert closed.status_code == 201
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{DIGEST}", "size": 2}
    body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config": config})
    pushed = await place.admin.put(
        "/v2/images/qqthere/manifests/latest", content=body, headers={"content-type": MANIFEST}
    )
    assert pushed.status_code == 201
    assert (await place.admin.put("/artifactory/libs/qqthere/1.txt", content=b"x")).status_code == 201
    await configure(place, "security: {hideUnauthorizedResources: true, anonAccessEnabled: true}")
    yield place
    await configure(place, "security: {hideUnauthorizedResources: null, anonAccessEnabled: null}")


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True, scope="module")
@pytest.mark.parametrize("caller", ["nobody", "stranger"])
async def test_hidden_and_absent_answer_alike_on_every_route(hiding: Place, caller: str) -> None:
    headers = {} if caller == "nobody" else basic(caller)
    client = httpx.AsyncClient(transport=hiding.admin._transport, base_url=hiding.admin.base_url, headers=headers)
    rows = [row for row in hiding.rows if row.target or row.operation in NAMED]
    assert len(rows) > 30
    for row in rows:
        told = []
        for repo, image, name in (
            ("libs", "images", "qqthere"), ("libs", "images", "qqabsent"), ("qqrepo", "qqrepo", "qqthere")
        ):  # fmt: skip
            words = {
                "repo": repo, "key": repo, "path": f"{name}/1.txt", "name": f"{image}/{name}", "reference": "latest",
                "digest": f"sha256:{DIGEST}", "upload": "none", "kind": "x",
            }  # fmt: skip
            if row.path.startswith("/artifactory/api/docker"):
                words |= {"repo": image, "name": name}
            url = re.sub(r"\{([a-z_]+)\*?\}", lambda word: words[word[1]], row.path)  # noqa: B023 - used at once
            body = b"{}" if row.method in {"PUT", "POST", "PATCH"} else b""
            answer = await client.request(row.method, url, content=body)
            content = answer.content
            for value in (image, repo, name):
                content = content.replace(value.encode(), b"*")
            told.append((answer.status_code, content, sorted(answer.headers)))
        assert told[0][0] in {400, 401, 404}, (row.operation, told[0])
        assert told[0][0] == told[1][0] == told[2][0], (row.operation, told)
        assert told[0][2] == told[1][2] == told[2][2], (row.operation, told)
        assert told[0][1] == told[1][1] == told[2][1], (row.operation, told)


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True, scope="module")
@pytest.mark.parametrize("hides", [True, False])
async def test_a_target_of_copies_is_not_told_from_one_that_is_not_there(hiding: Place, hides: bool) -> None:
    await configure(hiding, f"security: {{hideUnauthorizedResources: {str(hides).lower()}}}")
    admin = hiding.admin
    for rclass in ("local", "remote", "virtual"):
        body = {"rclass": rclass, "packageType": "generic", "url": "http://far.test"}
        await admin.put(f"/artifactory/api/repositories/qqkind-{rclass}", json=body)
    body = {"repositories": ["libs"], "principals": {"users": {"stranger": ["r"]}}}
    assert (await admin.put("/artifactory/api/security/permissions/qqcopies", json=body)).status_code in {200, 201}
    client = httpx.AsyncClient(transport=admin._transport, base_url=admin.base_url, headers=basic("stranger"))
    for verb in ("copy", "move"):
        told = set()
        for kind in ("local", "remote", "virtual", "absent"):
            answer = await client.post(f"/artifactory/api/{verb}/libs/qqthere/1.txt?to=/qqkind-{kind}/b&dry=1")
            told.add((answer.status_code, answer.text.replace(kind, "KIND")))
        assert len(told) == 1
        assert 403 in next(iter(told))
    catalogs = {
        (answer.status_code, answer.text.replace(kind, "KIND"))
        for kind in ("local", "remote", "virtual", "absent")
        for answer in [await client.get(f"/artifactory/api/docker/qqkind-{kind}/v2/_catalog")]
    }
    assert len(catalogs) == 1
    for kind in ("local", "remote", "virtual"):
        await admin.delete(f"/artifactory/api/repositories/qqkind-{kind}")
    await admin.delete("/artifactory/api/security/permissions/qqcopies")
