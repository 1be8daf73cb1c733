"""What the files driver does to the disk: blocking calls, made on threads only.

A file that is being written is readable to nobody, by its mode; its owner may read it once all bytes are in. So a file
that a killed process left half-written is told from a whole one without a rename.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
from typing import TYPE_CHECKING

from entrepot.blobs.contract import BlobMissing, StoredObject, StoreFull, StoreUnavailable
from entrepot.blobs.keys import valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOT_OFFERED = {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}  # by a network volume
_WRITING, _WHOLE = 0o200, 0o400
_VECTORS = 512  # buffers per writev: half of what Linux and macOS take
_REMEMBERED = 4096  # folders known to be durable
_TRIES = 5  # to create a file in a folder that others remove as it is empty


def _accept() -> None:
    """Take any root for that of the store."""


@contextlib.contextmanager
def mapped(key: str | None = None) -> Iterator[None]:
    """Turn an OSError into StoreFull (no room, quota), BlobMissing (no such file of `key`) or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if key is not None and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise BlobMissing(key=key) from error
        raise (StoreFull if error.errno in _FULL else StoreUnavailable) from error


def flush(fd: int) -> None:
    """Make a file's or folder's content durable, past the drive's own cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: its fsync stops at the drive's cache
    try:
        if full is not None:
            fcntl.fcntl(fd, full)
            return
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    os.fsync(fd)


def flush_path(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flush(fd)
    finally:
        os.close(fd)


class Folders:
    """Make folders below a root so that they outlive a crash, before the first file in them is announced.

    `check` raises where the root is not that of the store: its mount point would take what belongs on the volume.
    """

    def __init__(self, root: Path, check: Callable[[], None] = _accept) -> None:
        self._root = root
        self._check = check
        self._durable = {root}
        self._lock = threading.Lock()

    def make(self, folder: Path) -> None:
        """Make `folder` and those above it durably; of several callers none returns before that is done."""
        if folder not in self._durable:
            with self._lock:
                self._make(folder)

    def forget(self, folder: Path) -> None:
        """Note that somebody removed a folder, as deletion does with an empty one."""
        with self._lock:
            self._durable -= {folder, *folder.parents} - {self._root}

    def _make(self, folder: Path) -> None:
        if folder in self._durable:
            return
        self._make(folder.parent)
        if folder.parent == self._root:
            self._check()
        with contextlib.suppress(FileExistsError):  # pathlib's would look again, and raise if it were gone by then
            os.mkdir(folder, 0o700)  # noqa: PTH102 - see above
        flush_path(folder.parent)  # also when it was there: whoever made it may have died before this
        if len(self._durable) >= _REMEMBERED:
            self._durable = {self._root}
        self._durable.add(folder)


class NewFile:
    """One file being written, at its final path. Its calls come one after the other, from any thread."""

    def __init__(self, path: Path, folders: Folders) -> None:
        self._path = path
        self._folders = folders
        self._fd: int | None = None
        self._created = False
        self.size = 0

    def extend(self, buffers: Sequence[bytes]) -> None:
        """Write the buffers at the end; the first call creates the file. Raises OSError."""
        if self._fd is None:
            self._fd = self._create()
            self._created = True
        pending = [memoryview(buffer) for buffer in buffers]
        while pending:
            written = os.writev(self._fd, pending[:_VECTORS])
            self.size += written
            pending = _after(pending, written)

    def finish(self, buffers: Sequence[bytes]) -> None:
        """Write the last buffers and make all of it readable and durable. Raises OSError."""
        self.extend(buffers)
        assert self._fd is not None
        os.fchmod(self._fd, _WHOLE)
        flush(self._fd)
        flush_path(self._path.parent)
        self._close()

    def discard(self) -> None:
        """Remove what there is, whole or not. Raises OSError."""
        self._close()
        if self._created:
            self._path.unlink(missing_ok=True)

    def _create(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        for _ in range(_TRIES):
            try:
                self._folders.make(self._path.parent)  # fails when one above, remembered, was removed when it was empty
                return os.open(self._path, flags, _WRITING)
            except FileNotFoundError:
                self._folders.forget(self._path.parent)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


def _after(buffers: list[memoryview], written: int) -> list[memoryview]:
    """Return what is left of the buffers when that many bytes of them are written."""
    for done, buffer in enumerate(buffers):
        if written < len(buffer):
            return [buffer[written:], *buffers[done + 1 :]]
        written -= len(buffer)
    return []


class Reading:
    """The bytes [start, stop) of one file, piece by piece; opened with the first."""

    def __init__(self, path: Path, start: int, stop: int | None) -> None:
        self._path = path
        self._at = start
        self._stop = stop
        self._fd: int | None = None

    @property
    def ended(self) -> bool:
        """Whether there is no further piece; not known, so False, before the first."""
        return self._fd is not None and self._at == self._stop

    def piece(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none when the range is empty. Raises OSError, StoreUnavailable."""
        if self._fd is None:
            self._open()
        assert self._fd is not None
        assert self._stop is not None
        piece = os.pread(self._fd, min(size, self._stop - self._at), self._at)
        if not piece and not self.ended:
            raise StoreUnavailable  # somebody cut the file
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)

    def _open(self) -> None:
        there = whole_size(self._path)
        if self._stop is None:
            self._stop = there
        if not self._at <= self._stop <= there:
            raise StoreUnavailable
        self._fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def whole_size(path: Path) -> int:
    """Return the size of a file that is there whole. Raises OSError, FileNotFoundError for all else."""
    info = path.lstat()
    if not stat.S_ISREG(info.st_mode) or not info.st_mode & _WHOLE:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return info.st_size


def remove(path: Path, root: Path, check: Callable[[], None] = _accept) -> None:
    """Remove a file durably, and the folders that it leaves empty. A missing one is success where `check` passes. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        check()
    except (IsADirectoryError, NotADirectoryError):
        return  # no object has this key
    folder = path.parent
    while folder != root and _remove_empty(folder):
        folder = folder.parent
    with contextlib.suppress(FileNotFoundError):  # another deletion took the folder away, and flushes the one above
        flush_path(folder)


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def walk(root: Path, prefix: str, check: Callable[[], None] = _accept) -> Iterator[StoredObject]:
    """Yield the files below `root/prefix`, half-written ones too, whose names can be keys. Raises OSError, and what `check` does."""
    check()
    folders = [prefix]
    while folders:
        below = folders.pop()
        try:
            entries = os.scandir(root / below)
        except (FileNotFoundError, NotADirectoryError):
            if not below:
                raise  # the disk is not mounted: that is not an empty store
            check()
            continue
        with entries:
            for entry in entries:
                key = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(key)
                elif valid(key) and (size := _size(entry)) is not None:
                    yield StoredObject(key, size)


def _size(entry: os.DirEntry[str]) -> int | None:
    try:
        info = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # gone since the folder was read
    return info.st_size if stat.S_ISREG(info.st_mode) else None
