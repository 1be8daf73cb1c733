"""Open and close an ASGI application (ASGI specification, "Lifespan Protocol")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from entrepot.asgi import Asgi, Message
from entrepot.errors import EntrepotError


class NotOpened(EntrepotError):
    """The application could not be opened: {reason}"""


@asynccontextmanager
async def lifespan(application: Asgi, state: dict[str, object]) -> AsyncIterator[None]:
    """Have the application opened, and closed when the block ends.

    `state` is what the application finds as `scope["state"]`. Raises NotOpened with what the application says, or what
    the application raises.
    """
    asked: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.ensure_future(application(scope, asked.get, told.put))

    async def ask(name: str) -> None:
        await asked.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(told.get())
        await asyncio.wait([task, answer], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            await task  # it ended without an answer: raise what it raised
            raise NotOpened(reason="it ended during its lifespan.")
        if answer.result()["type"] != f"lifespan.{name}.complete":
            message = answer.result().get("message")
            raise NotOpened(message) if message else NotOpened(reason="it does not say why.")

    try:
        await ask("startup")
        yield
        await ask("shutdown")
        await task
    finally:
        task.cancel()
