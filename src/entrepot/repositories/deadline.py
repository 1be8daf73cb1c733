"""A file that is read on behalf of somebody who waits: whoever unpacks what he did not ask for is stopped after a while."""

from __future__ import annotations

import io
import math
import time
from typing import IO, TYPE_CHECKING

from entrepot.errors import Invalid

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class TooSlow(Invalid):
    """It takes too long to look through this archive: download it whole."""


class Timed(io.RawIOBase):
    """A file that can be read for some time only. To be buffered; closing it leaves the file open."""

    def __init__(self, file: IO[bytes], seconds: float) -> None:
        self._file = file
        self._due = time.monotonic() + seconds

    def lift(self) -> None:
        """Let it be read as long as it takes."""
        self._due = math.inf

    def readable(self) -> bool:
        """See io.IOBase."""
        return True

    def seekable(self) -> bool:
        """See io.IOBase."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See io.IOBase."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See io.IOBase."""
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See io.RawIOBase. Raises TooSlow."""
        if time.monotonic() > self._due:
            raise TooSlow
        into = memoryview(buffer)
        data = self._file.read(len(into))
        into[: len(data)] = data
        return len(data)
