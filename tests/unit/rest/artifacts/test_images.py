"""Images as files of the tree: deleted, restored, copied and moved by the artifact API, over HTTP, on both engines."""

import httpx
import pytest

from tests.world import manifest, sha256

KIND = "application/vnd.oci.image.manifest.v1+json"
CONFIG, LAYER = b"{}", b"a layer"


async def docker(http: httpx.AsyncClient, repo: str, **fields: object) -> str:
    key = f"d-{repo}"
    body = {"rclass": "local", "packageType": "docker", **fields}
    assert (await http.put(f"/artifactory/api/repositories/{key}", json=body)).status_code == 200
    return key


async def push(http: httpx.AsyncClient, key: str, tag: str) -> str:
    for content in (CONFIG, LAYER):
        url = f"/v2/{key}/app/blobs/uploads/?digest={sha256(content)}"
        assert (await http.post(url, content=content)).status_code == 201
    body = manifest(CONFIG, LAYER)
    put = await http.put(f"/v2/{key}/app/manifests/{tag}", content=body, headers={"content-type": KIND})
    assert put.status_code == 201, put.text
    return sha256(body)


async def pulls(http: httpx.AsyncClient, key: str, tag: str, image: str = "app") -> list[int]:
    found = [(await http.get(f"/v2/{key}/{image}/manifests/{tag}")).status_code]
    return [*found, (await http.get(f"/v2/{key}/{image}/blobs/{sha256(LAYER)}")).status_code]


async def test_a_tag_that_is_deleted_is_gone_and_pulls_again_once_it_is_restored(
    http: httpx.AsyncClient, repo: str
) -> None:
    key = await docker(http, repo)
    await push(http, key, "1.0")
    assert (await http.delete(f"/artifactory/{key}/app/1.0")).status_code == 204
    assert (await pulls(http, key, "1.0"))[0] == 404
    assert (await http.post(f"/artifactory/api/trash/restore/{key}/app/1.0")).status_code == 202
    assert await pulls(http, key, "1.0") == [200, 200]


async def test_a_manifest_is_told_with_its_own_media_type(http: httpx.AsyncClient, repo: str) -> None:
    key = await docker(http, repo)
    await push(http, key, "1.0")
    told = (await http.get(f"/artifactory/api/storage/{key}/app/1.0/manifest.json")).json()
    found = await http.get(
        f"/artifactory/api/search/artifact?name=manifest.json&repos={key}", headers={"x-result-detail": "info"}
    )
    assert [told["mimeType"], *(one["mimeType"] for one in found.json()["results"])] == [KIND, KIND]


@pytest.mark.parametrize("claimed", ["text/html", "a%0D%0Ab:c", "application/vnd.oci.image.index.v1%2Bjson"])
async def test_no_image_is_pulled_as_the_media_type_that_a_property_claims(
    http: httpx.AsyncClient, repo: str, claimed: str
) -> None:
    key = await docker(http, repo)
    await push(http, key, "1.0")
    said = f"/artifactory/api/storage/{key}/app/1.0/manifest.json?properties=docker.manifest.type={claimed}"
    assert (await http.put(said)).status_code == 204
    assert (await http.post(f"/artifactory/api/copy/{key}/app/1.0?to=/{key}/app/2.0")).status_code == 200
    assert (await http.get(f"/v2/{key}/app/manifests/2.0")).headers["content-type"] == KIND


async def test_a_copied_and_a_moved_image_pull_where_they_are(http: httpx.AsyncClient, repo: str) -> None:
    key, other = await docker(http, repo), await docker(http, f"o{repo}")
    await push(http, key, "1.0")
    assert (await http.post(f"/artifactory/api/copy/{key}/app/1.0?to=/{other}/app/2.0")).status_code == 200
    assert await pulls(http, other, "2.0") == [200, 200]
    assert (await http.post(f"/artifactory/api/move/{other}/app?to=/{other}/team/app")).status_code == 200
    assert await pulls(http, other, "2.0", "team/app") == [200, 200]
    assert (await pulls(http, other, "2.0"))[0] == 404
    tags = (await http.get(f"/v2/{other}/team/app/tags/list")).json()["tags"]
    assert tags == ["2.0"]


async def test_immutable_tags_are_so_on_every_way(http: httpx.AsyncClient, repo: str) -> None:
    key, other = await docker(http, repo, immutableTags=True), await docker(http, f"o{repo}")
    await push(http, key, "1.0")
    assert (await http.delete(f"/artifactory/{key}/app/1.0")).status_code == 409
    assert (await http.delete(f"/artifactory/{key}/app/1.0/manifest.json")).status_code == 409
    assert (await http.post(f"/artifactory/api/move/{key}/app/1.0?to=/{other}/app/1.0")).status_code == 409
    assert (await http.post(f"/artifactory/api/copy/{key}/app/1.0?to=/{other}/app/1.0")).status_code == 200
    assert await pulls(http, key, "1.0") == [200, 200]
