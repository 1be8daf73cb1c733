"""A process that the supervisor starts, seen from inside: what it is given, what it says back, when it must end.

The supervisor hands over a file with the settings, listening sockets, and a channel: one end of a socket pair. The
child says on it that it is ready, or in one line why it cannot be, and then every few seconds that it is alive; when
the supervisor is gone, however it went, the channel ends and so does the child. SIGTERM asks it to finish and end;
SIGINT is ignored, for a terminal sends it to everyone at once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from entrepot.cluster import draining
from entrepot.cluster.channel import ALIVE, FAILED, NOTE, READY
from entrepot.settings import Settings, restore

_ALIVE_SECONDS = 5.0
_SAID = 1000  # characters
_ORPHANED = 70  # exit status; nobody is left to read it


def _import_structlog_lean() -> None:
    """Import structlog without Rich, which it looks for at its import: 4 MiB and a third of a worker's start."""
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    try:
        import structlog  # noqa: F401, PLC0415 - everybody who imports it later gets this one
    finally:
        if sys.modules.get("rich", ...) is None:
            sys.modules.pop("rich")


_import_structlog_lean()


@dataclass(frozen=True, slots=True)
class Child:
    """What this process was given. Made by `begin`."""

    settings: Settings
    channel: socket.socket
    listeners: tuple[int, ...] = ()
    ports: tuple[int, ...] = ()

    def ready(self, notes: Mapping[str, str] = MappingProxyType({})) -> None:
        """Tell the supervisor that work can come, and by subject (a word) what whoever starts the node should know."""
        for subject, text in notes.items():
            self._say(NOTE + f"{subject} {_line(text)}".encode())
        self._say(READY)

    def failed(self, reason: str) -> None:
        """Tell the supervisor in one line why this process cannot work; it should end then."""
        self._say(FAILED + _line(reason).encode())

    def _say(self, line: bytes) -> None:
        """Tell the supervisor; when it is gone, end this process at once, with a line for whoever finds it."""
        try:
            self.channel.sendall(line + b"\n")
        except ConnectionError:
            with suppress(OSError):  # as its terminal may be
                os.write(2, f"entrepot: process {os.getpid()} ends: its supervisor is gone\n".encode())
            os._exit(_ORPHANED)

    def end_with_supervisor(self) -> None:
        """End this process when the supervisor is gone, from a thread: for a program that has no loop."""

        def watch() -> None:
            with suppress(OSError):
                while self.channel.recv(64):
                    pass
            os._exit(_ORPHANED)

        threading.Thread(target=watch, name="supervisor", daemon=True).start()

    async def stop_asked(self) -> None:
        """Return when the supervisor asks this process to end; `draining.begun()` holds from then on.

        Tells the supervisor meanwhile that the loop turns; ends the process at once when it is gone.
        """
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            draining.begin()
            asked.set()

        loop.add_signal_handler(signal.SIGTERM, end)
        self.channel.setblocking(False)
        loop.add_reader(self.channel, self._check_parent)
        self._say_alive(loop)
        await asked.wait()

    def _say_alive(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(OSError):  # a supervisor that sleeps or is gone
            self.channel.send(ALIVE + b"\n")
        loop.call_later(_ALIVE_SECONDS, self._say_alive, loop)

    def _check_parent(self) -> None:
        try:
            told = self.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if not told:
            os._exit(_ORPHANED)


def _line(text: str) -> str:
    return " ".join(text.split())[:_SAID]


def begin(arguments: list[str]) -> Child:
    """Read what the supervisor handed over. Call it first: until then SIGTERM just kills."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--listen", default="")
    given = parser.parse_args(arguments)
    listeners = [part.split(":") for part in given.listen.split(",") if part]
    return Child(
        restore(given.settings.read_bytes()),
        socket.socket(fileno=given.channel),
        tuple(int(descriptor) for descriptor, _ in listeners),
        tuple(int(port) for _, port in listeners),
    )
