import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from entrepot.blobs.contract import StoreFull, StoreUnavailable
from entrepot.blobs.drivers.faulty import Faults, Faulty
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.drivers.probe import PROBES, Probing, probe
from entrepot.blobs.threads import settled


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(put_refused=1), StoreUnavailable),
        (Faults(put_full=1), StoreFull),
        (Faults(put_lost=1), StoreUnavailable),
        (Faults(read_refused=1), StoreUnavailable),
        (Faults(read_truncated=1), StoreUnavailable),
        (Faults(delete_refused=1), StoreUnavailable),
    ],
)
async def test_a_store_that_cannot_do_all_three_is_found_out(faults: Faults, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Faulty(Memory(), faults).probe()


@pytest.mark.parametrize("faults", [Faults(put_lost=1), Faults(read_broken=1), Faults(read_truncated=1)])
async def test_a_probe_that_fails_leaves_nothing_where_deleting_works(faults: Faults) -> None:
    memory = Memory()
    with pytest.raises(StoreUnavailable):
        await Faulty(memory, faults).probe()
    assert [found async for found in memory.list("")] == []


class Forgetful(Memory):
    """Says that it has stored, and has not."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        self.asked = key
        return len(b"".join([chunk async for chunk in chunks]))


async def test_a_store_that_forgets_is_not_usable() -> None:
    driver = Forgetful()
    with pytest.raises(StoreUnavailable):
        await probe(driver)
    assert driver.asked.startswith(f"{PROBES}/")


class Silent(Memory):
    """Takes a request and does not answer, also when nobody waits for it any more."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.answer = asyncio.Event()

    async def probe(self) -> None:
        self.asked += 1
        await settled(asyncio.ensure_future(self.answer.wait()))


async def test_a_store_that_does_not_answer_is_waited_for_until_the_deadline_and_asked_once() -> None:
    silent = Silent()
    probing = Probing(silent, 0.05)
    async with asyncio.timeout(10):
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await probing.check()
    assert silent.asked == 1
    silent.answer.set()
    await asyncio.sleep(0.01)
    await probing.check()
    assert silent.asked == 2
    await probing.close()


async def test_those_who_ask_at_once_get_the_result_of_one_probe() -> None:
    silent = Silent()
    probing = Probing(silent, 60)
    asking = [asyncio.create_task(probing.check()) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    silent.answer.set()
    assert await asyncio.gather(*asking[1:]) == [None, None]
    assert silent.asked == 1


class Late(Memory):
    """Fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = asyncio.Event()

    async def probe(self) -> None:
        await self.failing.wait()
        raise StoreUnavailable


async def test_a_failure_that_comes_too_late_is_no_complaint_of_the_loop() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    late = Late()
    probing = Probing(late, 0)
    with pytest.raises(StoreUnavailable):
        await probing.check()
    late.failing.set()
    await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailable):
        await probing.check()
    await probing.close()
    gc.collect()
    assert told == []


class Stuck(Memory):
    """Waits for ever."""

    async def probe(self) -> None:
        await asyncio.Event().wait()


async def test_a_probe_under_way_ends_with_its_owner() -> None:
    await Probing(Memory(), 1).close()
    probing = Probing(Stuck(), 0)
    with pytest.raises(StoreUnavailable):
        await probing.check()
    async with asyncio.timeout(10):
        await probing.close()
