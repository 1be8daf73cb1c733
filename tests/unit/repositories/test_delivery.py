"""What a process keeps of the replies that it has sent."""

import gc

from entrepot.blobs.drivers.memory import Memory
from entrepot.messages import Request
from entrepot.metadata.blob_rows import Stored
from entrepot.repositories.content import Content
from entrepot.repositories.delivery import deliver
from tests.world import ADMIN, Given, Node, Sent, sha256


def kept(digest: str) -> bool:
    """Whether anything still holds a blob's bytes."""
    gc.collect()
    return any(isinstance(one, Stored) and one.digest == digest for one in gc.get_objects())


async def test_headers_that_are_remembered_hold_no_manifest(node: Node) -> None:
    body = await node.push("r/app", "1.0")
    assert (await node.ask("GET", "/v2/r/app/manifests/1.0")).body == body
    assert kept(sha256(body))
    node.content._known.clear()
    assert not kept(sha256(body))


def test_headers_that_are_remembered_hold_no_file() -> None:
    stored = Stored(1, 3, b"only here".ljust(32), b"1" * 20, b"2" * 16, b"abc", ())
    digest = stored.digest
    request = Request(
        "GET", "/", {}, Given(), Sent(b""), "0" * 16, "127.0.0.1", lambda: "http://r", ADMIN
    )  # fmt: skip
    content = Content(None, Memory())  # type: ignore[arg-type]
    assert deliver(request, content, stored, headers=[], etag="e", file_name="f").body == b"abc"
    del stored
    assert not kept(digest)
