"""What the machine and the node's processes use, under the names that Artifactory's dashboards ask for (reference D8).

Java's heap does not exist here: its names carry the resident memory of the node's processes, and the memory there is.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's memory in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes use: resident bytes, and seconds of processor time."""

    resident: int
    cpu: float


class NodeCollector:
    """Gauges of the node, measured when they are asked for. `processes` is the folder of their counters."""

    def __init__(self, home: Path, processes: Path | None) -> None:
        self._home = home
        self._processes = processes
        self._before = (time.monotonic(), self._usage().cpu)
        self._began = time.time()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        for name, words, value in self._values():
            yield GaugeMetricFamily(name, words, value=value)

    def _values(self) -> Iterator[tuple[str, str, float]]:
        memory, usage, disk = machine_memory(), self._usage(), shutil.disk_usage(self._home)
        cpus = os.cpu_count() or 1
        yield "sys_cpu_totaltime_seconds", "Processor time of the node's processes", usage.cpu
        yield "sys_cpu_ratio", "Load of the machine per processor", min(os.getloadavg()[0] / cpus, 1.0)
        yield "sys_memory_used_bytes", "Memory of the machine in use", memory.total - memory.free
        yield "sys_memory_free_bytes", "Memory of the machine that is free", memory.free
        yield "app_disk_used_bytes", "Used space of the disk with the home folder", disk.used
        yield "app_disk_free_bytes", "Free space of the disk with the home folder", disk.free
        yield "app_disk_total_bytes", "Size of the disk with the home folder", disk.total
        yield "process_uptime_seconds", "Time since the node started", time.time() - self._started()
        yield "process_cpu_usage", "Processors in use by the node since the last look, of all", self._share(usage, cpus)
        yield "jfrt_runtime_heap_freememory_bytes", "Always 0: memory that is free is given back", 0
        yield "jfrt_runtime_heap_totalmemory_bytes", "Resident memory of the node's processes", usage.resident
        yield "jfrt_runtime_heap_maxmemory_bytes", "Memory that the node may use", memory_limit(memory)
        yield "jfrt_runtime_heap_processors_total", "Processors of the machine", cpus

    def _share(self, usage: Usage, cpus: int) -> float:
        now, (then, before) = time.monotonic(), self._before
        self._before = (now, usage.cpu)
        return max(0.0, (usage.cpu - before) / max(now - then, 1e-3) / cpus)

    def _started(self) -> float:
        try:
            return self._processes.stat().st_ctime if self._processes else self._began
        except FileNotFoundError:
            return self._began

    def _usage(self) -> Usage:
        """Sum up the processes that count: those whose counters lie in the folder, or this one alone."""
        found = self._processes.glob("*_*.db") if self._processes else ()
        pids = {file.stem.rpartition("_")[2] for file in found} or {str(os.getpid())}
        each = [process_usage(pid) for pid in pids]
        return Usage(sum(one.resident for one in each), sum(one.cpu for one in each))


def process_usage(pid: str) -> Usage:
    """Return what we or a sibling uses; nothing when it is gone or the system does not tell (macOS: ourselves only)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        own = os.times()
        return Usage(0, own.user + own.system) if pid == str(os.getpid()) else Usage(0, 0.0)
    if int(stat[1]) != os.getppid():  # a dead worker's number, which another program has by now
        return Usage(0, 0.0)
    return Usage(int(stat[21]) * _PAGE, (int(stat[11]) + int(stat[12])) / _TICKS)


def machine_memory() -> Memory:
    """Return the machine's memory; free is what programs could still have."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        total = os.sysconf("SC_PHYS_PAGES") * _PAGE
        return Memory(total, 0)
    found = {name: int(rest.split()[0]) << 10 for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(found["MemTotal"], found.get("MemAvailable", found["MemFree"]))


def memory_limit(memory: Memory) -> int:
    """Return how much this node may use: the container's limit, or all there is."""
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return memory.total
    return min(int(limit), memory.total) if limit.isdigit() else memory.total
