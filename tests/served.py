"""The whole application of one worker, asked over ASGI: everything but the server's sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from entrepot.cli.prepare import prepare
from entrepot.cluster.home import logs_folder, run_folder
from entrepot.settings import Settings
from entrepot.settings_sources import load
from entrepot.worker import build

PASSWORD = "Admin-pass-1"
Message = MutableMapping[str, Any]


class Served:
    """The application as `httpx` asks it."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        # As a server would, whatever the application waits for: its periodic duties have their turn.
        await asyncio.sleep(0)
        await self._application(scope, receive, send)


def settings_of(home: Path, url: str = "", **more: str) -> Settings:
    """Make a home folder and return the settings of an instance in it, whose administrator's password is known."""
    for folder in (home, run_folder(home), logs_folder(home)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = {"home": str(home), **({"database.url": url} if url else {}), **more}
    return load(flags, {"ENTREPOT_ADMIN_PASSWORD": PASSWORD}).settings


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that is the administrator of a new instance."""
    async with build(settings) as application, client_of(application) as client:
        yield client


def client_of(
    application: Callable[..., Awaitable[None]], *, auth: tuple[str, str] | None = ("admin", PASSWORD)
) -> httpx.AsyncClient:
    """Return a client of a running application."""
    transport = httpx.ASGITransport(Served(application))
    return httpx.AsyncClient(transport=transport, base_url="http://entrepot.test", auth=auth)


def prepared(settings: Settings) -> Settings:
    """Make the database and the first contents. Blocks, and must not run on a loop."""
    prepare(settings)
    return settings
