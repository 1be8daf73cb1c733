"""Bytes that were lost and given up are wanted from whoever pushes; on both engines."""

import pytest

from entrepot.jobs.inspection import check
from tests.world import INDEX, Node, index, manifest, sha256

BIG, OTHER = b"x" * 50_000, b"y" * 50_000
URL = f"/v2/r/app/blobs/{sha256(BIG)}"


@pytest.fixture
async def lacking(node: Node) -> Node:
    """The node with an image of whose two layers one was lost and given up."""
    await node.push("r/app", "1.0", BIG)
    (lost,) = await node.objects()
    await node.upload("r/app", OTHER)
    await node.driver.delete(lost)
    assert (await check(node.database, node.driver, repair=True)).repaired == 1
    return node


async def test_what_was_given_up_is_pushed_again_by_who_asks_first(lacking: Node) -> None:
    answer = await lacking.ask("HEAD", URL)
    assert (answer.status, answer.error and answer.error.code) == (404, "BLOB_UNKNOWN")
    assert (await lacking.ask("GET", URL)).status == 503
    await lacking.upload("r/app", BIG)
    assert (await lacking.ask("HEAD", URL)).status == 200
    assert (await lacking.ask("GET", URL)).body == BIG


async def test_no_manifest_may_name_what_was_given_up(lacking: Node) -> None:
    answer = await lacking.put("r/app", "2.0", manifest(OTHER, BIG))
    assert (answer.status, answer.error and answer.error.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert answer.error is not None
    assert answer.error.detail == sha256(BIG)
    await lacking.upload("r/app", BIG)
    assert (await lacking.put("r/app", "2.0", manifest(OTHER, BIG))).status == 201


async def test_a_manifest_that_was_given_up_is_unknown_to_head_and_to_an_index(node: Node) -> None:
    config, child = b"{}", manifest(b"{}", note="x" * 50_000)
    await node.upload("r/app", config)
    await node.put("r/app", "1.0", child)
    await node.upload("r/app", OTHER)
    objects = await node.objects()
    [lost] = [key for key in objects if (await node.driver.size(key)) > len(OTHER)]
    await node.driver.delete(lost)
    assert (await check(node.database, node.driver, repair=True)).repaired == 1
    answer = await node.put("r/app", "all", index(child), kind=INDEX)
    assert (answer.status, answer.error and answer.error.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    told = [(await node.ask("HEAD", f"/v2/r/app/manifests/{one}")).status for one in ("1.0", sha256(child))]
    assert told == [404, 404]
    assert (await node.ask("GET", "/v2/r/app/manifests/1.0")).status == 503
    await node.put("r/app", "1.0", child)
    assert (await node.ask("HEAD", "/v2/r/app/manifests/1.0")).status == 200
    assert (await node.put("r/app", "all", index(child), kind=INDEX)).status == 201


@pytest.mark.parametrize("stated", ["&from=r/app", ""])
async def test_what_was_given_up_is_not_mounted(lacking: Node, stated: str) -> None:
    for content, status in ((BIG, 202), (OTHER, 201)):
        url = f"/v2/r/new/blobs/uploads/?mount={sha256(content)}{stated}"
        assert (await lacking.ask("POST", url)).status == status
