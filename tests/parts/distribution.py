"""The reference registry, CNCF Distribution 3 or Debian's 2.8: a peer to compare with and to prove the tests on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import tool
from tests.parts.processes import Server, answers, free_port

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", secret: x}}
{auth}
"""
AUTH = "auth: {{htpasswd: {{realm: r, path: {folder}/htpasswd}}}}"

# bcrypt of "password" at cost 4: the peer checks it on every request, and at the usual cost that is all one measures.
HTPASSWD = "admin:$2b$04$/.uKPaEtV1GG9Ev7S7FmduMh0knpQobC3vviR7QfjJs0jb4hEjdem\n"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A running registry."""

    port: int
    server: Server
    user: str = "admin"
    password: str = "password"

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return f"http://{self.host}"


@contextmanager
def distribution(folder: Path, *, program: str = "registry", authenticated: bool = True) -> Iterator[Distribution]:
    """A running registry: `program` is `registry` (Distribution 3) or `docker-registry` (Debian's 2.8)."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "htpasswd").write_text(HTPASSWD)
    config = folder / "config.yml"
    auth = AUTH.format(folder=folder) if authenticated else ""
    config.write_text(CONFIG.format(folder=folder, port=port, auth=auth))
    server = Server(program, [tool(program), "serve", config], folder / "log", {"OTEL_TRACES_EXPORTER": "none"})
    server.start(lambda: answers(f"http://127.0.0.1:{port}/v2/", 200, 401))
    try:
        yield Distribution(port, server)
    finally:
        server.kill9()
