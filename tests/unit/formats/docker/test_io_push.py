"""What one PUT of a manifest may cost, and what it answers; on both engines."""

import threading

import pytest

from entrepot.blobs.ingest import Hashes
from entrepot.formats.docker import push
from tests.world import Node, manifest, sha256

ONE = b"one"


@pytest.mark.parametrize(("note", "beside"), [("short", False), ("long" * 20_000, True)], ids=["short", "long"])
async def test_a_long_manifest_is_read_and_hashed_beside_the_loop(
    node: Node, monkeypatch: pytest.MonkeyPatch, note: str, beside: bool
) -> None:
    parse, threads = push.parse, []

    def noted(*arguments: object, **more: object) -> object:
        threads.append(threading.current_thread())
        return parse(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(push, "parse", noted)
    await node.upload("r/app", ONE)
    body = manifest(ONE, note=note)
    assert (await node.put("r/app", sha256(body), body)).status == 201
    assert [one is not threading.main_thread() for one in threads] == [beside]


async def test_a_manifest_is_hashed_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.upload("r/app", ONE)
    body = manifest(ONE, note="long" * 20_000)
    update, hashed = Hashes.update, 0

    def counted(hashes: Hashes, buffer: bytes) -> None:
        nonlocal hashed
        hashed += len(buffer) * bool(hashes._states)
        update(hashes, buffer)

    monkeypatch.setattr(Hashes, "update", counted)
    assert (await node.put("r/app", "1.0", body)).status == 201
    assert hashed == len(body)


async def test_tags_beside_a_tag_are_passed_over_and_not_told(node: Node) -> None:
    await node.upload("r/app", ONE)
    answer = await node.put("r/app", "b?tag=zz", manifest(ONE))
    assert answer.status == 201
    assert "oci-tag" not in answer.headers
    assert (await node.ask("GET", "/v2/r/app/tags/list")).json["tags"] == ["b"]
