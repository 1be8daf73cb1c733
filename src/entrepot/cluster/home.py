"""The home folder: everything that a node keeps on its own disk, readable by its own user only.

entrepot.db  write.lock     the embedded database (without database.url)
blobs/                      bytes (without another blob.store)
logs/                       log files
run/                        what lives as long as the processes: settings handed over, metrics, epochs
instance.lock               held by the supervisor
admin.password  master.key  made at the first start
audit.position              how far the audit trail has been copied to logs/audit.log
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

from entrepot.errors import EntrepotError
from entrepot.logs.events import EventLog
from entrepot.settings import Settings

HANDED_OVER = "settings.json"
PASSWORD_FILE = "admin.password"
METRICS = "metrics"
_PRIVATE = 0o700
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_OURS = frozenset({"entrepot.toml", "entrepot.db", "master.key", "admin.password", "instance.lock"})
_NOBODYS = frozenset({"run", "logs", "blobs", "lost+found"})  # volumes may be mounted there before the first start


class HomeUnusable(EntrepotError):
    """The home folder {home} cannot be used: {reason}."""


class HomeFull(HomeUnusable):
    """The home folder {home} cannot be used: its disk is full. Make room, or name another folder by --home DIR."""


def logs_folder(home: Path) -> Path:
    """Return where the log files are."""
    return home / "logs"


def run_folder(home: Path) -> Path:
    """Return where the processes of a running node share files."""
    return home / "run"


def metrics_folder(home: Path) -> Path:
    """Return where the processes of a running node count."""
    return run_folder(home) / METRICS


def event_log(settings: Settings, process: str) -> EventLog:
    """Return where the events of a process go."""
    return EventLog(logs_folder(settings.home), process, level=settings.log_level, form=settings.log_format)


def prepare_home(home: Path) -> None:
    """Make the home folder and what belongs in it, closed to others, and prove that files can be made.

    Raises HomeUnusable, HomeFull.
    """
    try:
        home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        _refuse_what_others_use(home)
        _close_to_others(home)
        for folder in (logs_folder(home), run_folder(home)):
            folder.mkdir(mode=_PRIVATE, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except FileExistsError:
        raise HomeUnusable(home=home, reason="it is not a folder") from None
    except OSError as error:
        if no_room(error):
            raise HomeFull(home=home) from None
        raise HomeUnusable(home=home, reason=error.strerror or str(error)) from None


def no_room(error: BaseException) -> bool:
    """Whether an error says that a disk, or what a user may have of it, is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def clean_run_folder(home: Path) -> None:
    """Forget what an earlier run left; only with the instance's lock held."""
    shutil.rmtree(metrics_folder(home), ignore_errors=True)
    metrics_folder(home).mkdir(mode=_PRIVATE)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all; it is durable then."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        rename(Path(name), path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def rename(old: Path, new: Path) -> None:
    """Give a file another name in its folder, durably."""
    old.replace(new)
    folder = os.open(new.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse_what_others_use(home: Path) -> None:
    """Raise HomeUnusable for a folder like /tmp, which would be taken away from all who use it."""
    found, names = home.stat(), {entry.name for entry in os.scandir(home)}
    if names & _OURS or not names - _NOBODYS:
        return
    if stat.S_IMODE(found.st_mode) & ~_PRIVATE or found.st_uid != os.geteuid():
        raise HomeUnusable(
            home=home,
            reason="it is no instance, and holds files that others may use; name an empty or a new folder by --home DIR",
        )


def _close_to_others(home: Path) -> None:
    """Take everyone else's rights away; a mounted volume often comes with 0755 and its keys would be readable."""
    found = home.stat()
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != _PRIVATE:
        home.chmod(_PRIVATE)
