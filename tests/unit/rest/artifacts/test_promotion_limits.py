"""What promotion must not do: give rights or properties that its caller has not, count twice."""

import hashlib
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from entrepot.formats.docker.promotion import Promotion
from entrepot.metadata.tree import Tree
from tests.unit.rest.artifacts.filling import project
from tests.unit.rest.artifacts.promoting import Right, annotate, promote, properties, push, put, tags, user_with
from tests.unit.rest.artifacts.test_images import KIND, LAYER, docker
from tests.world import INDEX, index, manifest, sha256

BIG = bytes(48 << 20)


async def push_big(http: httpx.AsyncClient, key: str) -> None:
    config = b'{"config": {}}'
    for content in (config, BIG):
        url = f"/v2/{key}/app/blobs/uploads/?digest={sha256(content)}"
        assert (await http.post(url, content=content)).status_code == 201
    assert await put(http, f"{key}/app", "big", manifest(config, BIG)) == 201


async def test_an_immutable_tag_is_told_by_no_digest_that_a_property_claims(http: httpx.AsyncClient, repo: str) -> None:
    key, fixed = await docker(http, repo), await docker(http, f"f{repo}", immutableTags=True)
    good = await push(http, key, "1.0")
    await push(http, fixed, "1.0")
    me = await user_with(http, f"n-{key}", (key, ["read", "annotate"], ["**"]), (fixed, ["read", "write"], ["**"]))
    config = b'{"evil": 1}'
    for content in (config, LAYER):
        url = f"/v2/{fixed}/app/blobs/uploads/?digest={sha256(content)}"
        assert (await http.post(url, content=content, auth=me)).status_code == 201
    evil = manifest(config, LAYER)
    sent = {"content": evil, "headers": {"content-type": KIND}, "auth": me}
    assert (await http.put(f"/v2/{fixed}/app/manifests/{sha256(evil)}", **sent)).status_code == 201  # type: ignore[arg-type]
    assert await annotate(http, f"{key}/app/1.0/manifest.json", f"docker.manifest.pushed={sha256(evil)}", me) == 204
    assert (await promote(http, key, fixed, tag="1.0", copy=True, auth=me)).status_code == 200
    assert (await http.post(f"/artifactory/api/copy/{key}/app/1.0?to=/{key}/app/2.0")).status_code == 200
    for place in (f"{fixed}/app/manifests/1.0", f"{key}/app/manifests/2.0"):
        assert (await http.head(f"/v2/{place}")).headers["docker-content-digest"] == sha256(good)


async def test_the_properties_of_a_tag_that_is_there_stay(http: httpx.AsyncClient, repo: str) -> None:
    key, fixed = await docker(http, repo), await docker(http, f"f{repo}", immutableTags=True)
    for where, said in ((key, "qa=passed"), (fixed, "qa=failed")):
        await push(http, where, "1.0")
        assert await annotate(http, f"{where}/app/1.0/manifest.json", said) == 204
    me = await user_with(http, f"m-{key}", (key, ["read"], ["**"]), (fixed, ["write"], ["**"]))
    assert (await promote(http, key, fixed, tag="1.0", copy=True, auth=me)).status_code == 200
    assert (await properties(http, f"{fixed}/app/1.0/manifest.json"))["qa"] == ["failed"]


