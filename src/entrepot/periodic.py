"""Works that a process does again and again, beside whatever else it does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from entrepot.errors import TooMany, Unavailable, reason

_TOLD_AGAIN = 60.0  # seconds between two lines about what goes on failing

log = structlog.get_logger()

Work = tuple[float, Callable[[], Awaitable[object]], str]
"""Seconds between two times, what is done, and its name in the log."""


async def every(seconds: float, work: Callable[[], Awaitable[object]], name: str) -> None:
    """Do something for as long as the process lives; what fails is logged, once a minute, and tried again the next time."""
    told = -_TOLD_AGAIN
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except (Unavailable, TooMany) as error:
            if time.monotonic() - told >= _TOLD_AGAIN:
                told = time.monotonic()
                log.warning("background.unavailable", work=name, reason=reason(error))
        except Exception:
            log.exception("background.failed", work=name)


@contextlib.asynccontextmanager
async def in_background(*works: Work) -> AsyncIterator[None]:
    """Run periodic works until the block ends."""
    tasks = [asyncio.create_task(every(*work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
