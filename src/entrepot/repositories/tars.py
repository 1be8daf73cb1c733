"""Tar archives that nobody vouches for: what `tarfile` unpacks is counted, and extended headers are looked at first.

`tarfile` remembers all members, reads a long name or PAX header whole however long it says that it is, and before Python
3.11.10 takes minutes, or gigabytes, over some that are short (CVE-2024-6232). Whatever is refused is a `tarfile.ReadError`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Final

from entrepot.repositories import xz

_HEADERS: Final = 1 << 20  # bytes that the headers of one member may take
_COMPRESSED: Final[tuple[tuple[re.Pattern[bytes], Callable[[IO[bytes]], io.BufferedIOBase]], ...]] = (
    (re.compile(rb"\x1f\x8b"), gzip.open),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), bz2.open),
    (re.compile(rb"\xfd7zXZ\0|\x5d\0\0[^\0]"), xz.unpacked),
)
_PAX: Final = frozenset({b"x", b"g", b"X"})
_EXTENDED: Final = _PAX | {b"L", b"K"}
_RECORD: Final = re.compile(rb"(\d{1,7}) [^=]{1,1024}=")
_DIGITS: Final = re.compile(rb"(?<!\d)\d{256}")  # more than a file's name has


class Tar:
    """A tar archive that is open for reading, compressed or not."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        """Open it; `most` is how many bytes may be unpacked. Raises what `gzip`, `bz2`, `lzma` and `tarfile` do."""
        self._unpacked = _Unpacked(_decompressed(file), most)
        self._archive = tarfile.open(fileobj=self._unpacked, mode="r:")  # noqa: SIM115 - the caller closes the file

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield what there is, of any kind, and remember none of it."""
        while True:
            self._unpacked.begin_member()
            info = self._archive.next()
            self._unpacked.end_headers()
            self._archive.members.clear()  # type: ignore[attr-defined]
            self._archive.pax_headers = {}  # of all that follow: a sum without a bound, and nothing that we read
            if info is None:
                return
            yield info

    def open(self, info: tarfile.TarInfo) -> IO[bytes]:
        """Open a regular file among the members."""
        opened = self._archive.extractfile(info)
        assert opened is not None, "a regular file has bytes"
        return opened


class _Unpacked(io.RawIOBase):
    """The tar itself as it is unpacked. `tarfile` asks for it forwards, headers and content alike."""

    def __init__(self, file: IO[bytes] | io.BufferedIOBase, most: int) -> None:
        self._file = file
        self._left = most
        self._in_headers = True
        self._headers_left = _HEADERS
        self._kind = b""  # of the extended header that is read next

    def begin_member(self) -> None:
        """Expect headers: those of one member together have a bound."""
        self._in_headers, self._headers_left, self._kind = True, _HEADERS, b""

    def end_headers(self) -> None:
        """Expect the bytes of a member, which are read in pieces."""
        self._in_headers = False

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises ReadError."""
        self._take(size)
        if not self._in_headers:
            return self._file.read(size)
        self._headers_left -= size
        if self._headers_left < 0:
            raise tarfile.ReadError("a header is too long.")
        data = self._file.read(size)
        if self._kind in _PAX and not _harmless(data):
            raise tarfile.ReadError("a PAX header makes no sense.")
        self._kind = data[156:157] if not self._kind and data[156:157] in _EXTENDED else b""
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place: forwards all between is unpacked, backwards all before. Raises ReadError."""
        here = self._file.tell()
        self._take(offset - here if offset >= here else offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def _take(self, size: int) -> None:
        self._left -= size
        if size < 0 or self._left < 0:
            raise tarfile.ReadError("it unpacks to more than is allowed.")


def _decompressed(file: IO[bytes]) -> IO[bytes] | io.BufferedIOBase:
    start = file.read(10)
    file.seek(0)
    for magic, opener in _COMPRESSED:
        if magic.match(start):
            return opener(file)
    return file


def _harmless(data: bytes) -> bool:
    """Whether the records of a PAX header are such that they are read once from start to end."""
    place = 0
    while found := _RECORD.match(data, place):
        place += int(found[1])
        if not found.end() <= place <= len(data):
            return False
    return not data[place:].strip(b"\0") and _DIGITS.search(data) is None
