"""A private Docker engine: its own data, socket and containerd, no bridge, no firewall rules.

The engine speaks plain HTTP to 127.0.0.0/8 without being told, so a registry under test needs no configuration.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import root_on_linux, tool
from tests.parts.processes import Finished, Server, Word, run, short_folder, succeeds


@dataclass(frozen=True, slots=True)
class Docker:
    """A command line bound to one engine and to one folder of credentials."""

    socket: str
    config: Path

    def __call__(self, *arguments: Word, stdin: str = "", seconds: float = 300, fails: bool = False) -> Finished:
        """Run `docker ARGUMENTS`. Raises PartError unless it exits as expected."""
        argv = [tool("docker"), "--config", self.config, *arguments]
        return run(argv, env=self.environment, stdin=stdin, seconds=seconds, fails=fails)

    @property
    def environment(self) -> Mapping[str, str]:
        """What points other programs at the same engine."""
        return {"DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self.config)}

    def as_somebody(self, config: Path) -> "Docker":
        """The same engine with other credentials."""
        return Docker(self.socket, config)

    def forget(self) -> None:
        """Remove every image and every layer, so that the next pull fetches all of them."""
        self("system", "prune", "--all", "--force")


@contextmanager
def dockerd(folder: Path) -> Iterator[Docker]:
    """A running engine; `folder` keeps its log and the credentials of its client.

    The storage driver is left to the engine: overlay2 where the file system can, else a copying one.
    """
    root_on_linux("the Docker engine")
    engine, _ = tool("dockerd"), tool("docker")
    with short_folder("docker") as scratch:
        docker = Docker(f"unix://{scratch}/s", folder / "docker-config")
        argv: list[Word] = [
            engine,
            "--data-root",
            scratch / "data",
            "--exec-root",
            scratch / "exec",
            "--pidfile",
            scratch / "pid",
        ]
        argv += ["-H", docker.socket, "--iptables=false", "--bridge=none"]
        argv += ["--containerd-namespace", "ent", "--containerd-plugins-namespace", "ent-p"]
        server = Server("dockerd", argv, folder / "dockerd.log")
        server.start(lambda: succeeds([tool("docker"), "version"], env=docker.environment))
        try:
            yield docker
        finally:
            server.stop()
