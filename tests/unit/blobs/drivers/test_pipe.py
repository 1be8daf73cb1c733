import asyncio

import pytest

from entrepot.blobs.drivers.pipe import Pipe


async def rounds() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_is_given_comes_out_in_order_until_the_end() -> None:
    pipe = Pipe()

    async def giving() -> None:
        for n in range(20):
            await pipe.give(bytes([n]))
        pipe.end()

    task = asyncio.create_task(giving())
    assert [chunk async for chunk in pipe] == [bytes([n]) for n in range(20)]
    await task


async def test_who_gives_waits_while_two_chunks_are_not_taken() -> None:
    pipe = Pipe()
    await pipe.give(b"1")
    await pipe.give(b"2")
    third = asyncio.create_task(pipe.give(b"3"))
    await rounds()
    assert not third.done()
    assert await anext(pipe) == b"1"
    await third


async def test_who_gives_to_nobody_never_waits() -> None:
    pipe = Pipe()
    await pipe.give(b"1")
    await pipe.give(b"2")
    third = asyncio.create_task(pipe.give(b"3"))
    await rounds()
    pipe.close()
    await third
    for _ in range(5):
        await pipe.give(b"more")
    assert pipe.closed


async def test_who_takes_waits_for_what_is_given_or_the_end() -> None:
    pipe = Pipe()
    taking = asyncio.ensure_future(anext(pipe))
    await rounds()
    assert not taking.done()
    pipe.end()
    with pytest.raises(StopAsyncIteration):
        await taking
