"""A private PostgreSQL server, stopped, killed and started again at will.

PostgreSQL refuses root, so for root it runs as the user `postgres`, in a folder that this user can reach.
"""

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.presence import missing, tool
from tests.parts.processes import Server, Word, free_port, run, short_folder, succeeds

OWNER = "ent"
ACCOUNT = "postgres"


@dataclass(slots=True)
class Postgres:
    """One server. `dsn` names its first database; `new_database` makes an empty one more."""

    folder: Path
    port: int
    fsync: bool
    _server: Server | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def dsn(self) -> str:
        """`postgresql://…` of the database that every server has."""
        return self._dsn("postgres")

    def _dsn(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database; its DSN."""
        name = f"ent_{os.getpid()}_{next(self._numbers)}"
        run([_program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, name])
        return self._dsn(name)

    @property
    def server(self) -> Server:
        """The process group of the server; an error in the test when it was never started."""
        assert self._server is not None, "PostgreSQL was not started"
        return self._server

    def start(self) -> None:
        """Start, and return when it answers; after a crash it recovers first."""
        argv = [*_account(), _program("postgres"), "-D", self.folder / "data", "-k", self.folder]
        argv += ["-h", "127.0.0.1", "-p", str(self.port), "-c", "max_connections=200", "-c", f"fsync={self.fsync}"]
        self._server = Server("postgres", argv, self.folder / "log")
        self._server.start(lambda: succeeds([_program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]))

    def stop(self) -> None:
        """Fast shutdown: sessions are cut, everything committed is on disk."""
        self.server.stop(by=signal.SIGINT)

    def kill9(self) -> None:
        """Kill all its processes at once."""
        self.server.kill9()
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def restart(self) -> None:
        """Stop and start: every open connection is lost once."""
        self.stop()
        self.start()


@contextmanager
def postgres(*, fsync: bool = False) -> Iterator[Postgres]:
    """A running server with an empty cluster. Crash tests need `fsync`; all others are faster without."""
    with short_folder("pg") as folder:
        if os.getuid() == 0:
            shutil.chown(folder, ACCOUNT)
        initdb = [*_account(), _program("initdb"), "-D", folder / "data", "-U", OWNER]
        run([*initdb, "-A", "trust", "-E", "UTF8", "--no-sync"])
        server = Postgres(folder, free_port(), fsync)
        server.start()
        try:
            yield server
        finally:
            if server.server.running:
                server.stop()


def _account() -> list[Word]:
    """What must stand before a command so that it runs as a user whom PostgreSQL accepts."""
    if os.getuid() != 0:
        return []
    return [tool("setpriv"), f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"]


def _program(name: str) -> Path:
    """A program of the newest installed server; Debian keeps them out of the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if versions:
        return versions[-1].with_name(name)
    if shutil.which("initdb") is None:
        missing("the PostgreSQL server is not installed (.ci/install obtains it)")
    return tool(name)
