"""Entrepot itself, started as a user starts it: the installed program, a home folder, a port.

Variables `ENTREPOT_*` of the test run are not handed on, because to the product an unknown one is an error.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.presence import missing
from tests.parts.processes import PartError, Server, Word, answers, free_port

ADMIN = "admin"
PASSWORD = "Rosebud-1941"
PING = "/artifactory/api/system/ping"


@dataclass(slots=True)
class Entrepot:
    """One server on one home folder. It can be stopped, killed and started again on the same port."""

    home: Path
    port: int
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ADMIN
    password: str = PASSWORD
    _server: Server | None = None

    @property
    def host(self) -> str:
        """What a client writes before the first slash of an image name."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The root of everything it serves, without a slash at the end."""
        return f"http://{self.host}"

    @property
    def log(self) -> Path:
        """All it printed, over all starts."""
        return self.home.with_name(f"{self.home.name}.log")

    @property
    def server(self) -> Server:
        """The process group behind it."""
        if self._server is None:
            raise PartError("Entrepot was not started")
        return self._server

    def start(self, *, seconds: float = 60) -> None:
        """Start, and return when the ping is answered. Raises PartError with the log when it is not."""
        argv: list[Word] = [program(), "serve", "--home", self.home, "--host", "127.0.0.1", "--port", str(self.port)]
        environment = {"ENTREPOT_ADMIN_PASSWORD": self.password, **self.environment}
        self._server = Server("entrepot", [*argv, *self.arguments], self.log, environment, drop="ENTREPOT_")
        self._server.start(self.pings, seconds=seconds)

    def pings(self) -> bool:
        """Whether `GET /artifactory/api/system/ping` answers 200."""
        return answers(self.url + PING)

    def stop(self, *, seconds: float = 60) -> None:
        """SIGTERM; it must drain, exit with 0 and leave no process behind. Raises PartError."""
        code = self.server.stop(seconds=seconds)
        if code != 0:
            raise PartError(f"entrepot ended with {code} after SIGTERM\n{self.server.tail()}")

    def kill9(self) -> None:
        """Kill all its processes at once."""
        self.server.kill9()

    def restart(self) -> None:
        """Stop it as an administrator does, and start it again."""
        self.stop()
        self.start()


def program() -> Path:
    """The installed `entrepot`: of the environment that runs the tests, else of the checkout."""
    beside = Path(sys.executable).with_name("entrepot")
    checkout = Path(__file__).parents[2] / ".venv" / "bin" / "entrepot"
    found = next((path for path in (beside, checkout) if os.access(path, os.X_OK)), None)
    if found is None:
        missing("the program entrepot is not installed beside this Python (pip install -e .)")
    return found


@contextmanager
def entrepot(
    home: Path,
    *,
    port: int | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Entrepot]:
    """A running server on `home`; on leaving it is stopped with the checks of `stop`, or killed if the test failed."""
    server = Entrepot(home, port or free_port(), arguments, environment or {})
    server.start()
    try:
        yield server
        if server.server.running:
            server.stop()
    finally:
        server.kill9()
