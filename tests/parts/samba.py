"""A private Active Directory (Samba), in a network namespace of its own because its ports are fixed.

What runs inside of the namespace reaches it at 127.0.0.1; `inside` brings a thread there.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.parts.presence import missing, root_on_linux, tool
from tests.parts.processes import Server, run, short_folder, succeeds

T = TypeVar("T")

BASE = "DC=ent,DC=test"
ADMINISTRATOR = "administrator@ENT.TEST"
PASSWORD = "Passw0rd.1"
_NEW_NETWORK = 0x40000000


@dataclass(slots=True)
class Samba:
    """One domain controller."""

    folder: Path
    namespace: str

    @property
    def certificate(self) -> str:
        """What has signed its certificate."""
        return (self.folder / "private" / "tls" / "ca.pem").read_text()

    def tool(self, *words: str) -> None:
        """Run samba-tool against its database."""
        run([tool("samba-tool"), *words, "-s", str(self.folder / "etc" / "smb.conf")])

    def inside(self, work: Callable[[], T]) -> T:
        """Run something on a thread that is in its network."""

        def enter() -> T:
            with Path(f"/var/run/netns/{self.namespace}").open("rb") as target:
                if ctypes.CDLL(None, use_errno=True).setns(target.fileno(), _NEW_NETWORK) != 0:
                    missing(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")
            return work()

        with ThreadPoolExecutor(1) as thread:  # the thread ends with it, and nobody else gets into the namespace
            return thread.submit(enter).result()


@contextmanager
def samba() -> Iterator[Samba]:
    """A running domain ENT.TEST with its administrator."""
    root_on_linux("Samba")
    ip, daemon = tool("ip"), tool("samba")
    with short_folder("ad") as folder:
        provision = [
            "domain", "provision", "--realm=ENT.TEST", "--domain=ENT", "--server-role=dc", f"--adminpass={PASSWORD}",
            "--dns-backend=NONE", f"--targetdir={folder}", "--host-name=dc1", "--host-ip=127.0.0.1",
        ]  # fmt: skip
        run([tool("samba-tool"), *provision])
        name = f"ent-ad-{os.getpid()}-{time.monotonic_ns() % 10_000}"
        if not succeeds([ip, "netns", "add", name]):
            missing("cannot make a network namespace")
        try:
            run([ip, "netns", "exec", name, ip, "link", "set", "lo", "up"])
            argv = [ip, "netns", "exec", name, daemon, "-s", folder / "etc" / "smb.conf", "-F", "-M", "single",
                    "--no-process-group", "--debug-stdout"]  # fmt: skip
            server = Server("samba", argv, folder / "log")
            probe = [
                ip,
                "netns",
                "exec",
                name,
                tool("ldapsearch"),
                "-x",
                "-H",
                "ldap://127.0.0.1",
                "-s",
                "base",
                "-b",
                "",
            ]
            server.start(lambda: succeeds(probe), seconds=90)
            try:
                yield Samba(folder, name)
            finally:
                server.kill9()
        finally:
            run([ip, "netns", "del", name])
