import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar, TypeVarTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.blobs import ingest as module
from entrepot.blobs.contract import BlobMissing, StoreFull, StoreUnavailable, TooManyUploads
from entrepot.blobs.drivers.faulty import Faults, Faulty
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.ingest import INLINE_LIMIT, Hashes, Received, ingest, rehash
from entrepot.blobs.threads import Lane
from entrepot.errors import TooLarge

MIB = 1 << 20
PIECE = 32_768
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

KEY = "w1/2026112400/x"


async def key() -> str:
    return KEY


async def no_key() -> str:
    raise AssertionError("a key was asked for")


async def source(body: bytes, piece: int = PIECE, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for at in range(0, len(body), piece):
        yield body[at : at + piece]
    if error is not None:
        raise error


async def content(driver: Memory, name: str = KEY) -> bytes:
    return b"".join([piece async for piece in driver.read(name)])


def random_body(size: int) -> bytes:
    return hashlib.shake_128(b"seed").digest(size)


class Recording(Memory):
    """Remembers the sizes of the chunks that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        async def seen() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                self.sizes.append(len(chunk))
                yield chunk

        return await super().put(key, seen())


class Gated(Lane):
    """A lane that does its work only when the test opens it; counts what was begun."""

    def __init__(self, *, opened: bool = False) -> None:
        super().__init__("gated", 1)
        self.begun = 0
        self._gate = asyncio.Event()
        if opened:
            self._gate.set()

    def open(self) -> None:
        self._gate.set()

    def start(self, work: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        self.begun += 1

        async def later() -> T:
            await self._gate.wait()
            return work(*args)

        return asyncio.ensure_future(later())


@pytest.mark.parametrize("size", [0, 1, PIECE // 4, INLINE_LIMIT])
async def test_a_small_body_is_inline_and_touches_neither_driver_nor_keys(size: int) -> None:
    body, driver, hashes = random_body(size), Recording(), Hashes()
    received = await ingest(source(body, 1_000), driver=driver, key=no_key, hashes=hashes, limit=None)
    assert received == Received(size, None, body)
    assert driver.sizes == []
    assert hashes.checksums(size).sha256 == hashlib.sha256(body).digest()


@pytest.mark.parametrize("size", [INLINE_LIMIT + 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
async def test_a_larger_body_is_in_the_driver_under_its_key(size: int) -> None:
    body, driver, hashes = random_body(size), Memory(), Hashes()
    received = await ingest(source(body), driver=driver, key=key, hashes=hashes, limit=None)
    assert received == Received(size, KEY, None)
    assert await content(driver) == body
    assert hashes.checksums(size).sha256 == hashlib.sha256(body).digest()


async def test_with_an_inline_limit_of_nothing_every_byte_goes_to_the_driver() -> None:
    driver = Memory()
    received = await ingest(source(b"x"), driver=driver, key=key, hashes=Hashes(), inline_limit=0, limit=None)
    assert (received.key, await content(driver)) == (KEY, b"x")
    empty = await ingest(source(b""), driver=driver, key=no_key, hashes=Hashes(), inline_limit=0, limit=None)
    assert empty == Received(0, None, b"")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 300_000), max_size=12), st.integers(0, 50_000), st.booleans(), st.binary(max_size=8))
async def test_however_it_is_cut_the_checksums_and_the_bytes_are_those_of_the_body(
    cuts: list[int], inline_limit: int, sha512: bool, before: bytes
) -> None:
    pieces = [random_body(cut) for cut in cuts]
    body, driver, hashes = b"".join(pieces), Memory(), Hashes(sha512=sha512)
    hashes.update(before)

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    received = await ingest(arriving(), driver=driver, key=key, hashes=hashes, inline_limit=inline_limit, limit=None)
    assert received.size == len(body)
    assert (received.inline if received.key is None else await content(driver)) == body
    assert (received.key is None) == (len(body) <= inline_limit)
    checksums, whole = hashes.checksums(len(before + body)), before + body
    assert checksums.sha256 == hashlib.sha256(whole).digest()
    assert checksums.sha1 == hashlib.sha1(whole).digest()
    assert checksums.md5 == hashlib.md5(whole).digest()
    assert checksums.sha512 == (hashlib.sha512(whole).digest() if sha512 else None)
    assert checksums.size == len(whole)


def test_sha512_is_computed_only_when_asked_for() -> None:
    assert Hashes().checksums(0).sha512 is None
    assert Hashes(sha512=True).checksums(0).sha512 == hashlib.sha512().digest()


@pytest.mark.parametrize("sha512", [True, False])
def test_a_copy_of_hashes_goes_its_own_way(sha512: bool) -> None:
    hashes = Hashes(sha512=sha512)
    hashes.update(b"a")
    twin = hashes.copy()
    twin.update(b"b")
    assert hashes.checksums(1).sha256 == hashlib.sha256(b"a").digest()
    assert twin.checksums(2).sha256 == hashlib.sha256(b"ab").digest()
    assert twin.checksums(2).sha512 == (hashlib.sha512(b"ab").digest() if sha512 else None)


async def test_buffers_of_a_mebibyte_reach_driver_and_threads() -> None:
    driver, lane = Recording(), Gated(opened=True)
    body = random_body(3 * MIB + 5)
    await ingest(source(body), driver=driver, key=key, hashes=Hashes(), limit=None, hashing=lane)
    assert driver.sizes == [MIB, MIB, MIB, 5]
    assert lane.begun == 4


async def test_in_a_crowd_each_upload_holds_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CROWD", 0)
    driver = Recording()
    await ingest(source(random_body(MIB)), driver=driver, key=key, hashes=Hashes(), limit=None)
    assert driver.sizes == [MIB // 4] * 4


async def test_a_large_inline_body_is_hashed_on_a_thread_a_small_one_is_not() -> None:
    lane = Gated(opened=True)
    for size in (INLINE_LIMIT, INLINE_LIMIT + 1):
        hashes, body = Hashes(), random_body(size)
        await ingest(
            source(body), driver=Memory(), key=no_key, hashes=hashes, inline_limit=MIB, limit=None, hashing=lane
        )
        assert hashes.checksums(size).md5 == hashlib.md5(body).digest()
    assert lane.begun == 1


async def test_the_next_buffer_is_received_while_one_is_hashed_but_no_more() -> None:
    lane, sent = Gated(), 0
    held_back = asyncio.Event()

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent
        async for piece in source(random_body(5 * MIB)):
            sent += len(piece)
            if sent == 2 * MIB:
                asyncio.get_running_loop().call_later(0, held_back.set)
            yield piece

    hashes = Hashes()
    task = asyncio.create_task(ingest(counted(), driver=Memory(), key=key, hashes=hashes, limit=None, hashing=lane))
    await held_back.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert (sent, lane.begun) == (2 * MIB, 1)
    lane.open()
    assert (await task).size == 5 * MIB
    assert hashes.checksums(5 * MIB).sha1 == hashlib.sha1(random_body(5 * MIB)).digest()


@pytest.mark.parametrize(("limit", "size"), [(100, 101), (100, 3 * MIB), (MIB, MIB + 1), (MIB, 9 * MIB)])
async def test_a_body_beyond_the_limit_is_refused_at_once_and_leaves_nothing(limit: int, size: int) -> None:
    sent, driver = 0, Memory()

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent
        async for piece in source(random_body(size), 1_000):
            sent += len(piece)
            yield piece

    with pytest.raises(TooLarge, match=str(limit)):
        await ingest(counted(), driver=driver, key=key, hashes=Hashes(), limit=limit)
    assert sent < limit + 2 * 1_000
    with pytest.raises(BlobMissing):
        await driver.size(KEY)


@pytest.mark.parametrize("size", [0, 100, MIB, 3 * MIB])
async def test_a_body_of_exactly_the_limit_is_taken(size: int) -> None:
    received = await ingest(source(random_body(size)), driver=Memory(), key=key, hashes=Hashes(), limit=size)
    assert received.size == size


@pytest.mark.parametrize("size", [0, 100, 2 * MIB + 1])
async def test_a_source_that_fails_is_heard_and_leaves_nothing(size: int) -> None:
    driver = Memory()
    with pytest.raises(ConnectionResetError):
        await ingest(
            source(random_body(size), error=ConnectionResetError()),
            driver=driver,
            key=key,
            hashes=Hashes(),
            limit=None,
        )
    with pytest.raises(BlobMissing):
        await driver.size(KEY)


async def test_a_key_that_cannot_be_had_is_heard() -> None:
    async def failing() -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await ingest(source(random_body(MIB)), driver=Memory(), key=failing, hashes=Hashes(), limit=None)


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(put_refused=1), StoreUnavailable),
        (Faults(put_full=1), StoreFull),
        (Faults(put_lost=1), StoreUnavailable),
    ],
)
async def test_a_store_that_fails_is_heard(faults: Faults, error: type[Exception]) -> None:
    with pytest.raises(error):
        await ingest(
            source(random_body(5 * MIB)), driver=Faulty(Memory(), faults), key=key, hashes=Hashes(), limit=None
        )


async def test_a_cancelled_upload_waits_for_its_hashing_and_leaves_nothing() -> None:
    lane, driver, waiting = Gated(), Memory(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield random_body(MIB)
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(ingest(endless(), driver=driver, key=key, hashes=Hashes(), limit=None, hashing=lane))
    await waiting.wait()
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    lane.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(BlobMissing):
        await driver.size(KEY)


class Short(Memory):
    """Says that it has stored less than it was given."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        return await super().put(key, chunks) - 1


async def test_a_store_that_took_fewer_bytes_than_it_was_given_is_not_believed() -> None:
    driver = Short()
    with pytest.raises(StoreUnavailable):
        await ingest(source(random_body(MIB)), driver=driver, key=key, hashes=Hashes(), limit=None)
    with pytest.raises(BlobMissing):
        await driver.size(KEY)


async def test_beyond_so_many_uploads_at_once_more_are_refused_but_small_bodies_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST", 1)
    waiting, going_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield random_body(MIB)
        waiting.set()
        await going_on.wait()

    def upload(body: AsyncIterator[bytes]) -> asyncio.Task[Received]:
        return asyncio.create_task(ingest(body, driver=Memory(), key=key, hashes=Hashes(), limit=None))

    first = upload(slow())
    await waiting.wait()
    with pytest.raises(TooManyUploads) as told:
        await upload(source(random_body(MIB)))
    assert (told.value.status, told.value.words) == (503, {"seconds": 1})
    assert (await upload(source(b"small"))).inline == b"small"
    going_on.set()
    await first
    assert (await upload(source(random_body(MIB)))).key == KEY


@pytest.mark.parametrize("fails", [None, ConnectionError()], ids=["stored", "failed"])
async def test_an_upload_that_is_over_no_longer_counts(
    monkeypatch: pytest.MonkeyPatch, fails: ConnectionError | None
) -> None:
    monkeypatch.setattr(module, "_MOST", 1)
    for _ in range(3):
        outcome = await asyncio.gather(
            ingest(source(random_body(MIB), error=fails), driver=Memory(), key=key, hashes=Hashes(), limit=None),
            return_exceptions=True,
        )
        assert not isinstance(outcome[0], TooManyUploads)


@pytest.mark.parametrize("sha512", [True, False])
async def test_stored_bytes_are_hashed_again_a_mebibyte_per_thread_hop(sha512: bool) -> None:
    body, lane = random_body(2 * MIB + 1), Gated(opened=True)
    checksums = (await rehash(source(body), Hashes(sha512=sha512), hashing=lane)).checksums(len(body))
    assert checksums.sha256 == hashlib.sha256(body).digest()
    assert checksums.sha512 == (hashlib.sha512(body).digest() if sha512 else None)
    assert lane.begun == 3


async def test_bytes_that_cannot_be_read_cannot_be_hashed_again() -> None:
    with pytest.raises(StoreUnavailable):
        await rehash(source(random_body(2 * MIB), error=StoreUnavailable()), Hashes())
