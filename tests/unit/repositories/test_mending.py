"""Pushes of bytes that the database knows and the blob store has lost; on both engines, in memory and in files."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from entrepot.access.permissions import Rules
from entrepot.artifacts.deploy import Deploy, Target
from entrepot.blobs.contract import Driver, StoreUnavailable
from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.ingest import Hashes
from entrepot.jobs.inspection import check
from entrepot.metadata.blob_rows import admit
from entrepot.metadata.objects import Piece
from entrepot.metadata.sql import sql
from entrepot.repositories import content as contents
from entrepot.repositories.arrivals import arrival
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted
from tests.stores import write
from tests.world import ADMIN, Node, another, manifest, sha256

BIG = b"x" * 50_000
VERSION = sql("SELECT version FROM cfg_version WHERE scope = 'blobs'")
SPARE = 600_000


@pytest.fixture(params=["memory", "files"])
async def here(node: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Node:
    """A process with a store of its own."""
    driver: Driver = Memory() if request.param == "memory" else Files(tmp_path / "blobs")
    return await another(Node(node.database, driver, node.rules))


async def put(node: Node, key: str, content: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await node.driver.put(key, chunks())


async def in_chunks(node: Node, content: bytes) -> None:
    """Upload in three requests, so that three objects arise."""
    where = (await node.ask("POST", "/v2/r/app/blobs/uploads/")).headers["location"]
    for at in range(0, len(content), 20_000):
        where = (await node.ask("PATCH", where, content[at : at + 20_000])).headers["location"]
    assert (await node.ask("PUT", f"{where}?digest={sha256(content)}")).status == 201


async def lose_all(node: Node) -> list[str]:
    lost = await node.objects()
    for key in lost:
        await node.driver.delete(key)
    return lost


async def is_there_for_good(node: Node, content: bytes = BIG) -> bool:
    """Whether whoever knows nothing yet can read it, also once all that is redundant has gone."""
    await node.later(SPARE + 1000)
    await node.collect()
    fresh = await another(node)
    got = await fresh.ask("GET", f"/v2/r/app/blobs/{sha256(content)}")
    return got.body == content and (await check(node.database, node.driver)).clean


async def test_a_push_of_lost_bytes_mends_them_and_is_logged(here: Node) -> None:
    await here.push("r/app", "1.0", BIG)
    url = f"/v2/r/app/blobs/{sha256(BIG)}"
    assert (await here.ask("GET", url)).body == BIG
    (lost,) = await lose_all(here)
    before = await here.database.row(VERSION)
    with capture_logs() as logs:
        await here.upload("r/app", BIG)
    assert logs == [{"event": "blob.mended", "log_level": "warning", "digest": sha256(BIG), "lost": lost}]
    assert await here.database.row(VERSION) != before  # so that others ask anew
    assert (await here.ask("GET", url)).body == BIG
    assert await is_there_for_good(here)


async def test_a_deploy_of_an_object_that_is_too_short_mends_it(here: Node) -> None:
    await here.create("libs", package_type="generic")
    repository = here.repositories.get("libs")
    assert repository is not None

    async def unbounded(*_: object) -> None:
        pass

    deploy = Deploy(here.database, here.content, here.intake, tree=here.tree, granter=None, room=unbounded)  # type: ignore[arg-type]

    async def body() -> AsyncIterator[bytes]:
        yield BIG

    await here.upload("r/app", BIG)
    (short,) = await lose_all(here)
    await put(here, short, BIG[1:])
    granted = Granted(ADMIN, Rules(here.rules), "libs", repository, (repository,))
    await deploy.file(granted, Target(repository, "a.bin", {}), body(), {})
    assert await is_there_for_good(here)


async def test_a_manifest_that_is_too_large_for_the_database_is_mended_by_its_push(here: Node) -> None:
    await here.upload("r/app", b"{}")
    large = manifest(b"{}", note="n" * 30_000)
    assert (await here.put("r/app", "1.0", large)).status == 201
    await lose_all(here)
    assert (await here.put("r/app", "1.0", large)).status == 201
    assert await is_there_for_good(here, large)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("again", [in_chunks, lambda node, content: node.upload("r/app", content)])
async def test_lost_chunks_are_mended_by_chunks_and_by_one_object(
    here: Node, joined: bool, again: Callable[[Node, bytes], Awaitable[None]]
) -> None:
    await in_chunks(here, BIG)
    assert await here.compact() == 1 if joined else len(await here.objects()) == 3
    await lose_all(here)
    await again(here, BIG)
    await here.compact()
    assert await is_there_for_good(here)


async def test_small_bytes_that_were_in_a_lost_object_come_into_the_database(here: Node) -> None:
    hashes = Hashes()
    hashes.update(b"small")
    arrived = arrival(hashes.checksums(5), inline=None, pieces=(Piece("w/2026010100/lost", 5),))
    await here.database.transact(lambda tx: admit(tx, arrived))
    await here.upload("r/app", b"small")
    assert await here.count("blob_inline") == 1
    assert await is_there_for_good(here, b"small")


async def test_the_store_is_not_asked_about_what_is_new_or_in_the_database(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    size = Memory.size

    async def noted(store: Memory, key: str) -> int:
        asked.append(key)
        return await size(store, key)

    monkeypatch.setattr(Memory, "size", noted)
    for _ in range(2):
        await node.upload("r/app", b"small")
    await node.upload("r/app", BIG)
    assert asked == []
    (held,) = await node.objects()
    await node.upload("r/app", BIG)
    assert asked == [held]


async def test_a_store_that_does_not_answer_keeps_the_row_and_fails_no_push(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.upload("r/app", BIG)
    before = await node.database.row(sql("SELECT storage_key FROM blob"))

    async def away(*_: object) -> int:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "size", away)
        await node.upload("r/app", BIG)
    assert await node.database.row(sql("SELECT storage_key FROM blob")) == before
    assert await is_there_for_good(node)


async def test_only_some_of_very_many_objects_are_asked_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await in_chunks(node, BIG)
    monkeypatch.setattr(contents, "_ASKED", 0)
    await lose_all(node)
    await node.upload("r/app", BIG)
    assert (await check(node.database, node.driver)).missing_count == 1


class Meanwhile:
    """Lets something happen between the answer of the store and the transaction that mends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, happening: Callable[[], Awaitable[object]]) -> None:
        has, patch = Content.has, self._monkeypatch

        async def interrupted(content: Content, pieces: tuple[Piece, ...]) -> bool:
            found = await has(content, pieces)
            patch.setattr(Content, "has", has)
            await happening()
            return found

        patch.setattr(Content, "has", interrupted)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(monkeypatch)


