"""Mounts that cannot be are ordinary uploads, for whatever reason; on both engines."""

import pytest

from entrepot.auth.audit import SYSTEM
from tests.world import Node, sha256

ONE = b"one"
START = "/v2/r/app/blobs/uploads/"


@pytest.mark.parametrize("stated", ["&from=dark/app", ""])
async def test_nothing_is_mounted_out_of_a_repository_that_is_blacked_out(node: Node, stated: str) -> None:
    await node.create("dark")
    await node.push("dark/app", "1.0", ONE)
    await node.repositories.update("dark", lambda config: {**config, "blackedOut": True}, SYSTEM)
    answer = await node.ask("POST", f"{START}?mount={sha256(ONE)}{stated}")
    assert answer.status == 202


@pytest.mark.parametrize("digest", [f"blake3:{'0' * 64}", f"sha384:{'0' * 96}", "sha256:short", "garbage"])
async def test_a_digest_that_is_not_valid_or_of_an_algorithm_that_is_not_known_is_mounted_from_nowhere(
    node: Node, digest: str
) -> None:
    answer = await node.ask("POST", f"{START}?mount={digest}&from=r/other")
    assert answer.status == 202
    assert answer.headers["location"].startswith(START)
