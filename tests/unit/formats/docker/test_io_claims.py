"""Uploads to an image of which each user may read a part: everybody's own, whatever others do; on both engines."""

import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from tests.stores import write
from tests.world import GRACE, Node, manifest, sha256

ONE, TWO = b"one", b"two"
RIGHTS = Action.READ | Action.DEPLOY | Action.DELETE
URL = f"/v2/r/app/blobs/{sha256(ONE)}"


@pytest.fixture
def ann(node: Node) -> Caller:
    return node.grant("ann", "r", "app/**", but=("app/b*/**", "app/sha256:*/**"), rights=RIGHTS)


@pytest.fixture
def bob(node: Node) -> Caller:
    return node.grant("bob", "r", "app/**", but=("app/a*/**", "app/sha256:*/**"), rights=RIGHTS)


async def sees(node: Node, caller: Caller) -> bool:
    return (await node.ask("HEAD", URL, caller=caller)).status == 200


async def test_an_image_is_pushed_that_shares_a_layer_with_a_tag_that_its_user_may_not_read(
    node: Node, ann: Caller, bob: Caller
) -> None:
    await node.push("r/app", "b1", ONE, caller=bob)
    assert not await sees(node, ann)
    await node.push("r/app", "a1", ONE, caller=ann)
    for caller in (ann, bob):
        assert await sees(node, caller)


@pytest.mark.parametrize("first", ["upload", "mount"])
async def test_the_upload_of_one_user_does_not_take_that_of_another_away(
    node: Node, ann: Caller, bob: Caller, first: str
) -> None:
    await node.create("t")
    await node.push("t/app", "1", ONE)
    node.grant("ann", "t")
    if first == "mount":
        answer = await node.ask("POST", f"/v2/r/app/blobs/uploads/?mount={sha256(ONE)}&from=t/app", caller=ann)
        assert answer.status == 201
    else:
        await node.upload("r/app", ONE, caller=ann)
    assert await sees(node, ann)
    assert not await sees(node, bob)
    for caller in (bob, Caller("admin", 1, is_admin=True)):
        await node.upload("r/app", ONE, caller=caller)
        assert await sees(node, ann)
    assert (await node.put("r/app", "a1", manifest(ONE), caller=ann)).status == 201
    assert (await node.put("r/app", "b1", manifest(ONE), caller=bob)).status == 201


async def test_who_deletes_an_upload_leaves_that_of_another_user(node: Node, ann: Caller, bob: Caller) -> None:
    for caller in (ann, bob):
        await node.upload("r/app", ONE, caller=caller)
    assert (await node.ask("DELETE", URL, caller=ann)).status == 202
    assert not await sees(node, ann)
    assert await sees(node, bob)
    assert (await node.ask("DELETE", URL, caller=ann)).status == 404


async def test_a_layer_of_a_tag_that_a_user_may_not_read_is_as_unknown_to_its_deletion_as_one_that_is_not_there(
    node: Node, ann: Caller, bob: Caller
) -> None:
    await node.push("r/app", "b1", ONE, caller=bob)
    for url in (URL, f"/v2/r/app/blobs/{sha256(TWO)}"):
        assert (await node.ask("DELETE", url, caller=ann)).status == 404
    assert (await node.ask("DELETE", URL, caller=bob)).status == 405
    await node.upload("r/app", ONE, caller=bob)
    assert (await node.ask("DELETE", URL, caller=bob)).status == 405


async def test_an_upload_beside_a_manifest_of_others_has_a_time_of_its_own(
    node: Node, ann: Caller, bob: Caller
) -> None:
    await node.push("r/app", "b1", ONE, caller=bob)
    await node.upload("r/app", ONE, caller=ann)
    await node.later(GRACE * 3 // 4)
    assert await sees(node, ann)  # and may rely on it from now on
    await node.later(GRACE // 2 - 1000)
    assert (await node.put("r/app", "a1", manifest(ONE), caller=ann)).status == 201
    await node.upload("r/app", ONE, caller=ann)
    assert (await node.ask("DELETE", "/v2/r/app/manifests/a1", caller=ann)).status == 202
    await node.later(GRACE + 1000)
    assert not await sees(node, ann)
    await node.collect()
    assert await node.count("image_blob_claim") == 0
    assert await sees(node, bob)


async def test_what_is_read_at_a_path_needs_no_upload_that_is_over(node: Node, ann: Caller) -> None:
    await node.push("r/app", "a1", ONE, caller=ann)
    await node.later(GRACE + 1000)
    assert await sees(node, ann)


async def test_an_upload_stays_its_users_whose_rights_become_narrower_before_the_manifest_comes(
    node: Node, bob: Caller
) -> None:
    everything = node.grant("ann", "r", "**", rights=RIGHTS)
    for content in (ONE, TWO):
        await node.upload("r/app", content, caller=everything)
    ann = node.grant("ann", "r", "app/**", but=("app/b*/**", "app/sha256:*/**"), rights=RIGHTS)
    assert not await sees(node, bob)
    assert (await node.put("r/app", "a1", manifest(ONE), caller=ann)).status == 201
    two = f"/v2/r/app/blobs/{sha256(TWO)}"
    assert (await node.ask("DELETE", two, caller=bob)).status == 404
    assert [(await node.ask("DELETE", two, caller=ann)).status for _ in range(2)] == [202, 404]
    assert (await node.ask("HEAD", two, caller=ann)).status == 404


async def test_nothing_more_is_noted_of_who_may_read_the_whole_image(node: Node) -> None:
    await node.upload("r/app", ONE)
    assert await node.count("image_blob_claim") == 0
    assert await node.count("image_blob") == 1


async def test_what_a_repository_held_goes_with_its_claims(node: Node, ann: Caller) -> None:
    await node.upload("r/app", ONE, caller=ann)
    await write(node.database, "DELETE FROM image_blob")
    assert await node.count("image_blob_claim") == 0
