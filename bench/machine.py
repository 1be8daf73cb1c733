"""The machine and the processes on it: what the numbers were taken on, memory and CPU of a tree of processes."""

import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.values import Failed

PROC = Path("/proc")
MIB = 1024 * 1024


def describe(scratch: Path) -> str:
    """Name cores, CPU, memory, kernel and the file system that was written to, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores ({cpu_model()}), {memory:.0f} GiB memory, {platform.system()} {platform.release()}, "
        f"{file_system(scratch)}, Python {platform.python_version()}"
    )


def cpu_model() -> str:
    info = PROC / "cpuinfo"
    if info.exists():
        for line in info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    sysctl = shutil.which("sysctl")
    if sysctl:
        named = subprocess.run([sysctl, "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        if named.returncode == 0:
            return named.stdout.strip()
    return platform.machine()


def file_system(folder: Path) -> str:
    """Give the type of the file system under a folder: on tmpfs an fsync is free and the push rows say nothing."""
    mounts = PROC / "mounts"
    if not mounts.exists():
        return "file system unknown"
    best = ("", "?")
    for line in mounts.read_text().splitlines():
        _, point, kind, *_ = line.split()
        if folder.is_relative_to(point) and len(point) > len(best[0]):
            best = (point, kind)
    return best[1]


def tree(root: int) -> list[int]:
    """List a process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir() if PROC.exists() else ():
        if entry.name.isdigit() and (fields := stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def stat(pid: int) -> list[str] | None:
    """Give the fields of /proc/<pid>/stat after the name, or None when the process has gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def memory(root: int, field: str) -> float:
    """Sum Rss or Pss over a tree of processes, in MiB. Shared pages count once in Pss, each time in Rss."""
    if not PROC.exists():
        raise Failed("memory is read from /proc, which this system does not have")
    total = 0
    for pid in tree(root):
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
    return total * 1024 / MIB


def cpu_seconds(roots: Iterable[int]) -> float:
    """Sum the CPU time that trees of processes have used so far."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            if fields := stat(pid):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Neighbours:
    """The share of the machine's CPU that went to others: to processes that are no part of this run, or stolen by a
    hypervisor. Rates taken while it is more than a few percent are too low, and not by the same factor everywhere."""

    def __init__(self) -> None:
        self.total = 0.0
        self.foreign = 0.0

    def watch(self, roots: list[int], step: Callable[[], None]) -> None:
        """Run the step, which must wait for its child processes, and count what others used meanwhile."""
        began = used(roots)
        step()
        total, busy, own = (now - before for now, before in zip(used(roots), began, strict=True))
        self.total += total
        self.foreign += max(0.0, busy - own)

    def describe(self) -> str:
        if not self.total:
            return "others on this machine: not measured"
        return f"others took {100 * self.foreign / self.total:.0f} % of the CPU meanwhile"


def used(roots: list[int]) -> tuple[float, float, float]:
    """Give CPU seconds since boot: of all processors, of those the busy ones, and of this run's own processes."""
    if not PROC.exists():
        return 0.0, 0.0, 0.0
    ticks = [int(field) for field in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    idle, scale = ticks[3] + ticks[4], os.sysconf("SC_CLK_TCK")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    mine = resource.getrusage(resource.RUSAGE_SELF)
    own = spent.ru_utime + spent.ru_stime + mine.ru_utime + mine.ru_stime
    return sum(ticks) / scale, (sum(ticks) - idle) / scale, own + cpu_seconds(roots)


def settle(roots: list[int], *, patience: float = 30.0) -> None:
    """Wait until the servers have finished what an earlier measurement left them: requests of a client that is gone."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = cpu_seconds(roots)
        time.sleep(0.25)
        if cpu_seconds(roots) - before <= 0.02:
            return
