"""Promotion of images from one repository to another, over HTTP, on both engines."""

import asyncio

import httpx
import pytest

from entrepot.errors import Unavailable
from entrepot.formats.docker.images import Image
from entrepot.formats.docker.manifest_rows import Manifest
from entrepot.formats.docker.promotion import Promotion
from entrepot.repositories.granted import Granted
from tests.unit.rest.artifacts.filling import GIB, PROJECTS, fill, project
from tests.unit.rest.artifacts.promoting import promote, properties, push, put, tags, user_with
from tests.unit.rest.artifacts.test_images import LAYER, docker, pulls
from tests.world import INDEX, index, sha256


async def test_a_tag_moves_under_another_name_with_its_bytes_and_properties(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    body = await push(http, key, "1.0")
    layer = f"sha256__{sha256(LAYER).partition(':')[2]}"
    for file in ("manifest.json", layer):
        put_on = await http.put(f"/artifactory/api/storage/{key}/app/1.0/{file}?properties=build.name=b;build.number=7")
        assert put_on.status_code == 204
    before = await properties(http, f"{key}/app/1.0/manifest.json")
    done = await promote(
        http, key, other, tag="1.0", targetTag="released", targetDockerRepository="team/app", copy=False
    )
    assert (done.status_code, done.headers["content-type"]) == (200, "text/plain")
    assert done.text.strip()
    assert (await http.get(f"/v2/{other}/team/app/manifests/released")).content == body
    assert await pulls(http, other, "released", "team/app") == [200, 200]
    expected = {**before, "docker.manifest": ["released"], "docker.repoName": ["team/app"]}
    assert await properties(http, f"{other}/team/app/released/manifest.json") == expected
    assert await properties(http, f"{other}/team/app/released/{layer}") == {"build.name": ["b"], "build.number": ["7"]}
    assert await tags(http, key) == []
    assert (await http.get(f"/v2/{key}/app/manifests/{sha256(body)}")).status_code == 200  # for pulls that have begun


@pytest.mark.parametrize("face", ["docker", "oci", "helmoci"])
async def test_without_a_tag_all_go_and_a_copy_leaves_them(
    http: httpx.AsyncClient, pair: tuple[str, str], face: str
) -> None:
    key, other = pair
    bodies = {tag: await push(http, key, tag, note=tag) for tag in ("1.0", "2.0", "latest")}
    body = {"targetRepo": other, "dockerRepository": "app", "tag": "", "targetTag": None, "copy": True}
    assert (await http.post(f"/artifactory/api/{face}/{key}/v2/promote", json=body)).status_code == 200
    for where in pair:
        assert await tags(http, where) == [*bodies]
        for tag, held in bodies.items():
            assert (await http.get(f"/v2/{where}/app/manifests/{tag}")).content == held
    assert (await http.post(f"/artifactory/api/{face}/{key}/v2/promote", json=body)).status_code == 200  # again
    assert (await promote(http, key, other)).status_code == 200
    assert (await tags(http, key), await tags(http, other)) == ([], [*bodies])


async def test_the_children_of_an_index_come_too_however_deep_they_are(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    children = [await push(http, key, "", note=note) for note in ("amd64", "arm64")]
    inner, shared = index(*children), index(children[0])
    for one in (inner, shared):
        assert await put(http, f"{key}/app", sha256(one), one, INDEX) == 201
    outer = index(inner, shared, children[1])
    assert await put(http, f"{key}/app", "1.0", outer, INDEX) == 201
    assert (await promote(http, key, other, tag="1.0")).status_code == 200
    for one in (*children, inner, shared, outer):
        assert (await http.get(f"/v2/{other}/app/manifests/{sha256(one)}")).content == one
    assert await pulls(http, other, "1.0") == [200, 200]
    assert "docker.manifest" not in await properties(http, f"{other}/app/{sha256(children[0])}/manifest.json")


async def test_what_makes_no_sense_is_refused_and_says_why(http: httpx.AsyncClient, repo: str) -> None:
    key, other = await docker(http, repo), await docker(http, f"o{repo}")
    await push(http, key, "1.0")
    virtual = {"rclass": "virtual", "packageType": "docker", "repositories": [other]}
    assert (await http.put(f"/artifactory/api/repositories/v-{repo}", json=virtual)).status_code == 200
    for status, source, target, fields in [
        (400, key, None, {}), (400, key, other, {"dockerRepository": None}), (400, key, other, {"copy": "yes"}),
        (400, key, other, {"dockerRepository": "App"}), (400, key, other, {"tag": "a b"}), (400, key, other, {"targetTag": "2.0"}),
        (400, key, other, {"tagg": "1.0"}),
        (400, key, other, {"targetDockerRepository": "../app"}), (400, key, key, {"tag": "1.0"}), (400, key, key, {}),
        (400, key, repo, {}), (400, repo, other, {}), (400, key, f"v-{repo}", {}), (400, f"v-{repo}", key, {}),
        (404, key, "none", {}), (404, "none", other, {}), (404, key, other, {"tag": "2.0"}),
        (404, key, other, {"dockerRepository": "b"}),
    ]:  # fmt: skip
        answer = await promote(http, source, target, **fields)  # type: ignore[arg-type]
        assert (answer.status_code, source, target, fields) == (status, source, target, fields)
        assert answer.json()["errors"][0] == {"status": status, "message": answer.json()["errors"][0]["message"]}
    assert await pulls(http, key, "1.0") == [200, 200]
    assert await tags(http, other) == []


async def test_the_settings_of_both_repositories_hold(http: httpx.AsyncClient, repo: str) -> None:
    key, fixed = await docker(http, repo), await docker(http, f"f{repo}", immutableTags=True)
    few, closed = (
        await docker(http, f"t{repo}", maxUniqueTags=2),
        await docker(http, f"c{repo}", excludesPattern="app/1*/**"),
    )
    for tag in ("3.0", "1.0", "2.0"):
        await push(http, key, tag, note=tag)
    assert (await promote(http, key, few, copy=True)).status_code == 200
    assert await tags(http, few) == ["1.0", "2.0"]  # the oldest went
    refused = await promote(http, key, closed)
    assert (refused.status_code, await tags(http, closed)) == (403, [])
    assert "include/exclude pattern" in refused.text
    assert (await promote(http, key, fixed, tag="1.0", copy=True)).status_code == 200
    assert (await promote(http, key, fixed, tag="2.0", targetTag="1.0")).status_code == 403
    assert (await promote(http, fixed, few, tag="1.0")).status_code == 403
    assert (await tags(http, key), await tags(http, fixed)) == (["1.0", "2.0", "3.0"], ["1.0"])


@pytest.mark.parametrize("closed", ["source", "target"])
async def test_nothing_is_promoted_out_of_or_into_a_repository_that_is_blacked_out(
    http: httpx.AsyncClient, pair: tuple[str, str], closed: str
) -> None:
    await push(http, pair[0], "1.0")
    black = dict(zip(("source", "target"), pair, strict=True))[closed]
    for out, status in ((True, 404), (False, 200)):
        await http.post(f"/artifactory/api/repositories/{black}", json={"blackedOut": out})
        assert (await promote(http, *pair, tag="1.0", copy=True)).status_code == status
    assert await tags(http, pair[1]) == ["1.0"]


@pytest.mark.parametrize(
    ("at_source", "at_target", "moved", "copied"),
    [
        (["read"], ["read"], 403, 403), (["read"], ["write"], 403, 200), (["read", "delete"], ["write"], 200, 404),
        (["delete"], ["write"], 403, 403), (["read", "delete"], ["read"], 403, 403),
    ],
)  # fmt: skip
async def test_the_caller_reads_and_deletes_at_the_source_and_deploys_at_the_target(
    http: httpx.AsyncClient, pair: tuple[str, str], at_source: list[str], at_target: list[str], moved: int, copied: int
) -> None:
    key, other = pair
    child = await push(http, key, "")
    assert await put(http, f"{key}/app", "1.0", index(child), INDEX) == 201
    mine = await user_with(http, f"mover-{key}", (key, at_source, ["**"]), (other, at_target, ["**"]))
    assert (await promote(http, key, other, tag="1.0", auth=mine)).status_code == moved
    assert (await tags(http, key) == []) is (moved == 200)
    assert (await promote(http, key, other, tag="1.0", copy=True, auth=mine)).status_code == copied


async def test_a_project_that_is_full_takes_nothing_and_the_source_stays(
    http: httpx.AsyncClient, repo: str, pair: tuple[str, str]
) -> None:
    key, other = pair
    full = await project(http, "docked", other, repo)
    await push(http, key, "1.0")
    await fill(http, repo)
    assert (await promote(http, key, other, tag="1.0")).status_code == 413
    assert (await tags(http, key), await tags(http, other)) == (["1.0"], [])
    await http.put(f"{PROJECTS}/docked", json={**full, "storage_quota_bytes": 2 * GIB})
    assert (await promote(http, key, other, tag="1.0")).status_code == 200


async def test_promotions_of_one_image_in_both_directions_at_once_all_arrive(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    for number in range(6):
        await push(http, pair[number % 2], f"{number}", note=f"{number}")
    ways = [(pair[number % 2], pair[1 - number % 2], f"{number}") for number in range(6)]
    done = await asyncio.gather(*(promote(http, source, target, tag=tag) for source, target, tag in ways))
    assert [one.status_code for one in done] == [200] * 6
    assert (await tags(http, key), await tags(http, other)) == (["1", "3", "5"], ["0", "2", "4"])


async def test_a_promotion_that_fails_leaves_the_source_whole_and_may_be_repeated(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = pair
    body = await push(http, key, "1.0")

    async def fails(*_: object) -> None:
        raise Unavailable

    for step in ("_arrive", "_leave"):
        with monkeypatch.context() as broken:
            broken.setattr(Promotion, step, fails)
            assert (await promote(http, key, other, tag="1.0")).status_code == 503
        assert await pulls(http, key, "1.0") == [200, 200]
    assert (await promote(http, key, other, tag="1.0")).status_code == 200
    assert (await tags(http, key), await tags(http, other)) == ([], ["1.0"])
    assert (await http.get(f"/v2/{other}/app/manifests/1.0")).content == body


async def test_what_is_pushed_to_a_tag_while_it_moves_stays(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = pair
    old = await push(http, key, "1.0", note="old")
    leave, pushed = Promotion._leave, []

    async def leaves(self: Promotion, granted: Granted, source: Image, top: Manifest) -> None:
        pushed.append(await push(http, key, "1.0", note="new"))
        await leave(self, granted, source, top)

    monkeypatch.setattr(Promotion, "_leave", leaves)
    assert (await promote(http, key, other, tag="1.0")).status_code == 200
    assert (await http.get(f"/v2/{other}/app/manifests/1.0")).content == old
    assert (await http.get(f"/v2/{key}/app/manifests/1.0")).content == pushed[0]
