"""What SQLite's errors mean to us: a rule of the schema, a full disk, an outage that passes, or a fault.

SQLite tells most writes for which there is no room as SQLITE_FULL, but the WAL index (`-shm`) and a flush that find none as
I/O errors, and Python does not tell the number of the system's error. So after such an error we ask the disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Never

from entrepot.metadata.database import DatabaseFull, DatabaseUnavailable, Duplicate, ReferenceLost

_PASSING: Final = tuple(
    f"SQLITE_{name}"
    for name in ("BUSY", "LOCKED", "IOERR", "FULL", "CANTOPEN", "READONLY", "PERM", "NOMEM", "INTERRUPT", "PROTOCOL")
)  # of the disk, of others who use it, of the machine: their extended codes begin so, too
_OF_WRITES: Final = frozenset(
    f"SQLITE_{name}"
    for name in (
        "IOERR_WRITE", "IOERR_FSYNC", "IOERR_DIR_FSYNC", "IOERR_TRUNCATE", "IOERR_SHMOPEN", "IOERR_SHMSIZE",
        "IOERR_SHMMAP", "CANTOPEN",
    )
)  # fmt: skip
_ROOM: Final = 1 << 16  # bytes: with less there may be none for the next piece of the WAL index, which has half of it


def raise_translated(error: sqlite3.Error, folder: Path) -> Never:
    """Raise the error of our tree that says the same, caused by it; a fault as it is. `folder` is the database's."""
    name = getattr(error, "sqlite_errorname", "")
    if name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}:
        raise Duplicate from error
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        raise ReferenceLost from error
    if name.startswith(_PASSING) or "closed" in str(error):  # a closed connection has no code
        raise outage(error, folder) from error
    raise error


def outage(error: BaseException, folder: Path) -> DatabaseUnavailable:
    """Return what to tell whose work was lost by an error, or by one that caused it: DatabaseFull where the disk is."""
    full = any(_for_want_of_room(cause, folder) for cause in _causes(error))
    return DatabaseFull() if full else DatabaseUnavailable()


def _for_want_of_room(error: BaseException, folder: Path) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return name == "SQLITE_FULL" or (name in _OF_WRITES and _no_room(folder))


def _no_room(folder: Path) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _ROOM or (disk.f_files > 0 and disk.f_favail == 0)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
