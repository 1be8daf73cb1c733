"""Archives as sequences of entries: zip and its kin, and tar, compressed or not (reference 7.4, 7.8).

Archives are hostile: names that leave the folder, links, bombs. What is unpacked is counted, and nothing but regular files
comes out. Everything here blocks, and belongs on a thread; the file that is read must be seekable.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, Protocol

from entrepot.errors import Invalid
from entrepot.paths import PathInvalid, RepoPath
from entrepot.repositories.tars import Tar

_ZIPS: Final = (
    ".zip",
    ".jar",
    ".war",
    ".ear",
    ".sar",
    ".har",
    ".hpi",
    ".jpi",
    ".aar",
    ".whl",
    ".egg",
    ".nupkg",
    ".apk",
)
_TARS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_ENTRIES: Final = 100_000
MOST_BYTES: Final = 64 << 30  # of all entries together
_MOST_DIRECTORY: Final = 64 << 20  # bytes of the directory of a zip, which is read whole
_RATIO: Final = 1000  # times that an entry may be larger than the archive, beyond the first 16 MiB
_FREE: Final = 16 << 20
_PIECE: Final = 1 << 18  # bytes of an entry that are read at once
_IN_DIRECTORY: Final = b"PK\1\2"  # begins each entry of it
_BOUNDED: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""How entries of a zip may be compressed: by any other method `zipfile` unpacks without a bound, whatever size is stated."""


class Unreadable(Invalid):
    """The archive cannot be read: {why}"""


class Unsupported(Invalid):
    """Unsupported archive type of {name}: supported are zip, tar, tar.gz, tgz, tar.bz2 and tar.xz."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file within an archive. `path` is as `RepoPath` has it."""

    path: str
    size: int


_FAULTS: Final = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    NotImplementedError, RuntimeError, LookupError, OverflowError,
)  # fmt: skip
"""What the readers of archives raise on archives that are broken, encrypted or of an unknown kind."""


class Opened(Protocol):
    """An archive that is open for reading."""

    def entries(self) -> Iterator[tuple[Entry, object]]:
        """Yield the regular files with what `open` needs. Raises Unreadable."""
        ...

    def open(self, handle: object) -> IO[bytes]:
        """Open one entry, to be read by `piece`. Raises Unreadable."""
        ...


def is_archive(name: str) -> bool:
    """Whether the name is that of an archive whose entries can be read."""
    return name.lower().endswith((*_ZIPS, *_TARS))


def open_archive(name: str, file: IO[bytes], size: int) -> Opened:
    """Open an archive by its name; `size` is that of the whole file. Raises Unsupported, Unreadable."""
    lower = name.lower()
    with _translated():
        if lower.endswith(_ZIPS):
            return _Zip(zipfile.ZipFile(_Directory(file)), size)
        if lower.endswith(_TARS):
            return _Tar(Tar(file, _most(size)), size)
    raise Unsupported(name=name)


def piece(stream: IO[bytes]) -> bytes:
    """Return the next bytes of an entry; none at its end. Raises Unreadable."""
    with _translated():
        return stream.read(_PIECE)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise Unreadable(why=str(error)[:200]) from None


def _most(size: int) -> int:
    return min(MOST_BYTES, _FREE + size * _RATIO)


class _Budget:
    """Refuse what would unpack to too much."""

    def __init__(self, size: int) -> None:
        self._left = _most(size)
        self._entries = MOST_ENTRIES

    def take(self, size: int) -> None:
        """Count one more member of any kind; `size` is what it unpacks to."""
        self._left -= size
        self._entries -= 1
        if size < 0 or self._left < 0 or self._entries < 0:
            raise Unreadable(why="it unpacks to more than is allowed.")


class _Directory:
    """The file of a zip. Raises Unreadable instead of what would have `zipfile` make an object for each of too many entries.

    The counts that an archive states are not believed: `zipfile` does not look at them either.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read as files do. Of entries no more than a piece is read at once."""
        if size > _MOST_DIRECTORY:
            raise Unreadable(why="its directory is too long.")
        content = self._file.read(size)
        if size > _PIECE and content.count(_IN_DIRECTORY) > MOST_ENTRIES:
            raise Unreadable(why="it unpacks to more than is allowed.")
        return content


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive = archive
        self._size = size

    def entries(self) -> Iterator[tuple[Entry, object]]:
        """See Opened."""
        budget = _Budget(self._size)
        for info in self._archive.infolist():
            is_file = not info.filename.endswith("/") and _is_regular(info)
            budget.take(info.file_size if is_file else 0)
            if is_file:
                yield Entry(_path(info.filename), info.file_size), info

    def open(self, handle: object) -> IO[bytes]:
        """See Opened."""
        assert isinstance(handle, zipfile.ZipInfo)
        if handle.compress_type not in _BOUNDED:
            raise Unreadable(why=f"an entry is compressed by method {handle.compress_type}: only 0 and 8 are read.")
        with _translated():
            return self._archive.open(handle)


class _Tar:
    def __init__(self, archive: Tar, size: int) -> None:
        self._archive = archive
        self._size = size

    def entries(self) -> Iterator[tuple[Entry, object]]:
        """See Opened."""
        budget = _Budget(self._size)
        with _translated():
            for info in self._archive.members():
                budget.take(info.size if info.isreg() else 0)
                if info.isreg():
                    yield Entry(_path(info.name), info.size), info

    def open(self, handle: object) -> IO[bytes]:
        """See Opened."""
        assert isinstance(handle, tarfile.TarInfo)
        with _translated():
            return self._archive.open(handle)


def _is_regular(info: zipfile.ZipInfo) -> bool:
    kind = (info.external_attr >> 16) & 0o170000
    return kind in {0, 0o100000}


def _path(name: str) -> str:
    """Return where an entry belongs below its folder. Raises Unreadable for one that would be elsewhere."""
    text = "/".join(segment for segment in name.replace("\\", "/").split("/") if segment not in {"", "."})
    if not text:
        raise Unreadable(why=f"the entry {name[:100]!r} has no name.")
    try:
        return RepoPath(text).text
    except PathInvalid as error:
        raise Unreadable(why=f"the entry {name[:100]!r} has no place below its folder: {error.message}") from None
