"""One instance on one home folder: a lock that ends with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from entrepot.cluster.home import HomeUnusable
from entrepot.errors import EntrepotError

_LOCK = "instance.lock"
_TRIES, _PAUSE = 5, 0.02  # seconds: a command that looks whether the lock is held has it for an instant


class AlreadyRunning(EntrepotError):
    """Another entrepot (process {pid}) is running on the home folder {home}."""


def lock_home(home: Path) -> int:
    """Take the lock and return its descriptor, to be kept open. Raises AlreadyRunning, HomeUnusable.

    The descriptor is not inherited by children: the lock is the supervisor's alone.
    """
    try:
        lock = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeUnusable(home=home, reason=error.strerror) from None
    try:
        _take(lock)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise AlreadyRunning(home=home, pid=holder) from None
    except OSError as error:
        os.close(lock)
        raise HomeUnusable(home=home, reason=f"its file system has no locks ({error.strerror})") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def is_locked(home: Path) -> bool:
    """Return whether an instance runs on the home folder. Raises OSError."""
    try:
        lock = os.open(home / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _take(lock: int) -> None:
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(_PAUSE)
        else:
            return
