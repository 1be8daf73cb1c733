"""What every blob driver promises (`entrepot.blobs.contract`); its suite is a subclass with a fixture `driver`."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.blobs.contract import BlobMissing, Driver, StoreUnavailable
from entrepot.blobs.keys import KeyInvalid
from entrepot.clock import new_id

MIB = 1 << 20
BIG = hashlib.shake_128(b"big").digest(9 * MIB + 5)
"""More than one buffer, one piece and one part of any driver."""

BODY = hashlib.shake_128(b"body").digest(100_003)
TRICKS = (
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "../a",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    "a/..",
    "a\\b",
    "a b",
    "a\nb",
    "a\n",
    "a\0b",
    "a%2e",
    "é",
    "٣",
    "\ud800",
    "a" * 256,
    "a/" * 130 + "a",
)


def new_key(folder: str = "writer/2026112400") -> str:
    return f"{folder}/{new_id()}"


async def chunks(body: bytes, size: int = 32_768) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def these(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def stored(driver: Driver, body: bytes) -> str:
    key = new_key()
    assert await driver.put(key, chunks(body)) == len(body)
    return key


async def content(driver: Driver, key: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in driver.read(key, start, stop)])


async def keys(driver: Driver, prefix: str = "") -> set[str]:
    return {found.key async for found in driver.list(prefix)}


async def assert_unreadable(driver: Driver, key: str) -> None:
    with pytest.raises(BlobMissing):
        await driver.size(key)
    with pytest.raises(BlobMissing):
        await content(driver, key)
    with pytest.raises(BlobMissing):
        await content(driver, key, 1, 2)


# One suite for several drivers on purpose, and the object is written once for all examples.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]


class SourceError(Exception):
    pass


class DriverContract:
    @pytest.mark.parametrize("size", [0, 1, 16_385, MIB - 1, MIB, MIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, len(BIG)])
    async def test_what_was_put_reads_back_and_has_its_size(self, driver: Driver, size: int) -> None:
        key = await stored(driver, BIG[:size])
        assert await content(driver, key) == BIG[:size]
        assert await driver.size(key) == size

    @pytest.mark.parametrize(
        "parts",
        [
            [],
            [b"", b""],
            [b"", b"a", b"", b"bc", b""],
            [b"x"] * 3_000,
            [BODY, BIG, BODY],
            [BIG[: 8 * MIB], b"", BODY],
            [BODY] * 20,
        ],
        ids=["none", "empty", "some empty", "single bytes", "large between small", "a part and more", "many"],
    )
    async def test_chunks_of_any_size_make_one_object(self, driver: Driver, parts: list[bytes]) -> None:
        key = new_key()
        assert await driver.put(key, these(parts)) == sum(map(len, parts))
        assert await content(driver, key) == b"".join(parts)

    async def test_pieces_are_neither_empty_nor_over_a_mebibyte(self, driver: Driver) -> None:
        key = await stored(driver, BIG)
        pieces = [piece async for piece in driver.read(key)]
        assert all(isinstance(piece, bytes) and 0 < len(piece) <= MIB for piece in pieces)

    @settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
    @given(a=st.integers(0, len(BODY)), b=st.integers(0, len(BODY)))
    async def test_every_range_reads_exactly_its_bytes(self, driver: Driver, a: int, b: int) -> None:
        start, stop = sorted((a, b))
        key = f"ranges/{id(driver)}"
        if key not in await keys(driver):
            await driver.put(key, chunks(BODY))
        assert await content(driver, key, start, stop) == BODY[start:stop]
        assert await content(driver, key, start) == BODY[start:]

    async def test_a_range_over_several_pieces_reads_exactly_its_bytes(self, driver: Driver) -> None:
        key = await stored(driver, BIG)
        assert await content(driver, key, MIB - 1, 5 * MIB + 7) == BIG[MIB - 1 : 5 * MIB + 7]

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 11), (0, 10_000), (5, 11), (10, 11), (11, None), (11, 11), (11, 12), (10_000, None)]
    )
    async def test_an_object_that_ends_before_the_range_does_is_an_error(
        self, driver: Driver, start: int, stop: int | None
    ) -> None:
        key = await stored(driver, b"0123456789")
        with pytest.raises(StoreUnavailable):
            await content(driver, key, start, stop)

    @pytest.mark.parametrize(("start", "stop"), [(0, 0), (4, 4), (10, 10), (10, None)])
    async def test_an_empty_range_within_the_object_has_no_bytes(
        self, driver: Driver, start: int, stop: int | None
    ) -> None:
        key = await stored(driver, b"0123456789")
        assert await content(driver, key, start, stop) == b""

    async def test_a_key_that_nobody_wrote_is_missing(self, driver: Driver) -> None:
        await assert_unreadable(driver, new_key())
        with pytest.raises(BlobMissing):
            await content(driver, new_key(), 0, 0)

    async def test_a_folder_of_objects_is_no_object(self, driver: Driver) -> None:
        key = await stored(driver, BODY)
        folder = key.rpartition("/")[0]
        await assert_unreadable(driver, folder)
        await driver.delete(folder)
        assert await content(driver, key) == BODY

    async def test_below_an_object_is_nothing(self, driver: Driver) -> None:
        key = await stored(driver, BODY)
        await assert_unreadable(driver, f"{key}/more")
        await driver.delete(f"{key}/more")
        assert await content(driver, key) == BODY

    async def test_a_deleted_object_is_missing_and_its_neighbour_is_not(self, driver: Driver) -> None:
        key, neighbour = await stored(driver, BODY), await stored(driver, BODY)
        await driver.delete(key)
        await assert_unreadable(driver, key)
        assert key not in await keys(driver)
        assert await content(driver, neighbour) == BODY

    async def test_deleting_twice_succeeds(self, driver: Driver) -> None:
        key = await stored(driver, BODY)
        await driver.delete(key)
        await driver.delete(key)
        await driver.delete(new_key("nobody/2026112400"))

    async def test_after_the_last_of_a_folder_is_deleted_more_can_be_put_there(self, driver: Driver) -> None:
        await driver.delete(await stored(driver, BODY))
        assert await content(driver, await stored(driver, BODY)) == BODY

    @pytest.mark.parametrize("sent", [0, 1, MIB + 1, len(BIG)])
    async def test_a_source_that_fails_is_heard_and_leaves_nothing_readable(self, driver: Driver, sent: int) -> None:
        async def failing() -> AsyncIterator[bytes]:
            async for chunk in chunks(BIG[:sent]):
                yield chunk
            raise SourceError

        key = new_key()
        with pytest.raises(SourceError):
            await driver.put(key, failing())
        await assert_unreadable(driver, key)
        assert key not in await keys(driver)

    @pytest.mark.parametrize("sent", [0, 1, MIB + 1, len(BIG)])
    async def test_a_put_that_is_cancelled_leaves_nothing_readable(self, driver: Driver, sent: int) -> None:
        waiting = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for chunk in chunks(BIG[:sent]):
                yield chunk
            waiting.set()
            await asyncio.Event().wait()

        key = new_key()
        putting = asyncio.create_task(driver.put(key, endless()))
        await waiting.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        await assert_unreadable(driver, key)
        assert key not in await keys(driver)

    async def test_a_put_that_is_cancelled_at_any_step_leaves_all_or_nothing(self, driver: Driver) -> None:
        for step in range(12):
            key = new_key()
            putting = asyncio.create_task(driver.put(key, chunks(BIG[: 2 * MIB], MIB)))
            for _ in range(step):
                await asyncio.sleep(0)
            putting.cancel()
            try:
                await putting
            except asyncio.CancelledError:
                await assert_unreadable(driver, key)
            else:
                assert await driver.size(key) == 2 * MIB

    async def test_many_at_once_into_one_new_folder_all_arrive(self, driver: Driver) -> None:
        bodies = {new_key("fresh/2026112401"): hashlib.shake_128(bytes([n])).digest(40_000) for n in range(32)}
        await asyncio.gather(*[driver.put(key, chunks(body)) for key, body in bodies.items()])
        found = await asyncio.gather(*[content(driver, key) for key in bodies])
        assert found == [*bodies.values()]

    async def test_a_listing_holds_the_whole_folder_and_nothing_beside_it(self, driver: Driver) -> None:
        inside = {f"w1/2026112400/{n}" for n in range(5)} | {"w1/2026112401/x"}
        for key in (*inside, "w10/2026112400/x", "w/2026112400/x"):
            await driver.put(key, chunks(b"12345"))
        assert {(found.key, found.size) async for found in driver.list("w1")} == {(key, 5) for key in inside}
        assert await keys(driver, "w1/") == inside
        assert await keys(driver, "w1/2026112401") == {"w1/2026112401/x"}
        assert await keys(driver) >= inside | {"w10/2026112400/x", "w/2026112400/x"}

    async def test_a_listing_of_a_folder_that_is_not_there_is_empty(self, driver: Driver) -> None:
        key = await stored(driver, BODY)
        assert await keys(driver, "nobody") == set()
        assert await keys(driver, f"{key}/more") == set()

    async def test_a_listing_of_more_than_a_page_is_complete(self, driver: Driver) -> None:
        made = {f"many/2026112400/{n:04}" for n in range(1_100)}
        for batch in range(0, 1_100, 50):
            await asyncio.gather(*[driver.put(key, chunks(b"x")) for key in sorted(made)[batch : batch + 50]])
        assert await keys(driver, "many") == made

    @pytest.mark.parametrize("key", TRICKS, ids=ascii)
    async def test_a_key_that_is_not_valid_touches_nothing(self, driver: Driver, key: str) -> None:
        before = await keys(driver)
        with pytest.raises(KeyInvalid):
            await driver.put(key, chunks(BODY))
        with pytest.raises(KeyInvalid):
            await driver.size(key)
        with pytest.raises(KeyInvalid):
            await content(driver, key)
        with pytest.raises(KeyInvalid):
            await driver.delete(key)
        with pytest.raises(KeyInvalid):
            driver.file(key)
        assert await keys(driver) == before

    @pytest.mark.parametrize("prefix", ["..", "/", "a/../..", "//", "a//", "a\0"])
    async def test_a_listing_never_leaves_the_store(self, driver: Driver, prefix: str) -> None:
        with pytest.raises(KeyInvalid):
            await keys(driver, prefix)

    async def test_a_local_file_holds_exactly_the_bytes(self, driver: Driver) -> None:
        file = driver.file(await stored(driver, BODY))
        assert file is None or file.read_bytes() == BODY
        missing = driver.file(new_key())
        assert missing is None or isinstance(missing, Path)

    async def test_a_probe_of_a_sound_store_succeeds_and_leaves_nothing(self, driver: Driver) -> None:
        before = await keys(driver)
        await driver.probe()
        assert await keys(driver) == before