async def test_of_two_pushes_that_mend_at_once_one_wins_and_the_object_of_the_other_goes(
    node: Node, meanwhile: Meanwhile
) -> None:
    await node.upload("r/app", BIG)
    await lose_all(node)
    other = await another(node)
    meanwhile(lambda: other.upload("r/app", BIG))
    with capture_logs() as logs:
        await node.upload("r/app", BIG)
    assert [line["event"] for line in logs] == ["blob.mended"]
    assert len(await node.objects()) == 2
    assert await is_there_for_good(node)
    assert len(await node.objects()) == 1


async def test_pushes_that_come_at_once_all_end_well(node: Node) -> None:
    await node.upload("r/app", BIG)
    await lose_all(node)
    others = [await another(node) for _ in range(4)]
    await asyncio.gather(*(one.upload("r/app", BIG) for one in others))
    assert await is_there_for_good(node)
    assert len(await node.objects()) == 1


async def test_a_blob_that_a_repair_gives_up_meanwhile_is_mended(node: Node, meanwhile: Meanwhile) -> None:
    await node.upload("r/app", BIG)
    await lose_all(node)
    meanwhile(lambda: check(node.database, Memory(), repair=True))
    await node.upload("r/app", BIG)
    assert await is_there_for_good(node)


async def test_a_blob_that_is_collected_meanwhile_stays_away(node: Node, meanwhile: Meanwhile) -> None:
    async def collect() -> None:
        await write(node.database, "DELETE FROM image_blob")
        await write(node.database, "DELETE FROM blob")

    await node.upload("r/app", BIG)
    await lose_all(node)
    meanwhile(collect)
    await node.upload("r/app", BIG)
    await node.later(SPARE + 1000)
    await node.collect()
    assert await node.objects() == []
    assert (await check(node.database, node.driver)).clean


@pytest.mark.parametrize("again", [in_chunks, lambda node, content: node.upload("r/app", content)])
async def test_an_object_that_may_be_deleted_any_moment_is_not_named_again(
    node: Node, meanwhile: Meanwhile, again: Callable[[Node, bytes], Awaitable[None]]
) -> None:
    await node.upload("r/app", BIG)
    (lost,) = await lose_all(node)
    meanwhile(lambda: node.later(SPARE // 2 + 1000))
    await again(node, BIG)
    assert await node.database.row(sql("SELECT storage_key FROM blob")) == (lost,)
    await node.later(SPARE)
    await node.collect()
    assert await node.objects() == []


async def test_what_was_lost_and_turns_up_again_is_given_back_if_it_is_needed(node: Node) -> None:
    await node.push("r/app", "1.0", BIG)
    (lost,) = await lose_all(node)
    await node.upload("r/app", BIG)
    await lose_all(node)  # the volume that took its place is unmounted
    await put(node, lost, BIG)
    await node.writer.opened("2999123123")
    await node.writer.beat(node.intake)  # the hour of the object is closed: no push may still name or remove it
    await check(node.database, node.driver, repair=True)
    assert await is_there_for_good(node)
