"""Run programs: one command to its end, or a server in a process group of its own.

A server is stopped by its group, so that nothing it started outlives the test; what it printed is in one file and
is shown when it does not come up.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Word = str | Path
"""One word of a command line."""

POLL_SECONDS = 0.05
LINGER_SECONDS = 2
# Runs beside every server: when the test process is gone, however it went, its end of the pipe closes.
GUARD = "read nothing; kill -s TERM -- -$0; sleep 5; kill -s KILL -- -$0"
TAIL_BYTES = 4_000


class PartError(AssertionError):
    """A real client or server did not do what the test needs; the message holds what it printed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left: its exit code and everything it printed, as text."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both outputs: many clients print results on one and progress on the other, and swap them by version."""
        return f"{self.out}\n{self.err}"


def run(
    argv: Sequence[Word],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
    seconds: float = 120,
    fails: bool = False,
) -> Finished:
    """Run `argv` to its end with `env` added to the environment.

    With `fails` a non-zero exit is what the test wants, and zero is the failure. Raises PartError.
    """
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(
            command,
            env=os.environ | (env or {}),
            input=stdin,
            cwd=cwd,
            timeout=seconds,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        printed = f"{late.stdout!r}\n{late.stderr!r}"
        raise PartError(f"{' '.join(command)}\nstill running after {seconds} s\n{printed}") from late
    if (done.returncode != 0) is not fails:
        raise PartError(f"{' '.join(command)}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return Finished(done.returncode, done.stdout, done.stderr)


def succeeds(argv: Sequence[Word], *, env: Mapping[str, str] | None = None) -> bool:
    """Whether `argv` exits with 0; for probing whether a server is up."""
    words = [str(word) for word in argv]
    return subprocess.run(words, env=os.environ | (env or {}), capture_output=True, check=False).returncode == 0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether something listens on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Whether `holds()` became true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def answers(url: str, *codes: int) -> bool:
    """Whether a GET of `url` is answered with one of `codes` (200 when none is given)."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status in (codes or (200,))
    except urllib.error.HTTPError as refused:
        return refused.code in codes
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    group: int
    zombie: bool


def _processes() -> Iterator[_Process]:
    """Every process of the machine, from proc(5); none where that does not exist."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            yield _Process(int(stat.parent.name), int(parent), int(group), state in "ZX")


def _guard(group: int) -> subprocess.Popen[bytes]:
    """A process that ends `group` when this one is gone."""
    return subprocess.Popen(
        ["sh", "-c", GUARD, str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@dataclass(slots=True)
class Server:
    """A program that runs until it is stopped, leading its own process group."""

    name: str
    argv: Sequence[Word]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    drop: str = ""
    """Variables whose names start with this are not inherited (empty: all are)."""
    _popen: subprocess.Popen[bytes] | None = None
    _guard: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool], *, seconds: float = 30) -> None:
        """Start, and return when `ready()` holds. Raises PartError with the log when it does not come to that."""
        inherited = {k: v for k, v in os.environ.items() if not self.drop or not k.startswith(self.drop)}
        with self.log.open("ab") as out:
            self._popen = subprocess.Popen(
                [str(word) for word in self.argv],
                env=inherited | dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = _guard(self.pid)
        try:
            self._await(ready, seconds)
        except BaseException:
            self.kill9()
            raise

    def _await(self, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            code = self.popen.poll()
            if code is not None:
                raise PartError(f"{self.name} ended with {code} before it was ready\n{self.tail()}")
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} was not ready after {seconds} s\n{self.tail()}")
            time.sleep(POLL_SECONDS)

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        """The process; an error in the test when it was never started."""
        if self._popen is None:
            raise PartError(f"{self.name} was not started")
        return self._popen

    @property
    def pid(self) -> int:
        """The id of the first process, and so of the group."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether the first process is alive."""
        return self._popen is not None and self._popen.poll() is None

    def stop(self, *, by: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        """Ask the first process to end; its exit code.

        Raises PartError, and kills the group, when it has not ended after `seconds` or left processes behind.
        """
        if self.running:
            self.popen.send_signal(by)
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired as late:
            self.kill9()
            raise PartError(f"{self.name} ignored {by.name} for {seconds} s\n{self.tail()}") from late
        if not wait_until(lambda: not self.survivors(), seconds=LINGER_SECONDS):
            self.kill9()
            raise PartError(f"{self.name} ended with {code} but left processes behind\n{self.tail()}")
        self._dismiss()
        return code

    def kill9(self) -> None:
        """Kill everything it started at once, as a power cut would; harmless when it is gone."""
        family = self.survivors()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait(30)
        self._dismiss()

    def _dismiss(self) -> None:
        """End the guard; before its pipe is closed, or it would kill whoever has the group's number by then."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def survivors(self) -> list[int]:
        """Its processes that still run: the group, and descendants that left it (PostgreSQL's do)."""
        seen = {process.pid: process for process in _processes()}
        family = {pid for pid, process in seen.items() if process.group == self.pid}
        while found := {pid for pid, process in seen.items() if process.parent in family} - family:
            family |= found
        return sorted(pid for pid in family if not seen[pid].zombie)

    def tail(self, size: int = TAIL_BYTES) -> str:
        """The last `size` bytes of what it printed."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - size))
            return log.read().decode(errors="replace")


@contextmanager
def short_folder(name: str) -> Iterator[Path]:
    """A scratch folder with a path short enough for sockets (108 bytes), removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"ent-{name}-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            _unmount_below(Path(folder))


def _unmount_below(folder: Path) -> None:
    """Take away what engines leave mounted when they stop; a mounted folder cannot be removed."""
    mounts = Path("/proc/mounts")
    points = [line.split()[1] for line in mounts.read_text().splitlines()] if mounts.exists() else []
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        run(["umount", "--lazy", point])
