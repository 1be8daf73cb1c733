"""Manifests and tags: placed, moved, retired, deleted; on both engines."""

import asyncio
import json

import pytest

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.formats.docker import discard
from entrepot.formats.docker.image_blobs import named_blob, prolong
from entrepot.metadata.eventlog import Where
from entrepot.metadata.items import NewFile
from tests.world import GRACE, INDEX, MANIFEST, Node, another, index, manifest, sha256

ONE, TWO, BIG = b"one", b"two", b"x" * 50_000


async def got(node: Node, reference: str, image: str = "r/app") -> bytes | None:
    answer = await node.ask("GET", f"/v2/{image}/manifests/{reference}")
    return answer.body if answer.status == 200 else None


async def blob(node: Node, content: bytes, image: str = "r/app") -> bool:
    return (await node.ask("GET", f"/v2/{image}/blobs/{sha256(content)}")).body == content


async def tags(node: Node, image: str = "r/app") -> object:
    answer = await node.ask("GET", f"/v2/{image}/tags/list")
    return answer.json["tags"] if answer.status == 200 else None


async def test_what_was_pushed_is_pulled_by_tag_and_digest(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE, BIG)
    assert await got(node, "1.0") == body
    assert await got(node, sha256(body)) == body
    assert await blob(node, body)  # containerd asks for it so
    assert await blob(node, ONE)
    assert await blob(node, BIG)
    assert await tags(node) == ["1.0"]


async def test_a_manifest_with_missing_blobs_is_refused_with_each_of_them(node: Node) -> None:
    await node.upload("r/app", ONE)
    answer = await node.put("r/app", "1.0", manifest(ONE, TWO, BIG))
    assert answer.status == 400
    assert answer.error is not None
    assert answer.error.detail == [sha256(TWO), sha256(BIG)]
    assert await got(node, "1.0") is None
    assert await node.count("item") == 0


async def test_an_index_needs_its_manifests(node: Node) -> None:
    body = manifest(ONE)
    assert (await node.put("r/app", "all", index(body), kind=INDEX)).status == 400
    child = await node.push("r/app", "1.0", ONE)
    assert (await node.put("r/app", "all", index(child), kind=INDEX)).status == 201
    assert await got(node, "all") == index(child)


async def test_the_layers_that_a_build_cache_lists_in_an_index_are_held_as_those_of_an_image(node: Node) -> None:
    kinds = ((BIG, "application/vnd.oci.image.layer.v1.tar+gzip"), (ONE, "application/vnd.buildkit.cacheconfig.v0"))
    listed = [{"mediaType": kind, "digest": sha256(content), "size": len(content)} for content, kind in kinds]
    cache = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    await node.upload("r/app", ONE)
    refused = await node.put("r/app", "cache", cache, kind=INDEX)
    assert refused.error is not None
    assert (refused.status, refused.error.detail) == (400, sha256(BIG))
    await node.upload("r/app", BIG)
    assert (await node.put("r/app", "cache", cache, kind=INDEX)).status == 201
    for _ in range(4):
        await node.later(GRACE + 1000)
        await node.collect()
    assert await got(node, "cache") == cache
    assert await blob(node, BIG)
    assert await blob(node, ONE)


async def test_blobs_of_one_image_are_not_those_of_another(node: Node) -> None:
    await node.upload("r/app", ONE)
    assert (await node.put("r/other", "1.0", manifest(ONE))).status == 400


async def test_an_overwritten_tag_keeps_what_it_was_by_digest(node: Node) -> None:
    old = await node.push("r/app", "1.0", ONE, note="old")
    new = await node.push("r/app", "1.0", TWO, note="new")
    assert await got(node, "1.0") == new
    assert await got(node, sha256(old)) == old
    assert await blob(node, ONE)
    assert await tags(node) == ["1.0"]


