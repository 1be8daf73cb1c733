"""Pushing what is there already: it is whole afterwards, as new as any other push, and told as it was pushed; on both engines."""

import asyncio
import hashlib

import pytest

from entrepot.artifacts.branches import Branches
from entrepot.metadata.eventlog import Where
from entrepot.metadata.properties import add_properties, properties_of
from entrepot.metadata.sql import sql
from tests.world import GRACE, Node, manifest, sha256

ONE = b"one"
CONFIG = b'{"config": {}}'
IMAGE = manifest(CONFIG, ONE)
MANIFEST_ITEM = sql("SELECT id FROM item WHERE name = 'manifest.json'")


async def push(node: Node, reference: str) -> None:
    for content in (CONFIG, ONE):
        await node.upload("r/app", content)
    assert (await node.put("r/app", reference, IMAGE)).status == 201


async def take_away(node: Node, path: str) -> None:
    repository = node.repositories.get("r")
    assert repository is not None
    place = Where(repository.id, "r", "docker", "admin")
    assert await Branches(node.database, node.tree).remove(place, path)


async def is_kept(node: Node, content: bytes) -> bool:
    """Whether the image has it when everything has gone that is there only for now."""
    for _ in range(2):
        await node.later(GRACE + 1000)
        await node.collect()
    return (await node.ask("GET", f"/v2/r/app/blobs/{sha256(content)}")).body == content


@pytest.mark.parametrize("reference", ["1.0", sha256(IMAGE)])
async def test_a_layer_that_was_taken_out_of_an_image_is_there_again_when_it_is_pushed_again(
    node: Node, reference: str
) -> None:
    await push(node, reference)
    await take_away(node, f"app/{reference}/sha256__{sha256(ONE)[7:]}")
    await push(node, reference)
    assert await is_kept(node, ONE)


async def test_a_layer_that_was_taken_out_of_a_tag_is_there_again_when_the_image_is_pushed_by_digest(
    node: Node,
) -> None:
    await push(node, "1.0")
    await take_away(node, f"app/1.0/sha256__{sha256(ONE)[7:]}")
    await push(node, sha256(IMAGE))
    assert await is_kept(node, ONE)


async def test_an_image_that_a_tag_holds_whole_is_not_placed_once_more_by_its_digest(node: Node) -> None:
    await push(node, "1.0")
    await push(node, sha256(IMAGE))
    assert await node.count("docker_manifest") == 1


async def test_a_tag_that_was_pushed_again_is_not_the_oldest_any_more(node: Node) -> None:
    await node.create("few", maxUniqueTags=2)
    for tag in ("stable", "two", "stable", "three"):
        await node.push("few/app", tag, ONE, note=tag)
        await asyncio.sleep(0.003)  # the order of two pushes in one millisecond is nobody's business
    assert (await node.ask("GET", "/v2/few/app/tags/list")).json["tags"] == ["stable", "three"]


async def test_a_tag_is_told_by_the_digest_by_which_it_was_pushed_last(node: Node) -> None:
    await push(node, "1.0")
    other = f"sha512:{hashlib.sha512(IMAGE).hexdigest()}"
    for reference, told in ((f"{other}?tag=1.0", other), ("1.0", sha256(IMAGE))):
        answer = await node.put("r/app", reference, IMAGE)
        assert answer.headers["docker-content-digest"] == told
        assert (await node.ask("HEAD", "/v2/r/app/manifests/1.0")).headers["docker-content-digest"] == told


async def test_what_was_noted_of_an_image_stays_when_it_is_pushed_again(node: Node) -> None:
    await push(node, "1.0")
    row = await node.database.row(MANIFEST_ITEM)
    assert row is not None
    before = {**await properties_of(node.database, row[0]), "passed": ["yes"]}
    await node.database.transact(lambda tx: add_properties(tx, row[0], {"passed": ["yes"]}))
    await push(node, "1.0")
    assert await properties_of(node.database, row[0]) == before
