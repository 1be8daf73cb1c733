"""The body of one request between its arrival and the application."""

from __future__ import annotations

import asyncio
from typing import Protocol

from entrepot.asgi import Message

_PIECE_COST = 100  # bytes that a piece takes beside its own


class Source(Protocol):
    """Where a body comes from. Is told how the application gets on with it."""

    def wanted(self, body: Body) -> None:
        """The application waits for more of it."""
        ...

    def came(self, body: Body) -> None:
        """It waits no more."""
        ...

    def consumed(self, body: Body) -> None:
        """Nothing of it is held any more."""
        ...


class Body:
    """What has arrived of a body and was not asked for yet. Used on the loop only."""

    __slots__ = ("_delivered", "_dropped", "_pieces", "_refused", "_source", "_waiter", "ended", "held", "lost")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._delivered = False
        self._dropped = False
        self._refused = False
        self.held = 0
        """Bytes that it takes."""
        self.ended = False
        """All of it has arrived."""
        self.lost = False
        """Nothing more will arrive."""

    def add(self, piece: bytes) -> None:
        """Take a piece in."""
        if self._dropped:
            return
        self._pieces.append(piece)
        self.held += len(piece) + _PIECE_COST
        self._wake()

    def end(self) -> None:
        """Note that it is complete."""
        self.ended = True
        self._wake()

    def drop(self) -> None:
        """Keep nothing of it: the answer is given."""
        self._dropped = True
        self._pieces = []
        self.held = 0

    def lose(self) -> None:
        """Note that the client is gone, or silent, or not to be understood."""
        self.lost = True
        self._wake()

    def refuse(self) -> None:
        """Note that nothing more of it is given out, although it may still arrive."""
        self._refused = True
        self._wake()

    async def message(self) -> Message:
        """Return what has arrived since the last time as `http.request`, and `http.disconnect` when that was all."""
        while not (self._pieces or self.lost or self._refused or self._fresh_end):
            self._waiter = asyncio.get_running_loop().create_future()
            self._source.wanted(self)
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._source.came(self)
        if not (self._pieces or self._fresh_end):
            return {"type": "http.disconnect"}
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        self._delivered = self.ended
        if self.held:
            self.held = 0
            self._source.consumed(self)
        return {"type": "http.request", "body": body, "more_body": not self.ended}

    @property
    def _fresh_end(self) -> bool:
        return self.ended and not self._delivered

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
