"""What one PUT of a manifest may cost, and what it answers; on both engines."""

import json
import threading

import pytest

from entrepot.blobs.ingest import Hashes
from entrepot.formats.docker import placement, push
from tests.world import INDEX, Node, index, manifest, sha256

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


async def test_one_request_sets_no_more_tags_than_its_transaction_can_write_while_others_wait(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "_ROWS_AT_ONCE", 12)
    config = json.dumps({"config": {"Labels": {"a": "1", "b": "2"}}}).encode()
    for content in (config, ONE):
        await node.upload("r/app", content)
    body = manifest(config, ONE)
    for tags, status in (("tag=a&tag=b&tag=c", 201), ("tag=a&tag=b&tag=c&tag=d", 400)):
        assert (await node.put("r/app", f"{sha256(body)}?{tags}", body)).status == status
    assert (await node.ask("GET", "/v2/r/app/tags/list")).json["tags"] == ["a", "b", "c"]


async def test_the_children_of_an_index_count_among_what_one_transaction_writes(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.upload("r/app", ONE)
    monkeypatch.setattr(placement, "_ROWS_AT_ONCE", 2)
    children = [manifest(ONE, note=note) for note in ("a", "b", "c")]
    for child in children:
        assert (await node.put("r/app", sha256(child), child)).status == 201
    for most, status in ((2, 201), (3, 400)):
        assert (await node.put("r/app", "1.0", index(*children[:most]), kind=INDEX)).status == status


async def test_no_more_tags_are_set_at_once_than_the_repository_keeps(node: Node) -> None:
    await node.create("few", maxUniqueTags=2)
    await node.upload("few/app", ONE)
    body = manifest(ONE)
    for tags, status in (("tag=a&tag=b", 201), ("tag=c&tag=d&tag=e", 414)):
        assert (await node.put("few/app", f"{sha256(body)}?{tags}", body)).status == status
    assert (await node.ask("GET", "/v2/few/app/tags/list")).json["tags"] == ["a", "b"]


@pytest.mark.parametrize("many", [101, 400])
async def test_too_many_tags_at_once_are_told_as_that(node: Node, many: int) -> None:
    await node.upload("r/app", ONE)
    body = manifest(ONE)
    answer = await node.put("r/app", f"{sha256(body)}?{'&'.join(f'tag=t{n}' for n in range(many))}", body)
    assert answer.status == 414
    assert answer.error is not None
    assert answer.error.message.startswith(("More than 100 tags", "The query string has too many"))


@pytest.mark.parametrize("name", ["r%2fapp", "r/a%2Fb", "r/%61pp", "r/app%00"])
async def test_names_are_not_percent_decoded(node: Node, name: str) -> None:
    answer = await node.ask("POST", f"/v2/{name}/blobs/uploads/")
    assert answer.error is not None
    assert (answer.status, answer.error.code) == (400, "NAME_INVALID")
