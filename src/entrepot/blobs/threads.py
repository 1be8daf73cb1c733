"""The threads on which hashing and blocking disk calls run, so that no loop that serves requests ever waits for either.

Three lanes per process, all bounded: in one, a few long fsyncs would keep every core from hashing, and archives that take
minutes to walk would keep both waiting. On two cores, more threads won nothing (1,000 durable 64 KiB objects/s with 4, 8
and 16), nor a thread per hash (5 % more CPU, as fast).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def settled(future: asyncio.Future[T]) -> T:
    """Return the result of what cannot be stopped once begun; when cancelled, wait for its end first.

    So nobody closes a file that a thread still writes. Raises what the work raised, unless cancelled.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # seen: else the loop reports it as never retrieved
        raise cancelled
    return future.result()


class Lane:
    """At most `threads` threads for one kind of blocking work, first come, first served; started on first use."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"entrepot-{name}")

    def start(self, work: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Begin `work(*args)` on a thread; whoever starts it awaits it through `settled`."""
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    async def run(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what `work(*args)` returns on a thread; when cancelled, wait for its end first."""
        return await settled(self.start(work, *args))


HASHING = Lane("hash", 4)
DISK = Lane("disk", 4)
ARCHIVES = Lane("archives", 4)
