"""What is attached to an image, by tag or by subject, as its tags come and go; on both engines."""

import pytest

from entrepot.formats.docker import retention
from tests.world import GRACE, Node, manifest, sha256

ONE, TWO = b"one", b"two"


def attached(body: bytes, suffix: str = "") -> str:
    return f"sha256-{sha256(body)[7:]}{suffix}"


async def tags(node: Node) -> list[str]:
    listed: list[str] = (await node.ask("GET", "/v2/few/app/tags/list")).json["tags"]
    return listed


async def refer(node: Node, subject: bytes, note: str = "") -> bytes:
    """Push a manifest by its digest alone that refers to another."""
    await node.upload("few/app", ONE)
    body = manifest(ONE, subject=subject, note=note)
    assert (await node.put("few/app", sha256(body), body)).status == 201
    return body


async def is_there(node: Node, body: bytes) -> bool:
    return (await node.ask("GET", f"/v2/few/app/manifests/{sha256(body)}")).status == 200


async def retained(node: Node) -> int:
    await node.later(GRACE + 1000)
    return await node.retain()


async def test_what_is_attached_by_tag_does_not_count_among_the_tags_that_are_kept(node: Node) -> None:
    await node.create("few", maxUniqueTags=2)
    first = await node.push("few/app", "v1", ONE, note="1")
    for suffix in ("", ".sig", ".att", ".sbom"):
        await node.push("few/app", attached(first, suffix), ONE, note=suffix or "referrers")
    await node.push("few/app", "v2", ONE, note="2")
    assert await tags(node) == [*(attached(first, suffix) for suffix in ("", ".att", ".sbom", ".sig")), "v1", "v2"]


async def test_what_is_attached_by_tag_goes_with_the_last_tag_of_its_manifest(node: Node) -> None:
    await node.create("few", maxUniqueTags=2)
    first = await node.push("few/app", "v1", ONE, note="1")
    assert (await node.put("few/app", "also", first)).status == 201
    signature = await node.push("few/app", attached(first, ".sig"), ONE, note="signature")
    await node.push("few/app", attached(signature, ".sig"), TWO, note="of the signature")
    await node.push("few/app", "v2", ONE, note="2")
    assert set(await tags(node)) == {"also", "v2", attached(first, ".sig"), attached(signature, ".sig")}
    await node.push("few/app", "v3", ONE, note="3")
    assert await tags(node) == ["v2", "v3"]
    assert await is_there(node, signature)  # as long as its image, for whoever was told of it
    assert await retained(node) == 3
    assert not await is_there(node, signature)


async def test_a_tag_that_only_begins_like_an_attached_one_counts(node: Node) -> None:
    await node.create("few", maxUniqueTags=1)
    await node.push("few/app", "sha256-of-something", ONE, note="1")
    await node.push("few/app", "v2", ONE, note="2")
    assert await tags(node) == ["v2"]


async def test_what_refers_to_a_manifest_goes_when_retention_takes_it(node: Node) -> None:
    await node.create("few", maxUniqueTags=1)
    first = await node.push("few/app", "v1", ONE, note="1")
    referrer = await refer(node, first)
    further = await refer(node, referrer)
    await node.push("few/app", "v2", ONE, note="2")
    assert await is_there(node, further)
    assert await retained(node) == 1
    assert [await is_there(node, one) for one in (first, referrer, further)] == [False] * 3


async def test_what_refers_to_a_manifest_stays_as_long_as_a_tag_or_an_index_has_it(node: Node) -> None:
    await node.create("few", maxUniqueTags=1)
    first = await node.push("few/app", "v1", ONE, note="1")
    referrer = await refer(node, first)
    await node.push("few/app", "v2", ONE, note="2")
    assert (await node.put("few/app", "v3", referrer)).status == 201
    assert await retained(node) == 2
    assert not await is_there(node, first)
    assert await is_there(node, referrer)


async def test_many_referrers_go_in_rounds_and_their_subject_last(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_MOST_REFERRERS", 2)
    await node.create("few", maxUniqueTags=1)
    first = await node.push("few/app", "v1", ONE, note="1")
    referrers = [await refer(node, first, note=str(n)) for n in range(3)]
    await node.push("few/app", "v2", ONE, note="2")
    assert await retained(node) == 0
    assert [await is_there(node, one) for one in (first, *referrers)].count(True) == 2
    assert await is_there(node, first)
    assert await retained(node) == 1
    assert [await is_there(node, one) for one in (first, *referrers)].count(True) == 0
