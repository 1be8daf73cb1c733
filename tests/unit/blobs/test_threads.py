import asyncio
import gc
import threading

import pytest

from entrepot.blobs.threads import Lane, settled


async def rounds(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_work_runs_on_a_thread_of_the_lane_and_returns_or_raises() -> None:
    lane = Lane("test", 1)
    assert (await lane.run(lambda: threading.current_thread().name)).startswith("entrepot-test")
    assert await lane.run(int.__add__, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        await lane.run(divmod, 1, 0)


async def test_a_lane_never_runs_more_than_its_threads() -> None:
    lane, lock = Lane("test", 3), threading.Lock()
    running, most = 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 3:
                loop.call_soon_threadsafe(busy.set)
        gate.wait(5)
        with lock:
            running -= 1

    gate, busy, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()
    tasks = [asyncio.create_task(lane.run(work)) for _ in range(12)]
    await busy.wait()
    gate.set()
    await asyncio.gather(*tasks)
    assert most == 3


async def test_who_is_cancelled_waits_until_the_thread_is_done_however_often() -> None:
    lane, begun, gate = Lane("test", 1), asyncio.Event(), threading.Event()
    loop, ended = asyncio.get_running_loop(), False

    def work() -> None:
        nonlocal ended
        loop.call_soon_threadsafe(begun.set)
        gate.wait(5)
        ended = True

    task = asyncio.create_task(lane.run(work))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await rounds()
        assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_an_error_after_the_cancellation_is_taken_note_of() -> None:
    loop, reports = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, report: reports.append(report))
    future: asyncio.Future[None] = loop.create_future()
    task = asyncio.create_task(settled(future))
    await rounds()
    task.cancel()
    await rounds()
    future.set_exception(OSError("late"))
    await asyncio.wait((task,))
    assert task.cancelled()
    del future, task
    gc.collect()  # an error that nobody has seen is reported when its future goes
    await rounds()
    assert reports == []


async def test_work_that_was_itself_cancelled_cancels() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settled(future)
    other: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(settled(other))
    await rounds()
    task.cancel()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
