from collections.abc import AsyncIterator

import pytest

from entrepot.blobs.contract import StoreFull, StoreUnavailable
from entrepot.blobs.drivers.faulty import Faults, Faulty
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.drivers.probe import PROBES, probe


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
