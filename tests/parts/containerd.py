"""A private containerd and its client `ctr`, which speaks to registries as Kubernetes does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import root_on_linux, tool
from tests.parts.processes import Finished, Server, Word, run, short_folder, succeeds

CONFIG = """\
version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{0}/s"
[ttrpc]
  address = "{0}/t"
"""

HOSTS = """\
server = "{0}"
[host."{0}"]
  capabilities = ["pull", "resolve", "push"]
  override_path = {1}
"""


@dataclass(frozen=True, slots=True)
class Ctr:
    """`ctr` bound to one containerd. Registries are described by `describe`."""

    socket: Path
    hosts: Path

    def __call__(self, *arguments: Word, fails: bool = False) -> Finished:
        """Run `ctr ARGUMENTS`. Raises PartError unless it exits as expected."""
        return run([tool("ctr"), "--address", self.socket, *arguments], fails=fails)

    def describe(self, host: str, url: str, *, override_path: bool = False) -> None:
        """Reach the registry that image names call `host` at `url`, given with its `/v2` when `override_path`."""
        folder = self.hosts / host
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(HOSTS.format(url, str(override_path).lower()))

    def pull(self, reference: str, *, user: str) -> Finished:
        """Pull for this machine's platform as `user` (name:password)."""
        return self("images", "pull", "--hosts-dir", self.hosts, "--user", user, reference)

    def push(self, reference: str, *, user: str) -> Finished:
        """Push the image that is known under `reference`."""
        return self("images", "push", "--hosts-dir", self.hosts, "--user", user, reference)

    def forget(self, *references: str) -> None:
        """Remove the images and, before this returns, every byte that only they used."""
        self("images", "rm", "--sync", *references)


@contextmanager
def containerd(folder: Path) -> Iterator[Ctr]:
    """A running containerd; `folder` keeps its log and the descriptions of registries."""
    root_on_linux("containerd")
    program, client = tool("containerd"), tool("ctr")
    with short_folder("containerd") as scratch:
        config = scratch / "config.toml"
        config.write_text(CONFIG.format(scratch))
        server = Server("containerd", [program, "--config", config], folder / "containerd.log")
        server.start(lambda: succeeds([client, "--address", scratch / "s", "version"]))
        try:
            yield Ctr(scratch / "s", folder / "certs.d")
        finally:
            server.stop()
