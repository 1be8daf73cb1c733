"""Collection that an administrator asked for: a job that is due at once, taken by whichever node looks next.

It does what each node does by itself every `gc.interval.seconds`, and may run beside that: see `collection`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from entrepot.jobs.queue import Job, Renew, enqueue, held
from entrepot.metadata.database import Tx

KIND: Final = "storage.gc"


async def ask(tx: Tx) -> None:
    """Have garbage collected now; one that waits or runs already is enough.

    It is tried once: what fails is told by `api/tasks` until somebody asks anew, and nodes collect by themselves anyway.
    """
    await enqueue(tx, KIND, {}, dedup=KIND, max_attempts=1)


class Asked:
    """The handler of `storage.gc` jobs; the work is all steps of a collection, each of which may be repeated."""

    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self._work = work

    async def __call__(self, _: Job, renew: Renew) -> None:
        """Do it, however long that takes."""
        async with held(renew):
            await self._work()
