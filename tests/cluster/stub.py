"""A node with stand-ins for the application, the jobs and the preparation, so that the supervisor is tested alone.

python -m tests.cluster.stub serve ...      as `entrepot serve ...`
python -m tests.cluster.stub prepare|jobs   what its supervisor starts
"""

import asyncio
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from entrepot.cli import serve, supervise
from entrepot.cli.main import main
from entrepot.cluster import child as inside
from entrepot.cluster import draining, supervisor
from entrepot.cluster.child import begin
from entrepot.cluster.home import PASSWORD_FILE, write_private
from entrepot.cluster.supervisor import Programs

Message = MutableMapping[str, Any]
SELF = ("-m", "tests.cluster.stub")
PROGRAMS = Programs(
    worker=("-m", "entrepot.cluster.worker", "tests.cluster.stub:app"), jobs=(*SELF, "jobs"), prepare=(*SELF, "prepare")
)

if "ENTREPOT_TEST_HASTE" in os.environ:
    inside._ALIVE_SECONDS, supervisor._LOOK_SECONDS = 0.2, 1.0


def refuse_to_spawn(popen: Callable[..., Any], refused: str) -> Callable[..., Any]:
    """Return a `Popen` that fails as long as a file is there, as when the machine has no memory left."""

    def spawn(*words: Any, **how: Any) -> Any:
        if Path(refused).exists():
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return popen(*words, **how)

    return spawn


if "ENTREPOT_TEST_NO_SPAWN" in os.environ:
    subprocess.Popen = refuse_to_spawn(subprocess.Popen, os.environ["ENTREPOT_TEST_NO_SPAWN"])  # type: ignore[misc]


def hang_if_asked() -> None:
    """Never return, once for each time that the file which the test names is made."""
    asked = os.environ.get("ENTREPOT_TEST_HANG")
    if asked and Path(asked).exists():
        Path(asked).unlink()
        time.sleep(600)


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        await receive()
        hang_if_asked()
        broken = os.environ.get("ENTREPOT_TEST_BROKEN")
        if broken:
            await send({"type": "lifespan.startup.failed", "message": broken})
            return
        if notes := os.environ.get("ENTREPOT_TEST_NOTES"):
            scope["state"]["notes"].update(json.loads(notes))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, body = 200, b"OK"
    if scope["path"] == "/pid":
        body = str(os.getpid()).encode()
    elif scope["path"] == "/ready":
        status = 503 if draining.begun() else 200
    elif scope["path"] == "/slow":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await asyncio.sleep(float(scope["query_string"]))
        await send({"type": "http.response.body", "body": b"ended"})
        return
    elif scope["path"] == "/about":
        body = f"{scope['scheme']} {scope['http_version']} {scope['server'][1]}".encode()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def jobs() -> None:
    child = begin(sys.argv[2:])
    child.ready()
    await child.stop_asked()


def prepare() -> None:
    child = begin(sys.argv[2:])
    if os.environ.get("ENTREPOT_TEST_UNPREPARED"):
        child.failed("the database is made of stone.")
        sys.exit(3)
    write_private(child.settings.home / PASSWORD_FILE, b"made-up\n")


if __name__ == "__main__":
    match sys.argv[1]:
        case "jobs":
            asyncio.run(jobs())
        case "prepare":
            prepare()
        case "supervise":
            sys.exit(supervise.main(sys.argv[2:], PROGRAMS))
        case _:
            serve.SUPERVISE = (sys.executable, *SELF, "supervise")
            sys.exit(main())
