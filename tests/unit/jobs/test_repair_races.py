"""Repairs beside a node that goes on serving: what is pushed meanwhile is not touched."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from entrepot.blobs.contract import StoredObject
from entrepot.blobs.drivers.memory import Memory
from entrepot.jobs import inspection
from entrepot.jobs.inspection import Inspection, check, fsck
from entrepot.metadata.blob_rows import Arrival, admit, heal
from entrepot.metadata.objects import Piece, discard
from entrepot.metadata.sql import sql
from tests.stores import value
from tests.world import GRACE, Answer, Node, another, manifest, sha256

BIG, OTHER, TWO = b"x" * 50_000, b"o" * 60_000, b"y" * 60_000


class Watched(Memory):
    """The store of a node, where something happens at one of its steps, the first time that it is taken."""

    def __init__(self, node: Node) -> None:
        assert isinstance(node.driver, Memory)
        super().__init__()
        self._objects = node.driver._objects
        self.listing: Callable[[], Awaitable[object]] | None = None
        self.putting: Callable[[], Awaitable[object]] | None = None
        self.reading: Callable[[str], Awaitable[object]] | None = None

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        if self.listing is not None:
            begin, self.listing = self.listing, None
            await begin()
        async for stored in super().list(prefix):
            yield stored

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        size = await super().put(key, chunks)
        if self.putting is not None:
            done, self.putting = self.putting, None
            await done()
        return size

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        async for chunk in super().read(key, start, stop):
            yield chunk
        if self.reading is not None:
            await self.reading(key)


class Push:
    """A push by another process, which stops between its object and the transaction that names it."""

    def __init__(self, node: Node, content: bytes, digest: str = "") -> None:
        self._node, self._content = node, content
        self._url = f"/v2/r/app/blobs/uploads/?digest={digest or sha256(content)}"
        self._stored, self._go_on = asyncio.Event(), asyncio.Event()
        self._asking: asyncio.Task[Answer]

    async def begin(self) -> None:
        other = await another(self._node)
        other.intake.driver = slow = Watched(self._node)

        async def wait() -> None:
            self._stored.set()
            await self._go_on.wait()

        slow.putting = wait
        self._asking = asyncio.create_task(other.ask("POST", self._url, self._content))
        await self._stored.wait()

    async def end(self) -> Answer:
        self._go_on.set()
        return await self._asking


async def push_in_chunks(node: Node, content: bytes) -> None:
    where = (await node.ask("POST", "/v2/r/app/blobs/uploads/")).headers["location"]
    for start in range(0, len(content), 30_000):
        assert (await node.ask("PATCH", where, content[start : start + 30_000])).status == 202
    assert (await node.ask("PUT", f"{where}?digest={sha256(content)}")).status == 201


async def read(node: Node, content: bytes) -> bytes:
    node.content.forget()
    return (await node.ask("GET", f"/v2/r/app/blobs/{sha256(content)}")).body


async def test_what_a_process_stores_that_starts_during_a_repair_is_no_orphan(node: Node) -> None:
    await node.push("r/app", "0", OTHER)
    push, store = Push(node, BIG), Watched(node)
    store.listing = push.begin
    assert (await check(node.database, store, repair=True)).clean
    assert (await push.end()).status == 201
    await node.upload("r/app", b"{}")
    await node.put("r/app", "1", manifest(b"{}", BIG))
    await node.later(GRACE + 1000)
    await node.collect()
    assert await read(node, BIG) == BIG


async def test_an_object_that_a_row_names_is_not_deleted_although_it_is_queued(node: Node) -> None:
    await node.push("r/app", "0", BIG)
    left = await node.leave_garbage(OTHER)
    (key,) = [key for key in await node.objects() if key != left.key]
    await node.database.transact(lambda tx: discard(tx, (Piece(key, 1), Piece(left.key or "", 1))))
    await node.later(1000)
    assert (await node.collect()).objects == 1
    assert await read(node, BIG) == BIG
    assert await value(node.database, "SELECT COUNT(*) FROM delete_queue") == 0


async def test_damaged_chunks_that_were_pushed_again_while_they_were_read_are_not_given_up(node: Node) -> None:
    await node.push("r/app", "0", OTHER)
    await push_in_chunks(node, TWO)
    first, second = await node.database.rows(sql("SELECT storage_key FROM blob_segment ORDER BY seq"))
    await node.driver.delete(second[0])
    store = Watched(node)

    async def again(key: str) -> None:
        if key == first[0]:
            store.reading = None
            await push_in_chunks(node, TWO)

    store.reading = again
    found = await fsck(node.database, store, repair=True)
    assert (found.missing_count, found.repaired) == (0, 0)
    assert await read(node, TWO) == TWO


@pytest.mark.parametrize("inspect", [check, fsck])
async def test_lost_bytes_that_are_pushed_again_before_they_are_given_up_stay(
    node: Node, monkeypatch: pytest.MonkeyPatch, inspect: Callable[..., Awaitable[Inspection]]
) -> None:
    await node.push("r/app", "0", OTHER)
    await push_in_chunks(node, TWO)
    await node.driver.delete((await node.database.rows(sql("SELECT storage_key FROM blob_segment")))[0][0])
    assert (await check(node.database, node.driver, repair=True)).repaired == 1
    tell = inspection._finding

    async def told(*what: Any) -> object:
        await push_in_chunks(node, TWO)
        return await tell(*what)

    monkeypatch.setattr(inspection, "_finding", told)
    assert (await inspect(node.database, node.driver, repair=True)).repaired == 0
    assert await read(node, TWO) == TWO


@pytest.mark.parametrize("digest", [sha256(BIG), sha256(OTHER)], ids=["that ends well", "that fails"])
async def test_the_object_of_a_push_that_still_runs_is_not_given_to_a_blob_that_has_lost_its_bytes(
    node: Node, digest: str
) -> None:
    await node.push("r/app", "0", OTHER)
    await node.push("r/app", "1", BIG)
    lost = await value(node.database, "SELECT storage_key FROM blob WHERE size = 50000")
    await node.driver.delete(str(lost))
    push = Push(node, BIG, digest)
    await push.begin()
    assert (await check(node.database, node.driver, repair=True)).repaired == 1
    assert (await push.end()).status == (201 if digest == sha256(BIG) else 400)
    await node.upload("r/app", BIG)
    await node.later(GRACE + 1000)
    await node.collect()
    assert await read(node, BIG) == BIG
    assert (await check(node.database, node.driver)).clean


@pytest.mark.parametrize("content", [TWO, b"few"], ids=["in chunks", "inline"])
async def test_a_blob_that_has_its_bytes_in_chunks_or_inline_is_given_no_object(node: Node, content: bytes) -> None:
    await push_in_chunks(node, content)
    (row,) = await node.database.rows(sql("SELECT id FROM blob"))
    assert not await node.database.transact(lambda tx: heal(tx, row[0], "a/b/c"))
    assert await read(node, content) == content


async def test_an_object_that_a_blob_has_already_is_not_discarded_when_its_push_ends(node: Node) -> None:
    await node.push("r/app", "0", BIG)
    row = await node.database.row(sql("SELECT sha256, sha1, md5, size, storage_key FROM blob WHERE size = 50000"))
    assert row is not None
    arrival = Arrival(*row[:4], pieces=(Piece(row[4], row[3]),))
    await node.database.transact(lambda tx: admit(tx, arrival))
    assert await value(node.database, "SELECT COUNT(*) FROM delete_queue") == 0
