"""Whatever ends badly leaves no object that nobody looks for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from entrepot.blobs import ingest as module
from entrepot.blobs.contract import StoreUnavailable, TooManyUploads
from entrepot.blobs.drivers.faulty import NONE, Faults, Faulty
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.ingest import Hashes
from entrepot.blobs.intake import Intake
from entrepot.blobs.key_maker import KeyMaker
from entrepot.clock import SystemClock

BIG = b"x" * 100_000


async def opened(hour: str) -> None:
    pass


async def source(error: BaseException | None = None) -> AsyncIterator[bytes]:
    yield BIG
    if error is not None:
        raise error


def intake(driver: Memory | Faulty) -> Intake:
    return Intake(driver, KeyMaker("w", opened, SystemClock()), "w", SystemClock())


async def keys(driver: Memory) -> list[str]:
    return [stored.key async for stored in driver.list("")]


async def in_doubt(made: Intake) -> list[str]:
    return [key for key, since in made.unsettled.items() if since is not None]


class Untidy(Memory):
    """Cannot clean up after a failed put, which the contract allows."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        got = b""
        try:
            async for chunk in chunks:
                got += chunk
        finally:
            self._objects[key] = got
        return len(got)


async def test_what_a_store_could_not_clean_up_is_taken_away() -> None:
    driver = Untidy()
    made = intake(driver)
    with pytest.raises(ConnectionResetError):
        await made.receive(source(ConnectionResetError()), Hashes())
    assert await keys(driver) == []
    assert made.unsettled == {}


async def test_what_a_store_cannot_take_away_now_is_looked_for_later() -> None:
    inner = Untidy()
    made = intake(Faulty(inner, Faults(delete_refused=1)))
    with pytest.raises(ConnectionResetError):
        await made.receive(source(ConnectionResetError()), Hashes())
    assert await keys(inner) == await in_doubt(made) != []


async def test_an_upload_that_is_cancelled_when_it_is_stored_but_not_yet_hashed_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver, hashing = Memory(), asyncio.Event()
    made = intake(driver)

    async def hashed(_: object) -> None:
        if await keys(driver):
            hashing.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(module._Buffers, "hashed", hashed)
    receiving = asyncio.create_task(made.receive(source(), Hashes()))
    await hashing.wait()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert await keys(driver) == []
    assert made.unsettled == {}


async def test_an_upload_that_is_cancelled_again_while_it_is_taken_away_is_looked_for_later() -> None:
    deleting = asyncio.Event()

    class Slow(Untidy):
        async def delete(self, key: str) -> None:
            deleting.set()
            await asyncio.Event().wait()

    driver = Slow()
    made = intake(driver)
    receiving = asyncio.create_task(made.receive(source(ConnectionResetError()), Hashes()))
    async with asyncio.timeout(5):
        await deleting.wait()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert await keys(driver) == await in_doubt(made) != []


async def test_what_a_transaction_did_not_name_and_cannot_be_taken_away_now_is_looked_for_later() -> None:
    inner = Memory()
    driver = Faulty(inner)
    made = intake(driver)
    received = await made.receive(source(), Hashes())
    async with made.naming(received):
        pass
    driver.faults = Faults(delete_refused=1)
    await made.abandon(received)
    assert await in_doubt(made) == [received.key]
    driver.faults = NONE
    await made.abandon(received)
    assert made.unsettled == {}
    assert await keys(inner) == []


async def test_what_is_named_after_a_doubt_is_settled() -> None:
    made = intake(Memory())
    received = await made.receive(source(), Hashes())
    made.doubt(received)
    made.settle(received)
    assert made.unsettled == {}


async def test_a_store_that_fails_is_not_asked_to_take_away_at_once() -> None:
    made = intake(Faulty(Memory(), Faults(put_lost=1)))
    with pytest.raises(StoreUnavailable):
        await made.receive(source(), Hashes())
    assert len(await in_doubt(made)) == 1


async def test_an_upload_that_was_not_begun_leaves_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 0)
    made = intake(Memory())
    with pytest.raises(TooManyUploads):
        await made.receive(source(), Hashes())
    assert made.unsettled == {}
