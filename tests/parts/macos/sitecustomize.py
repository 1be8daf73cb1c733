"""As much of macOS as can be had on Linux: a Python that starts with this folder on its path lacks what macOS lacks.

It shows that nothing of Linux alone is relied on. It cannot show how the kernel of macOS behaves.
"""

import asyncio  # noqa: F401 - the standard library chooses by platform when it is imported: let it choose Linux first
import fcntl
import multiprocessing  # noqa: F401
import os
import resource
import selectors  # noqa: F401
import signal
import socket
import ssl  # noqa: F401
import subprocess  # noqa: F401
import sys
import sysconfig
import tempfile  # noqa: F401
import urllib.request  # noqa: F401
from collections.abc import Callable
from typing import Any

_LINUX_ONLY = {
    os: (
        "O_DIRECT O_NOATIME O_PATH RWF_DSYNC RWF_HIPRI RWF_NOWAIT RWF_SYNC copy_file_range eventfd fdatasync getrandom "
        "getxattr memfd_create pidfd_open pipe2 posix_fadvise posix_fallocate sched_getaffinity splice"
    ),
    socket: (
        "MSG_CMSG_CLOEXEC MSG_MORE MSG_NOSIGNAL SOCK_CLOEXEC SOCK_NONBLOCK SO_DOMAIN SO_MARK SO_PEERCRED TCP_CORK "
        "TCP_DEFER_ACCEPT TCP_INFO TCP_KEEPIDLE TCP_QUICKACK TCP_USER_TIMEOUT"
    ),
    signal: "SIGPWR SIGRTMAX SIGRTMIN pidfd_send_signal sigtimedwait sigwaitinfo",
    fcntl: "F_GETPIPE_SZ F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETPIPE_SZ",
    resource: "RUSAGE_THREAD prlimit",
}
_FULL_FSYNC = 51  # F_FULLFSYNC of macOS


def _without_proc(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(path: Any, *rest: Any, **named: Any) -> Any:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return call(path, *rest, **named)

    return called


def _with_full_fsync(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(fd: Any, command: int, *rest: Any) -> Any:
        return os.fsync(fd) if command == _FULL_FSYNC else call(fd, command, *rest)

    return called


sysconfig.get_config_vars()
sys.platform = "darwin"
for module, names in _LINUX_ONLY.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("open", "stat", "listdir", "scandir"):
    setattr(os, name, _without_proc(getattr(os, name)))
fcntl.fcntl = _with_full_fsync(fcntl.fcntl)
fcntl.F_FULLFSYNC = _FULL_FSYNC
