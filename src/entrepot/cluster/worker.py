"""A worker: the process that answers requests. `MODULE:NAME`, its first argument, is the ASGI application."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import traceback
from collections.abc import Callable

from entrepot.asgi import Asgi
from entrepot.cluster.child import Child, begin
from entrepot.cluster.home import event_log
from entrepot.cluster.lifespan import lifespan
from entrepot.cluster.serving import Doors
from entrepot.errors import EntrepotError
from entrepot.logs.events import EventLog
from entrepot.logs.setup import configure

_FAILED = 3


def main(arguments: list[str]) -> int:
    """Serve until asked to end; return the exit status."""
    gc.disable()  # the modules that are loaded now stay: looking for garbage among them is an eighth of a start
    target, *rest = arguments
    child = begin(rest)
    events = event_log(child.settings, "worker")
    configure(events)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_work(child, target, events))
    except EntrepotError as error:
        child.failed(error.message)
        return _FAILED
    except Exception as error:  # noqa: BLE001 - the last line: in the log with its traceback, told in one line
        events.note("critical", "worker.failed", exception=traceback.format_exc())
        child.failed(f"{type(error).__name__}: {error}")
        return _FAILED
    finally:
        events.close()
    return 0


async def _work(child: Child, target: str, events: EventLog) -> None:
    application = _load(target)
    notes: dict[str, str] = {}
    async with lifespan(application, {"settings": child.settings, "notes": notes}):
        doors = Doors(application, child.settings, list(zip(child.listeners, child.ports, strict=True)))
        _keep_what_stays()
        doors.open()
        child.ready(notes)
        await child.stop_asked()
        await asyncio.sleep(child.settings.drain_notice_seconds)
        if not await doors.close(child.settings.drain_seconds):
            events.note("warning", "worker.cut_off", seconds=child.settings.drain_seconds)


def _keep_what_stays() -> None:
    """Have the collector of cycles pass over all that was made so far: looking at it stopped every request for 31 ms."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _load(target: str) -> Asgi:
    module, _, name = target.partition(":")
    application: Asgi = getattr(importlib.import_module(module), name)
    return application


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - absent where it has no wheel; then asyncio's own loop is used
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
