"""Files in and out by the Artifactory contract: `python -m bench.deploys [--seconds 10] [--files 8]`.

Small files by PUT on 16 connections, on SQLite and on PostgreSQL, beside nginx with WebDAV, which hashes nothing, asks nobody and
never waits for a disk. Then files of 100 MB up and down by `jf rt`, beside the same bytes by curl to and from nginx.
"""

import argparse
import base64
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.client import Client, Load
from bench.growth import database_url
from bench.values import Plan
from tests.parts.entrepot import Entrepot, entrepot
from tests.parts.presence import tool
from tests.parts.processes import Server, free_port, run, succeeds

SMALL, LARGE = 4 << 10, 100_000_000
REPO = "generic-local"
CONFIGURATION = """
{user}worker_processes auto; daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; client_max_body_size 0; keepalive_requests 1000000000; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/t1; fastcgi_temp_path {folder}/t2; uwsgi_temp_path {folder}/t3; scgi_temp_path {folder}/t4;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; dav_methods PUT; create_full_put_path on; }} }}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Give the URL of an nginx that takes files."""
    port = free_port()
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "ready").write_text("ready")
    user = "user root; " if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(CONFIGURATION.format(user=user, folder=folder, port=port))
    url = f"http://127.0.0.1:{port}"
    server = Server(
        "nginx", [tool("nginx"), "-e", folder / "error.log", "-c", folder / "nginx.conf"], folder / "log", {}
    )
    server.start(lambda: succeeds(["curl", "-sf", f"{url}/ready"]), seconds=10)
    try:
        yield url
    finally:
        server.stop()


class Bench:
    """What is measured, one after another, and printed as it is known."""

    def __init__(self, scratch: Path, seconds: float, rounds: int, files: int) -> None:
        self.scratch, self.rounds, self.files = scratch, rounds, files
        self.client = Client(Plan(seconds, 1, rounds, 0, 0, scratch, None))
        self.numbers = iter(range(1_000_000))

    def small(self, address: str, root: str, authorization: str) -> float:
        prefix = f"{root}/small{next(self.numbers)}"
        done = self.client.run(Load("put-file", (f"--prefix={prefix}", f"--size={SMALL}")), address, authorization)
        return done.operations / done.seconds

    def timed(self, work: Callable[[], object]) -> float:
        """Return MB/s of moving all large files."""
        os.sync()
        began = time.perf_counter()
        work()
        return self.files * LARGE / 1e6 / (time.perf_counter() - began)

    def sources(self) -> Path:
        folder = self.scratch / f"large{next(self.numbers)}"
        folder.mkdir()
        for number in range(self.files):
            (folder / f"{number}.bin").write_bytes(os.urandom(LARGE))
        return folder

    def by_jf(self, server: Entrepot) -> tuple[float, float]:
        source, target, name = self.sources(), self.scratch / "down", f"jf{next(self.numbers)}"
        account = (f"--url={server.url}/artifactory", f"--user={server.user}", f"--password={server.password}")
        environment = {"JFROG_CLI_HOME_DIR": str(self.scratch / "jfrog"), "CI": "true", "JFROG_CLI_LOG_LEVEL": "ERROR"}

        def jf(*words: str) -> None:
            run([tool("jf-rt"), "rt", *words, *account], env=environment, cwd=source, seconds=600)

        up = self.timed(lambda: jf("u", "*.bin", f"{REPO}/{name}/", "--threads=4", "--flat=true"))
        down = self.timed(
            lambda: jf("dl", f"{REPO}/{name}/", f"{target}/", "--threads=4", "--split-count=4", "--flat=true")
        )
        shutil.rmtree(source), shutil.rmtree(target)
        return up, down

    def by_curl(self, url: str) -> tuple[float, float]:
        source, target = self.sources(), self.scratch / "down"
        target.mkdir()
        names = [f"{number}.bin" for number in range(self.files)]
        up = self.timed(lambda: each(["curl", "-sfT", str(source / name), f"{url}/large/{name}"] for name in names))
        down = self.timed(lambda: each(["curl", "-sfo", str(target / name), f"{url}/large/{name}"] for name in names))
        shutil.rmtree(source), shutil.rmtree(target)
        return up, down


def each(commands: Iterator[list[str]]) -> None:
    """Run four at a time."""
    waiting = list(commands)
    for start in range(0, len(waiting), 4):
        running = [subprocess.Popen(command) for command in waiting[start : start + 4]]
        assert all(one.wait() == 0 for one in running)


def main(seconds: float, rounds: int, files: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, database_url(wanted=True) as url:
        scratch = Path(folder)
        bench = Bench(scratch, seconds, rounds, files)
        found: dict[str, list[float]] = {}
        with (
            nginx(scratch / "nginx") as plain,
            entrepot(scratch / "sqlite") as ours,
            entrepot(scratch / "postgres", environment={"ENTREPOT_DATABASE_URL": url}) as shared,
        ):
            basic = f"Basic {base64.b64encode(f'{ours.user}:{ours.password}'.encode()).decode()}"
            for _ in range(rounds):
                for name, server in (("SQLite", ours), ("PostgreSQL", shared)):
                    rate = bench.small(server.host, f"/artifactory/{REPO}", basic)
                    found.setdefault(f"4 KiB files deployed, c=16, {name} (files/s)", []).append(rate)
                    up, down = bench.by_jf(server)
                    found.setdefault(f"100 MB files up by jf, {name} (MB/s)", []).append(up)
                    found.setdefault(f"100 MB files down by jf in ranges, {name} (MB/s)", []).append(down)
                rate = bench.small(plain.removeprefix("http://"), "/small", "")
                found.setdefault("4 KiB files, nginx without fsync (files/s)", []).append(rate)
                up, down = bench.by_curl(plain)
                found.setdefault("100 MB files up by curl, nginx without fsync (MB/s)", []).append(up)
                found.setdefault("100 MB files down by curl, nginx (MB/s)", []).append(down)
    print(f"\n| Median of {rounds} rounds | |\n|---|---|")
    for name in sorted(found):
        print(f"| {name} | {statistics.median(found[name]):,.0f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=8)
    given = parser.parse_args()
    main(given.seconds, given.rounds, given.files)
