"""The process behind `entrepot serve`: the supervisor with the programs of the product, and what it tells the user."""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from entrepot import __version__
from entrepot.cli.main import complain
from entrepot.cluster.home import PASSWORD_FILE, HomeFull, event_log, no_room, prepare_home
from entrepot.cluster.instance import lock_home
from entrepot.cluster.supervisor import Programs, Supervisor
from entrepot.errors import EntrepotError
from entrepot.settings import Settings, restore

PROGRAMS = Programs(
    worker=("-m", "entrepot.cluster.worker", "entrepot.server:app"),
    jobs=("-m", "entrepot.background"),
    prepare=("-m", "entrepot.cli.prepare"),
)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "localhost"}  # noqa: S104 - what to call it


def main(arguments: list[str], programs: Programs = PROGRAMS) -> int:
    """Run a node; the arguments are what `cli/serve.py` hands over. Return the exit status."""
    os.umask(0o077)  # of all processes of the node: what they make is for their own user, whichever library makes it
    descriptor, started, prepare = arguments
    with os.fdopen(int(descriptor), "rb") as handed_over:
        handed_over.seek(0)
        settings = restore(handed_over.read())
    log = event_log(settings, "supervisor")
    try:
        prepare_home(settings.home)
        lock_home(settings.home)
        password = settings.home / PASSWORD_FILE
        known = password.exists()
        supervisor = Supervisor(settings, programs, log)
        return supervisor.run(
            lambda notes: _greet(settings, float(started), password, notes, shown=known), prepare=bool(prepare)
        )
    except EntrepotError as error:
        return complain(error.message)
    except OSError as error:
        if no_room(error):
            return complain(HomeFull(home=settings.home).message)
        return complain(f"{error.filename or settings.home}: {error.strerror or error}")
    finally:
        log.close()


def _greet(settings: Settings, started: float, password: Path, notes: Mapping[str, str], *, shown: bool) -> None:
    """Tell the user where it is, who may enter, what to try next, and what the workers note (`worker.build`).

    A start that failed may have made the password before: where it is kept is told for as long as it is.
    """
    host = _EVERYWHERE.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.tls_cert else "http"
    url = settings.base_url or f"{scheme}://{host}:{settings.port}"
    registry = url.partition("://")[2]
    places = [
        (f"{url}/artifactory/", "Artifactory API; in a browser, its description"),
        (f"{url}/v2/", "Docker registry"),
        *(
            (f"{scheme}://{host}:{port}/v2/", _registry_of(key, there=str(port) not in notes))
            for port, key in settings.docker_ports.items()
        ),
    ]
    width = max(len(place) for place, _ in places)
    lines = [f"Entrepot {__version__} serves {settings.home}", ""]
    lines += [f"  {place:{width}}   {words}" for place, words in places]
    if password.exists():
        kept = f"in {password}" if shown else f"{password.read_text().strip()}   (shown once; kept in {password})"
        lines += ["", f"  user admin, password {kept}"]
    image = f"{registry}/docker-local/hello-world"
    lines += [
        "",
        "Try next:",
        f"  docker login -u admin {registry.partition('/')[0]}",
        f"  docker pull hello-world; docker tag hello-world {image} && docker push {image}",
        f"  docker pull {image}",
        "",
        _readiness(started, notes.get("blob.store", "")),
    ]
    try:
        print("\n".join(lines), flush=True)
    except OSError:  # `entrepot serve | true`; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _tell_systemd("READY=1")


def _registry_of(key: str, *, there: bool) -> str:
    return f"Docker registry of {key}" if there else f"answers 404: there is no Docker repository {key} yet"


def _readiness(started: float, why_not: str) -> str:
    if why_not:
        return f"not ready: the blob store does not answer; the node is ready as soon as it does ({why_not})"
    return f"ready in {time.time() - started:.2f} s"


def _tell_systemd(state: str) -> None:
    """Send a state where systemd waits for one: sd_notify(3), of which this is all that is needed."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        name = f"\0{address[1:]}" if address.startswith("@") else address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:  # it may be gone
            notify.sendto(state.encode(), name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
