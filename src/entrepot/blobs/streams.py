"""Regroup a stream: a server hands out a body in pieces of about 32 KB, a thread wants a MiB at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def take(chunks: AsyncIterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """Return the next chunks until they hold at least `size` bytes, without empty ones, and whether the stream ended.

    Not to be called again once it has ended. Raises what `chunks` raises; what was taken until then is lost.
    """
    taken: list[bytes] = []
    held = 0
    async for chunk in chunks:
        if chunk:
            taken.append(chunk)
            held += len(chunk)
            if held >= size:
                return taken, False
    return taken, True
