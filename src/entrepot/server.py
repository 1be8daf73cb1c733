"""The ASGI application of a worker: opened with the settings that the supervisor handed over, closed when the worker drains."""

from __future__ import annotations

import contextlib

from entrepot.asgi import Receive, Scope, Send
from entrepot.errors import EntrepotError
from entrepot.settings import Settings
from entrepot.web.application import Application
from entrepot.worker import build


class Server:
    """An application that is built in its lifespan."""

    def __init__(self) -> None:
        self._application: Application | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run the lifespan."""
        if scope["type"] == "http":
            assert self._application is not None
            await self._application(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings: Settings = scope["state"]["settings"]
        notes: dict[str, str] = scope["state"]["notes"]
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            try:
                self._application = await stack.enter_async_context(build(settings, notes))
            except EntrepotError as error:
                await send({"type": "lifespan.startup.failed", "message": error.message})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


app = Server()
