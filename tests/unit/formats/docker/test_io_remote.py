"""Remote repositories, while they answer from their cache only; on both engines."""

import pytest

from tests.stores import write
from tests.world import MANIFEST, Node, manifest, sha256

ONE = b"one"


async def remote(node: Node) -> bytes:
    """Push an image, and make its repository the cache of a remote one; return the manifest."""
    body = await node.push("r/app", "1.0", ONE)
    change = (
        """UPDATE repository SET rclass = 'remote', config = REPLACE(config, '"rclass":"local"', '"rclass":"remote"')"""
    )
    await write(node.database, change)
    await node.repositories.refresh()
    return body


async def test_what_comes_from_a_cache_says_so(node: Node) -> None:
    body = await remote(node)
    for path in ("manifests/1.0", f"manifests/{sha256(body)}", f"blobs/{sha256(ONE)}"):
        for method in ("GET", "HEAD"):
            answer = await node.ask(method, f"/v2/r/app/{path}")
            assert answer.status == 200
            assert answer.headers["warning"].startswith("112 ")


async def test_what_a_local_repository_holds_comes_without_a_warning(node: Node) -> None:
    await node.push("r/app", "1.0", ONE)
    for path in ("manifests/1.0", f"blobs/{sha256(ONE)}"):
        assert "warning" not in (await node.ask("GET", f"/v2/r/app/{path}")).headers


async def test_what_is_not_in_the_cache_is_unknown_and_the_text_says_why(node: Node) -> None:
    await remote(node)
    for path in ("manifests/2.0", f"blobs/{sha256(b'other')}"):
        answer = await node.ask("GET", f"/v2/r/app/{path}")
        assert answer.status == 404
        assert answer.error is not None
        assert "Only the cache of r was asked" in answer.error.message
    await node.create("l")
    answer = await node.ask("GET", f"/v2/l/app/blobs/{sha256(ONE)}")
    assert answer.error is not None
    assert "cache" not in answer.error.message


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("POST", "blobs/uploads/", "upload blobs to"),
        ("PUT", "manifests/2.0", "upload a manifest to"),
        ("DELETE", "manifests/1.0", "delete a manifest from"),
        ("DELETE", f"blobs/sha256:{'0' * 64}", "delete blobs from"),
    ],
)
async def test_nothing_is_pushed_to_a_remote_repository_nor_deleted_there(
    node: Node, method: str, path: str, told: str
) -> None:
    await remote(node)
    answer = await node.ask(method, f"/v2/r/app/{path}", manifest(b"one"), content_type=MANIFEST)
    assert answer.error is not None
    assert (answer.status, answer.error.message) == (400, f"Unable to {told} a remote repository.")


async def test_who_asks_a_remote_repository_for_tags_is_told_that_only_the_cache_was_asked(node: Node) -> None:
    await remote(node)
    answer = await node.ask("GET", "/v2/r/none/tags/list")
    assert answer.error is not None
    assert (answer.status, answer.error.code) == (404, "NAME_UNKNOWN")
    assert "Only the cache of r was asked, not its remote server" in answer.error.message