async def test_properties_arrive_only_where_the_caller_may_set_any_and_labels_always(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    await push(http, key, "1.0")
    for file in ("manifest.json", f"sha256__{sha256(LAYER).partition(':')[2]}"):
        assert await annotate(http, f"{key}/app/1.0/{file}", "qa=passed;docker.label.team=red") == 204
    rights: Sequence[Right] = [(key, ["read"], ["**"]), (other, ["write"], ["**"]), (other, ["annotate"], ["app/2.0/*.json"])]
    me = await user_with(http, f"m-{key}", *rights)
    for tag in ("1.0", "2.0"):
        assert (await promote(http, key, other, tag="1.0", targetTag=tag, copy=True, auth=me)).status_code == 200
        layer = f"/artifactory/api/storage/{other}/app/{tag}/sha256__{sha256(LAYER).partition(':')[2]}?properties"
        assert (await http.get(layer)).status_code == 404
    without, noted = [await properties(http, f"{other}/app/{tag}/manifest.json") for tag in ("1.0", "2.0")]
    assert ("qa" in without, without["docker.label.team"]) == (False, ["blue"])
    assert (noted["qa"], noted["docker.label.team"]) == (["passed"], ["red"])


async def test_a_tag_is_told_by_the_digest_it_was_pushed_by_however_often_it_is_promoted(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    body = await push(http, key, "")
    digest = f"sha512:{hashlib.sha512(body).hexdigest()}"
    assert await put(http, f"{key}/app", f"{digest}?tag=1.0", body) == 201
    for _ in range(2):
        assert (await promote(http, key, other, tag="1.0", copy=True)).status_code == 200
        assert (await http.head(f"/v2/{other}/app/manifests/1.0")).headers["docker-content-digest"] == digest


async def test_children_that_are_there_already_are_left_as_they_are(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = pair
    child = await push(http, key, "", note="child")
    assert await put(http, f"{key}/app", "1.0", index(child), INDEX) == 201
    assert (await promote(http, key, other, tag="1.0", copy=True)).status_code == 200
    put_files, written = Tree.put_files, []

    async def noted(self: Tree, tx: Any, where: Any, folder: str, *words: Any, **more: Any) -> Any:
        written.append(folder)
        return await put_files(self, tx, where, folder, *words, **more)

    monkeypatch.setattr(Tree, "put_files", noted)
    assert (await promote(http, key, other, tag="1.0", copy=True)).status_code == 200
    assert written == ["app/1.0"]
    url = f"/artifactory/{other}/app/{sha256(child)}/sha256__{sha256(LAYER).partition(':')[2]}"
    assert (await http.delete(url)).status_code == 204
    assert (await promote(http, key, other, tag="1.0", copy=True)).status_code == 200
    assert (await http.head(url)).status_code == 200


async def test_a_tag_that_is_pushed_while_it_goes_arrives_with_its_own_properties(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = pair
    await push(http, key, "1.0", note="old")
    assert await annotate(http, f"{key}/app/1.0/manifest.json", "qa=failed") == 204
    document, new = Promotion._document, []

    async def meanwhile(self: Promotion, *words: Any) -> Any:
        if not new:
            new.append(await push(http, key, "1.0", note="new"))
            assert await annotate(http, f"{key}/app/1.0/manifest.json", "qa=passed") == 204
        return await document(self, *words)

    monkeypatch.setattr(Promotion, "_document", meanwhile)
    assert (await promote(http, key, other, tag="1.0", copy=True)).status_code == 200
    assert (await http.get(f"/v2/{other}/app/manifests/1.0")).content == new[0]
    assert (await properties(http, f"{other}/app/1.0/manifest.json"))["qa"] == ["passed"]


async def test_a_tag_that_changes_again_and_again_is_not_promoted(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document, number = Promotion._document, 0

    async def meanwhile(self: Promotion, *words: Any) -> Any:
        nonlocal number
        await push(http, pair[0], "1.0", note=str(number := number + 1))
        return await document(self, *words)

    await push(http, pair[0], "1.0")
    monkeypatch.setattr(Promotion, "_document", meanwhile)
    answer = await promote(http, *pair, tag="1.0", copy=True)
    assert (answer.status_code, "try again" in answer.text) == (409, True)
    assert await tags(http, pair[1]) == []


async def test_what_does_not_arrive_and_what_is_there_already_uses_up_no_quota(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    await push_big(http, key)
    await project(http, "counted", other)
    await push(http, other, "taken", note="other")
    me = await user_with(http, f"m-{key}", (key, ["read"], ["**"]), (other, ["write"], ["**"]))
    refused = [await promote(http, key, other, tag="big", targetTag="taken", copy=True, auth=me) for _ in range(25)]
    assert {one.status_code for one in refused} == {403}
    repeated = [await promote(http, key, other, tag="big", copy=True) for _ in range(25)]
    assert {one.status_code for one in repeated} == {200}
    url = f"/v2/{other}/app/blobs/uploads/?digest={sha256(BIG)}"
    assert (await http.post(url, content=BIG)).status_code == 201


async def test_a_tag_is_renamed_where_there_may_be_no_more(http: httpx.AsyncClient, repo: str) -> None:
    key = await docker(http, repo, maxUniqueTags=3)
    for tag in ("a", "b", "c"):
        await push(http, key, tag, note=tag)
    assert (await promote(http, key, key, tag="c", targetTag="d")).status_code == 200
    assert await tags(http, key) == ["a", "b", "d"]


async def test_whoever_may_not_read_a_child_does_not_learn_whether_the_target_has_it(
    http: httpx.AsyncClient, pair: tuple[str, str]
) -> None:
    key, other = pair
    child = await push(http, key, "", note="secret")
    await push(http, other, "", note="secret")
    assert await put(http, f"{key}/app", "1.0", index(child), INDEX) == 201
    me = await user_with(http, f"n-{key}", (key, ["read"], ["app/1.0/**"]), (other, ["write"], ["app/1.0/**"]))
    assert (await promote(http, key, other, tag="1.0", copy=True, auth=me)).status_code == 400


async def test_children_that_came_with_one_tag_do_not_come_again_with_the_next(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = pair
    child = await push(http, key, "", note="child")
    for tag in ("a", "b", "c"):
        assert await put(http, f"{key}/app", tag, index(child), INDEX) == 201
    arrive, came = Promotion._arrive, []

    async def counted(self: Promotion, granted: Any, wish: Any, held: Any, tag: str) -> None:
        came.append(tag)
        await arrive(self, granted, wish, held, tag)

    monkeypatch.setattr(Promotion, "_arrive", counted)
    assert (await promote(http, key, other)).status_code == 200
    assert came == ["", "a", "b", "c"]


async def test_no_promotion_writes_more_than_a_push_may(http: httpx.AsyncClient, pair: tuple[str, str]) -> None:
    key, other = pair
    layers = [b"%d" % number for number in range(60)]
    for content in (b"{}", *layers):
        await http.post(f"/v2/{key}/app/blobs/uploads/?digest={sha256(content)}", content=content)
    assert await put(http, f"{key}/app", "1.0", manifest(b"{}", *layers)) == 201
    said = ";".join(f"k{number}=v" for number in range(120))
    assert (await http.put(f"/artifactory/api/storage/{key}/app/1.0?properties={said}&recursive=1")).status_code == 204
    answer = await promote(http, key, other, tag="1.0", copy=True)
    assert (answer.status_code, "more than 5000" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize("change", ["rights", "blackedOut", "immutableTags"])
async def test_what_changes_while_many_tags_go_holds_for_those_that_follow(
    http: httpx.AsyncClient, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    key, other = pair
    for tag in ("1.0", "2.0", "3.0"):
        await push(http, key, tag, note=tag)
    name = f"m-{key}"
    me = await user_with(http, name, (key, ["read", "delete"], ["**"]), (other, ["write"], ["**"]))
    leave = Promotion._leave

    async def leaves(self: Promotion, *words: Any) -> None:
        await leave(self, *words)
        if change == "rights":
            await http.delete(f"/artifactory/api/v2/security/permissions/{name}1")
        else:
            await http.post(f"/artifactory/api/repositories/{key}", json={change: True})
        await http.get("/artifactory/api/system/ping")  # whose request finds the rules that changed

    monkeypatch.setattr(Promotion, "_leave", leaves)
    refused = await promote(http, key, other, auth=me)
    assert refused.status_code in {403, 404}
    await http.post(f"/artifactory/api/repositories/{key}", json={"blackedOut": False})
    assert (await tags(http, key), await tags(http, other)) == (["2.0", "3.0"], ["1.0"])
