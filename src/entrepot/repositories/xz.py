"""Files compressed by xz, or by lzma before it, unpacked in memory that has a bound.

`lzma.open` reserves whatever window a header asks for, up to 4 GiB.
"""

from __future__ import annotations

import io
import lzma
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MEMORY: Final = 80 << 20  # bytes: `xz -9` needs 65 MiB
_PIECE: Final = 1 << 14


class _Unpacked(io.RawIOBase):
    """What the file unpacks to: one stream or several, as `xz` reads them. It goes back by beginning anew."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begin()

    def readable(self) -> bool:
        """See io.IOBase."""
        return True

    def seekable(self) -> bool:
        """See io.IOBase."""
        return True

    def tell(self) -> int:
        """See io.IOBase."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See io.IOBase; not from the end."""
        target = offset + (0, self._at)[whence]
        if target < self._at:
            self._begin()
        while self._at < target and (skipped := len(self._next(min(target - self._at, _PIECE)))):
            self._at += skipped
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See io.RawIOBase. Raises LZMAError, EOFError."""
        into = memoryview(buffer)
        data = self._next(len(into))
        into[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _begin(self) -> None:
        self._file.seek(0)
        self._stream = lzma.LZMADecompressor(memlimit=_MEMORY)
        self._at = 0

    def _next(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end."""
        while True:
            if self._stream.eof:
                packed = (self._stream.unused_data or self._file.read(_PIECE)).lstrip(b"\0")  # between streams
                if not packed and not (packed := self._file.read(_PIECE).lstrip(b"\0")):
                    return b""
                self._stream = lzma.LZMADecompressor(memlimit=_MEMORY)
            elif not self._stream.needs_input:
                packed = b""
            elif not (packed := self._file.read(_PIECE)):
                raise EOFError("the file ends within a stream.")
            if data := self._stream.decompress(packed, size):
                return data


def unpacked(file: IO[bytes]) -> io.BufferedReader:
    """Return what the file unpacks to. Reading it raises LZMAError also where more memory is asked for than is given."""
    return io.BufferedReader(_Unpacked(file))
