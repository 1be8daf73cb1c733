"""`api/system` and `api/system/info` (reference 5): the machine and the process that answers, as text and in numbers.

The numbers have the names of a Java machine. Its heap is our resident memory here, and there is no other memory beside it.
"""

from __future__ import annotations

import os
import platform
import resource
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from entrepot import __version__
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metrics.node import machine_memory, memory_limit

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")
_MEMORY: Final = Path("/proc/meminfo")
_MOST: Final = 2**63 - 1
_NANO: Final = 1_000_000_000


class SystemInfoApi:
    """The handlers. One per process. `about` is what the text says of the instance."""

    def __init__(self, about: Mapping[str, str]) -> None:
        self._about = about
        self._began = time.monotonic()

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", "/artifactory/api/system", "system.report", "admin", self.report, response="text/plain",
                summary="The same and more, for people to read"),
            Row("GET", "/artifactory/api/system/info", "system.info", "admin", self.info, response=dict,
                summary="Memory, processors, threads and open files"),
        )  # fmt: skip

    async def report(self, _: Request) -> Reply:
        """GET: sections of lines, each a name and a value."""
        program = {"entrepot.version": __version__, "python.version": platform.python_version()}
        machine = {
            "host": platform.node(),
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
        }
        sections = (("Instance", {**program, **self._about}), ("Machine", machine), ("Process", self._numbers()))
        return text_reply("".join(_section(title, lines) for title, lines in sections))

    async def info(self, _: Request) -> Reply:
        """GET: all numbers are there, and none is negative."""
        return json_reply(self._numbers())

    def _numbers(self) -> dict[str, int | float]:
        memory, cores = machine_memory(), os.cpu_count() or 1
        virtual, resident = _own_memory()
        swap, limit = _swap(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        alive, busy = time.monotonic() - self._began, time.process_time()
        return {
            "committedVirtualMemorySize": virtual, "totalSwapSpaceSize": swap[0], "freeSwapSpaceSize": swap[1],
            "processCpuTime": int(busy * _NANO), "totalPhysicalMemorySize": memory.total,
            "openFileDescriptorCount": _open_files(), "maxFileDescriptorCount": limit if limit >= 0 else _MOST,
            "processCpuLoad": min(busy / max(alive, 1.0) / cores, 1.0), "systemCpuLoad": min(os.getloadavg()[0] / cores, 1.0),
            "freePhysicalMemorySize": memory.free, "numberOfCores": cores, "heapMemoryUsage": resident, "noneHeapMemoryUsage": 0,
            "threadCount": threading.active_count(), "noneHeapMemoryMax": 0, "heapMemoryMax": memory_limit(memory),
            "jvmUpTime": int(alive * 1000),
        }  # fmt: skip


def _section(title: str, lines: Mapping[str, object]) -> str:
    width = max(map(len, lines))
    told = "".join(f"{name.ljust(width)} | {value}\n" for name, value in lines.items())
    return f"{title}\n{'=' * len(title)}\n{told}\n"


def _own_memory() -> tuple[int, int]:
    """Return this process's virtual and resident bytes; none where the system does not tell."""
    try:
        virtual, resident = _STATM.read_text().split()[:2]
    except OSError:
        return 0, 0
    return int(virtual) * _PAGE, int(resident) * _PAGE


def _swap() -> tuple[int, int]:
    """Return the bytes of swap space, all and free."""
    try:
        told = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
    except OSError:
        return 0, 0
    total, free = (int(told.get(name, "0 kB").split()[0]) << 10 for name in ("SwapTotal", "SwapFree"))
    return total, free


def _open_files() -> int:
    try:
        return sum(1 for _ in _DESCRIPTORS.iterdir())
    except OSError:
        return 0