async def test_what_a_tag_was_goes_after_the_grace_time_with_its_bytes(node: Node) -> None:
    old = await node.push("r/app", "1.0", BIG, note="old")
    await node.push("r/app", "1.0", TWO, note="new")
    await node.later(GRACE - 60_000)
    assert await node.retain() == 0
    await node.later(120_000)
    assert await node.retain() == 1
    assert await got(node, sha256(old)) is None
    for _ in range(4):
        await node.later(GRACE + 1000)
        await node.collect()
    assert await node.objects() == []
    assert not await blob(node, BIG)
    assert await blob(node, TWO)


async def test_a_manifest_that_an_index_names_is_retained(node: Node) -> None:
    child = await node.push("r/app", "1.0", ONE)
    await node.put("r/app", "all", index(child), kind=INDEX)
    await node.push("r/app", "1.0", TWO)
    await node.later(GRACE + 1000)
    assert await node.retain() == 0
    assert await got(node, sha256(child)) == child


async def test_retention_keeps_as_many_as_the_repository_says(node: Node) -> None:
    await node.create("k", dockerTagRetention=3)
    made = []
    for n in range(5):
        made.append(await node.push("k/app", "1.0", ONE, note=str(n)))
        await asyncio.sleep(0.003)  # the order of two that were retired in one millisecond is nobody's business
    await node.later(GRACE + 1000)
    assert await node.retain() == 2
    kept = [await got(node, sha256(body), "k/app") is not None for body in made]
    assert kept == [False, False, True, True, True]


async def test_a_tag_that_moves_away_from_what_was_retired_before_starts_its_grace_time_anew(node: Node) -> None:
    first = await node.push("r/app", "a", ONE, note="first")
    await node.push("r/app", "a", ONE, note="second")
    await node.later(GRACE + 1000)
    await node.push("r/app", "b", ONE, note="first")
    await node.push("r/app", "b", ONE, note="third")
    await node.retain()
    assert await got(node, sha256(first)) == first


async def test_a_retired_manifest_that_is_pushed_by_digest_stays(node: Node) -> None:
    first = await node.push("r/app", "a", ONE, note="first")
    await node.push("r/app", "a", ONE, note="second")
    assert (await node.put("r/app", sha256(first), first)).status == 201
    await node.later(GRACE + 1000)
    assert await node.retain() == 0
    assert await got(node, sha256(first)) == first


