"""Repairs beside a node that goes on serving: what is pushed meanwhile is not touched."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from entrepot.blobs.contract import StoredObject
from entrepot.blobs.drivers.memory import Memory
from entrepot.jobs.inspection import check
from entrepot.metadata.blob_rows import Piece, discard
from tests.stores import value
from tests.world import GRACE, Answer, Node, another, manifest, sha256

BIG, OTHER = b"x" * 50_000, b"o" * 60_000


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
