"""`api/system/info` (reference 5): the machine, and the process that answers, in the words of a Java machine.

Its heap is our resident memory here, and there is no other memory beside it.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path
from typing import Final

from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metrics.node import machine_memory, memory_limit

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")
_MEMORY: Final = Path("/proc/meminfo")
_MOST: Final = 2**63 - 1
_NANO: Final = 1_000_000_000


class SystemInfoApi:
    """The handler. One per process."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def rows(self) -> tuple[Row, ...]:
        """Return the row."""
        return (
            Row("GET", "/artifactory/api/system/info", "system.info", "admin", self.info, response=dict,
                summary="Memory, processors, threads and open files"),
        )  # fmt: skip

    async def info(self, _: Request) -> Reply:
        """GET: all numbers are there, and none is negative."""
        memory, cores = machine_memory(), os.cpu_count() or 1
        virtual, resident = _own_memory()
        swap, limit = _swap(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        alive, busy = time.monotonic() - self._began, time.process_time()
        return json_reply(
            {
                "committedVirtualMemorySize": virtual, "totalSwapSpaceSize": swap[0], "freeSwapSpaceSize": swap[1],
                "processCpuTime": int(busy * _NANO), "totalPhysicalMemorySize": memory.total,
                "openFileDescriptorCount": _open_files(), "maxFileDescriptorCount": limit if limit >= 0 else _MOST,
                "processCpuLoad": min(busy / max(alive, 1.0) / cores, 1.0), "systemCpuLoad": min(os.getloadavg()[0] / cores, 1.0),
                "freePhysicalMemorySize": memory.free, "numberOfCores": cores, "heapMemoryUsage": resident, "noneHeapMemoryUsage": 0,
                "threadCount": threading.active_count(), "noneHeapMemoryMax": 0, "heapMemoryMax": memory_limit(memory),
                "jvmUpTime": int(alive * 1000),
            }
        )  # fmt: skip


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
