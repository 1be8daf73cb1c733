from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from entrepot.blobs.contract import BlobMissing, StoreFull, StoreUnavailable
from entrepot.blobs.drivers.faulty import Faults, Faulty
from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.memory import Memory

T = TypeVar("T")

KEY = "w/h/x"
BODY = bytes(range(256)) * 10


async def source(body: bytes = BODY, size: int = 100) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def faulty(faults: Faults, *, seed: int = 0) -> Faulty:
    inner = Memory()
    await inner.put(KEY, source())
    return Faulty(inner, faults, seed=seed)


async def read(driver: Faulty | Memory, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in driver.read(KEY, start, stop)])


async def until_error(things: AsyncIterator[T]) -> list[T]:
    """Return what comes before StoreUnavailable, which must come."""
    got = []
    try:
        async for thing in things:
            got.append(thing)  # noqa: PERF401 - a comprehension would lose them
    except StoreUnavailable:
        return got
    raise AssertionError("no error came")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(put_refused=1), StoreUnavailable),
        (Faults(put_full=1), StoreFull),
        (Faults(put_broken=1), StoreUnavailable),
    ],
)
@pytest.mark.parametrize("body", [b"", b"x", BODY])
async def test_a_put_that_fails_stores_nothing(faults: Faults, error: type[Exception], seed: int, body: bytes) -> None:
    inner = Memory()
    with pytest.raises(error):
        await Faulty(inner, faults, seed=seed).put("w/h/y", source(body))
    with pytest.raises(BlobMissing):
        await inner.size("w/h/y")


async def test_a_lost_answer_to_a_put_leaves_the_object_there() -> None:
    inner = Memory()
    with pytest.raises(StoreUnavailable):
        await Faulty(inner, Faults(put_lost=1)).put(KEY, source())
    assert await read(inner) == BODY


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("start", "stop"), [(0, None), (100, 300), (7, 8), (2_559, None)])
async def test_a_truncated_read_ends_early_without_an_error(seed: int, start: int, stop: int | None) -> None:
    got = await read(await faulty(Faults(read_truncated=1), seed=seed), start, stop)
    whole = BODY[start:stop]
    assert len(got) < len(whole)
    assert whole.startswith(got)


@pytest.mark.parametrize("seed", range(8))
async def test_a_broken_read_gives_the_beginning_and_then_an_error(seed: int) -> None:
    driver = await faulty(Faults(read_broken=1), seed=seed)
    got = await until_error(driver.read(KEY))
    assert BODY.startswith(b"".join(got))
    assert len(b"".join(got)) < len(BODY)


async def test_a_read_of_nothing_can_be_spoilt_too() -> None:
    assert await read(await faulty(Faults(read_truncated=1)), 5, 5) == b""
    with pytest.raises(StoreUnavailable):
        await read(await faulty(Faults(read_broken=1)), 5, 5)


async def test_reads_and_sizes_can_be_refused() -> None:
    driver = await faulty(Faults(read_refused=1, size_refused=1))
    with pytest.raises(StoreUnavailable):
        await read(driver)
    with pytest.raises(StoreUnavailable):
        await driver.size(KEY)


async def test_a_refused_deletion_keeps_the_object_and_a_lost_one_does_not() -> None:
    driver = await faulty(Faults(delete_refused=1))
    with pytest.raises(StoreUnavailable):
        await driver.delete(KEY)
    assert await driver.size(KEY) == len(BODY)
    driver.faults = Faults(delete_lost=1)
    with pytest.raises(StoreUnavailable):
        await driver.delete(KEY)
    with pytest.raises(BlobMissing):
        await driver.size(KEY)


@pytest.mark.parametrize("seed", range(8))
async def test_a_broken_listing_is_an_error_and_never_whole(seed: int) -> None:
    driver = Faulty(Memory(), seed=seed)
    for n in range(10):
        await driver.put(f"w/h/{n}", source())
    driver.faults = Faults(list_broken=1)
    assert len(await until_error(driver.list(""))) < 4


async def test_a_broken_listing_of_a_few_is_an_error_too() -> None:
    for seed in range(8):
        with pytest.raises(StoreUnavailable):
            assert [found async for found in (await faulty(Faults(list_broken=1), seed=seed)).list("")]


def test_files_are_sent_by_the_kernel_only_while_reads_are_not_to_be_spoilt(tmp_path: Path) -> None:
    inner = Files(tmp_path)
    assert Faulty(inner, Faults(put_full=1)).file(KEY) == inner.file(KEY)
    for faults in (Faults(read_refused=0.1), Faults(read_broken=0.1), Faults(read_truncated=0.1)):
        assert Faulty(inner, faults).file(KEY) is None


async def test_every_call_can_be_delayed() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    driver = Faulty(Memory(), Faults(delayed=1, longest_delay=3), sleep=sleep)
    await driver.put(KEY, source())
    await driver.size(KEY)
    assert await read(driver) == BODY
    assert [found async for found in driver.list("")]
    await driver.delete(KEY)
    assert len(slept) == driver.injected["delayed"] == 5
    assert all(0 <= seconds <= 3 for seconds in slept)


async def course(seed: int) -> list[bool]:
    driver = Faulty(Memory(), Faults(put_refused=0.5), seed=seed)
    failed = []
    for n in range(40):
        try:
            await driver.put(f"w/h/{n}", source())
        except StoreUnavailable:
            failed.append(True)
        else:
            failed.append(False)
    assert driver.injected["put_refused"] == sum(failed)
    return failed


async def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    assert await course(1) == await course(1) != await course(2)


async def test_closing_closes_what_is_inside() -> None:
    driver = await faulty(Faults())
    await driver.close()
    with pytest.raises(BlobMissing):
        await driver.size(KEY)