async def test_deleting_a_tag_leaves_the_digest(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    assert (await node.ask("DELETE", "/v2/r/app/manifests/1.0")).status == 202
    assert await got(node, "1.0") is None
    assert await got(node, sha256(body)) == body
    assert (await node.ask("DELETE", "/v2/r/app/manifests/1.0")).status == 404


async def test_deleting_a_digest_takes_all_its_tags(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    await node.put("r/app", "2.0", body)
    other = await node.push("r/app", "3.0", TWO)
    assert (await node.ask("DELETE", f"/v2/r/app/manifests/{sha256(body)}")).status == 202
    assert await tags(node) == ["3.0"]
    assert await got(node, sha256(body)) is None
    assert await got(node, "3.0") == other


async def test_deleting_a_digest_takes_all_its_tags_however_many(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discard, "_AT_ONCE", 3)
    body = await node.push("r/app", "v0", ONE)
    for n in range(1, 9):
        await node.put("r/app", f"v{n}", body)
    assert (await node.ask("DELETE", f"/v2/r/app/manifests/{sha256(body)}")).status == 202
    assert await got(node, sha256(body)) is None
    assert await node.count("docker_manifest") == 0


async def test_a_digest_goes_only_when_each_of_its_tags_may_be_deleted(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discard, "_AT_ONCE", 3)
    monkeypatch.setattr(discard, "_JUDGED_AT_ONCE", 2)
    body = await node.push("r/app", "v0", ONE)
    for n in range(1, 9):
        await node.put("r/app", f"v{n}", body)
    url = f"/v2/r/app/manifests/{sha256(body)}"
    most, none, every = (
        node.grant(name, "r", "app/**", rights=Action.READ | Action.DELETE, but=(excluded,))
        for name, excluded in (("most", "app/v8/**"), ("none", "app/v*/**"), ("every", "app/x/**"))
    )
    assert (await node.ask("DELETE", url, caller=most)).status == 403
    assert (await node.ask("DELETE", url, caller=none)).status == 404
    assert await node.count("docker_manifest") == 9
    assert (await node.ask("DELETE", url, caller=every)).status == 202
    assert await node.count("docker_manifest") == 0


@pytest.mark.parametrize("how", ["digest", "tag", "overwritten", "retained"])
async def test_an_image_inside_of_a_tags_folder_is_not_touched_with_the_tag(node: Node, how: str) -> None:
    outer, inner = await node.push("r/app", "x", ONE), await node.push("r/app/x", "y", TWO)
    if how == "digest":
        assert (await node.ask("DELETE", f"/v2/r/app/manifests/{sha256(outer)}")).status == 202
    elif how == "tag":
        assert (await node.ask("DELETE", "/v2/r/app/manifests/x")).status == 202
    else:
        await node.push("r/app", "x", BIG)
    if how == "retained":
        await node.later(GRACE + 1000)
        assert await node.retain() == 1
    assert (await got(node, sha256(outer)) == outer) == (how in {"tag", "overwritten"})
    assert await got(node, "y", "r/app/x") == inner
    assert await blob(node, TWO, "r/app/x")
    assert await node.database.rows(_WITHOUT_A_FOLDER) == []


async def test_what_a_tag_was_goes_over_files_that_lie_at_its_digest_already(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    repository = node.repositories.get("r")
    assert repository is not None
    named = await named_blob(node.database, repository.id, "app", Digest.parse(sha256(ONE)))
    assert named is not None
    files = [NewFile(name, named.blob_id, len(ONE)) for name in (f"sha256__{sha256(ONE)[7:]}", "note")]
    place = Where(repository.id, "r", "docker", "admin")
    await node.database.transact(lambda tx: node.tree.put_files(tx, place, f"app/{sha256(body)}", files))
    await node.push("r/app", "1.0", TWO)
    assert await got(node, sha256(body)) == body
    assert await blob(node, ONE)


async def test_one_push_may_set_several_tags(node: Node) -> None:
    await node.upload("r/app", ONE)
    body = manifest(ONE)
    answer = await node.put("r/app", f"{sha256(body)}?tag=a&tag=b", body)
    assert answer.status == 201
    assert answer.headers["oci-tag"] == "a, b"
    assert await tags(node) == ["a", "b"]


async def test_the_oldest_tags_go_when_there_are_too_many_and_their_digests_stay_a_while(node: Node) -> None:
    await node.create("few", maxUniqueTags=2)
    bodies = [await node.push("few/app", f"v{n}", ONE, note=str(n)) for n in range(4)]
    assert await tags(node, "few/app") == ["v2", "v3"]
    assert await got(node, sha256(bodies[0]), "few/app") == bodies[0]
    await node.later(GRACE + 1000)
    assert await node.retain() == 2
    assert await got(node, sha256(bodies[0]), "few/app") is None


async def test_an_immutable_tag_is_neither_moved_nor_deleted_but_may_be_pushed_again(node: Node) -> None:
    await node.create("fixed", immutableTags=True)
    body = await node.push("fixed/app", "1.0", ONE)
    await node.upload("fixed/app", TWO)
    moved = await node.put("fixed/app", "1.0", manifest(TWO))
    assert moved.error is not None
    assert (moved.status, moved.error.code) == (403, "DENIED")
    assert (await node.ask("DELETE", "/v2/fixed/app/manifests/1.0")).status == 403
    assert (await node.ask("DELETE", f"/v2/fixed/app/manifests/{sha256(body)}")).status == 403
    assert (await node.put("fixed/app", "1.0", body)).status == 201
    assert await got(node, "1.0", "fixed/app") == body


async def test_a_manifest_beyond_the_limit_is_an_invalid_manifest_and_the_limit_is_told(node: Node) -> None:
    answer = await node.put("r/app", "1.0", b" " * ((4 << 20) + 1))
    assert answer.error is not None
    assert (answer.status, answer.error.code) == (413, "MANIFEST_INVALID")
    assert answer.error.message == f"The manifest is larger than the limit of {4 << 20} bytes."


async def test_a_manifest_says_its_file_and_its_time_and_is_not_sent_again_to_who_has_it(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    assert (await node.put("r/app", "both", index(body), kind=INDEX)).status == 201
    for reference, file in (("1.0", "manifest.json"), (sha256(body), "manifest.json"), ("both", "list.manifest.json")):
        url = f"/v2/r/app/manifests/{reference}"
        told = await node.ask("GET", url)
        assert told.headers["accept-ranges"] == "bytes"
        assert told.headers["content-disposition"] == f'attachment; filename="{file}"'
        since = told.headers["last-modified"]
        assert (await node.ask("GET", url, **{"if-modified-since": since})).status == 304
        assert (await node.ask("HEAD", url, **{"if-modified-since": since})).status == 200
        earlier = "Thu, 01 Jan 2015 00:00:00 GMT"
        assert (await node.ask("GET", url, **{"if-modified-since": earlier})).status == 200
        both = {"if-modified-since": since, "if-none-match": '"another"'}
        assert (await node.ask("GET", url, **both)).status == 200


async def test_a_range_of_a_manifest_is_sent_alone(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    url = "/v2/r/app/manifests/1.0"
    part = await node.ask("GET", url, range="bytes=10-")
    assert (part.status, part.body) == (206, body[10:])
    assert part.headers["content-range"] == f"bytes 10-{len(body) - 1}/{len(body)}"
    assert part.headers["content-type"] == MANIFEST
    assert (await node.ask("GET", url, range=f"bytes={len(body)}-")).status == 416
    changed = await node.ask("GET", url, range="bytes=10-", **{"if-range": '"another"'})
    assert (changed.status, changed.body) == (200, body)
    assert len((await node.ask("HEAD", url, range="bytes=10-")).body) == 0


async def test_overwriting_needs_the_right_to_delete(node: Node) -> None:
    pusher = node.grant("pusher", "r", rights=Action.READ | Action.DEPLOY)
    body = await node.push("r/app", "1.0", ONE, caller=pusher)
    await node.upload("r/app", TWO, caller=pusher)
    assert (await node.put("r/app", "1.0", manifest(TWO), caller=pusher)).status == 403
    assert (await node.put("r/app", "1.0", body, caller=pusher)).status == 201
    assert await got(node, "1.0") == body


async def test_pushes_to_one_tag_at_once_leave_each_by_digest(node: Node) -> None:
    other = await another(node)
    bodies = [manifest(ONE, note=str(n)) for n in range(6)]
    await node.upload("r/app", ONE)
    answers = await asyncio.gather(
        *((node if n % 2 else other).put("r/app", "1.0", body) for n, body in enumerate(bodies))
    )
    assert [answer.status for answer in answers] == [201] * 6
    assert await got(node, "1.0") in bodies
    for body in bodies:
        assert await got(node, sha256(body)) == body
    assert await tags(node) == ["1.0"]


async def test_pushes_and_deletions_at_once_leave_blobs_nameable_as_long_as_a_tag_holds_them(node: Node) -> None:
    for round_ in range(3):
        await asyncio.gather(*(node.push("r/app", f"t{n}", ONE, TWO, note=f"{round_}{n}") for n in range(4)))
        await asyncio.gather(
            *(node.ask("DELETE", f"/v2/r/app/manifests/t{n}") for n in range(2)),
            *(node.push("r/app", f"t{n}", ONE, note=f"again{round_}{n}") for n in range(2, 4)),
        )
    rows = await node.database.rows(_UNNAMED)
    assert [tuple(row) for row in rows] == []


async def test_a_blob_that_a_manifest_names_cannot_be_deleted_also_beside_deeper_images(node: Node) -> None:
    await node.push("r/app/0/a", "1.0", ONE)
    await node.push("r/app", "1.0", ONE)
    assert (await node.ask("DELETE", f"/v2/r/app/blobs/{sha256(ONE)}")).status == 405
    await node.upload("r/app", TWO)
    assert (await node.ask("DELETE", f"/v2/r/app/blobs/{sha256(TWO)}")).status == 202
    assert not await blob(node, TWO)
    assert await blob(node, ONE)


async def test_a_manifest_has_the_properties_that_clients_search_by(node: Node) -> None:
    config = json.dumps({"config": {"Labels": {"team": "core"}}}).encode()
    await node.upload("r/app", config)
    body = manifest(config)
    named = {
        "docker.repoName": "app", "docker.manifest.digest": sha256(body), "docker.manifest.type": MANIFEST,
        "sha256": sha256(body).removeprefix("sha256:"), "docker.label.team": "core",
    }  # fmt: skip
    for reference, found in (("1.0", {**named, "docker.manifest": "1.0"}), (sha256(body), named)):
        assert (await node.put("r/app", reference, body)).status == 201
        assert dict(map(tuple, await node.database.rows(_PROPERTIES))) == found
        await node.ask("DELETE", f"/v2/r/app/manifests/{sha256(body)}")


async def test_referrers_name_what_refers(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    signature = manifest(ONE, subject=body, artifact="application/x-signature", note="n")
    answer = await node.put("r/app", sha256(signature), signature)
    assert answer.headers["oci-subject"] == sha256(body)
    listed = (await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}")).json["manifests"]
    assert isinstance(listed, list)
    assert [one["digest"] for one in listed] == [sha256(signature)]
    assert listed[0]["annotations"] == {"note": "n"}
    filtered = await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}?artifactType=none")
    assert filtered.json["manifests"] == []
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert (await node.ask("GET", f"/v2/r/app/referrers/{sha256(b'?')}")).json["manifests"] == []


async def test_referrers_that_clients_listed_under_a_tag_are_told_too(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    old = {"mediaType": MANIFEST, "digest": sha256(body), "size": len(body), "artifactType": "application/x-old"}
    signature = manifest(ONE, subject=body, artifact="application/x-signature", note="n")
    await node.put("r/app", sha256(signature), signature)
    both = {"mediaType": MANIFEST, "digest": sha256(signature), "size": len(signature)}
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [old, both]}
    tag = sha256(body).replace(":", "-")
    assert (await node.put("r/app", tag, json.dumps(listed).encode(), kind=INDEX)).status == 201
    shown = (await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}")).json["manifests"]
    assert {one["digest"]: one.get("artifactType") for one in shown} == {
        sha256(body): "application/x-old", sha256(signature): "application/x-signature",
    }  # fmt: skip
    filtered = (await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}?artifactType=application/x-old")).json
    assert [one["digest"] for one in filtered["manifests"]] == [sha256(body)]
    no_index = await node.push("r/app", tag, ONE)  # a tag of that name that is no list
    assert no_index
    shown = (await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}")).json["manifests"]
    assert [one["digest"] for one in shown] == [sha256(signature)]


from entrepot.metadata.sql import sql  # noqa: E402 - beside what it serves

_WITHOUT_A_FOLDER = sql("""
SELECT path, name FROM item i WHERE path <> '.' AND NOT EXISTS (
  SELECT 1 FROM item f WHERE f.repo_id = i.repo_id AND f.kind = 0
  AND i.path = CASE WHEN f.path = '.' THEN f.name ELSE f.path || '/' || f.name END
)
""")
_PROPERTIES = sql("SELECT key, value FROM prop")
_UNNAMED = sql("""
SELECT i.path, i.name FROM item i JOIN docker_manifest m ON m.item_id = i.id
LEFT JOIN image_blob b ON b.repo_id = i.repo_id AND b.image = m.image AND b.blob_id = i.blob_id
WHERE b.id IS NULL OR b.expires IS NOT NULL
""")


async def test_a_blob_that_a_manifest_has_come_to_name_need_not_be_kept(node: Node) -> None:
    await node.push("r/app", "1.0", ONE)
    repository = node.repositories.get("r")
    assert repository is not None
    named = await named_blob(node.database, repository.id, "app", Digest.parse(sha256(ONE)))
    assert named is not None
    assert named.expires is None
    assert await node.database.transact(lambda tx: prolong(tx, repository.id, "app", named.blob_id))
    assert await named_blob(node.database, repository.id, "app", Digest.parse(sha256(ONE))) == named
