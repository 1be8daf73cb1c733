"""The body of one request between its arrival and the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from entrepot.cluster.lifespan import Message

_PIECE_COST = 100  # bytes that a piece takes beside its own


class Body:
    """What has arrived of a body and was not asked for yet. Used on the loop only."""

    __slots__ = ("_consumed", "_delivered", "_pieces", "_waiter", "_wanted", "ended", "held", "lost")

    def __init__(self, wanted: Callable[[], None], consumed: Callable[[], None]) -> None:
        """`wanted` is called when the application begins to wait, `consumed` when nothing is held any more."""
        self._wanted = wanted
        self._consumed = consumed
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._delivered = False
        self.held = 0
        """Bytes that it takes."""
        self.ended = False
        """All of it has arrived."""
        self.lost = False
        """Nothing more will arrive."""

    @property
    def waiting(self) -> bool:
        """Whether the application waits for it."""
        return self._waiter is not None

    def add(self, piece: bytes) -> None:
        """Take a piece in."""
        self._pieces.append(piece)
        self.held += len(piece) + _PIECE_COST
        self._wake()

    def end(self) -> None:
        """Note that it is complete."""
        self.ended = True
        self._wake()

    def lose(self) -> None:
        """Note that the client is gone, or silent, or not to be understood."""
        self.lost = True
        self._wake()

    async def message(self) -> Message:
        """Return what has arrived since the last time as `http.request`, and `http.disconnect` when that was all."""
        while not (self._pieces or self.lost or self._fresh_end):
            self._waiter = asyncio.get_running_loop().create_future()
            self._wanted()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not (self._pieces or self._fresh_end):
            return {"type": "http.disconnect"}
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        self._delivered = self.ended
        if self.held:
            self.held = 0
            self._consumed()
        return {"type": "http.request", "body": body, "more_body": not self.ended}

    @property
    def _fresh_end(self) -> bool:
        return self.ended and not self._delivered

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
