"""What the files driver does to the disk: blocking calls, made on threads only.

A file that is being written has no read permission for anyone; its owner gets it when all bytes are in. So a file
that a killed process left half-written is told from a whole one by its mode, without a rename.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from entrepot.blobs.contract import BlobMissing, StoredObject, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}
_WRITING, _WHOLE = 0o200, 0o400
_VECTORS = 512  # buffers per writev; POSIX promises 16, Linux and macOS take 1,024


@contextlib.contextmanager
def mapped(key: str = "") -> Iterator[None]:
    """Turn an OSError into BlobMissing (no such file), StoreFull (no room, quota) or StoreUnavailable (all else)."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BlobMissing(key=key) from error
    except OSError as error:
        raise (StoreFull if error.errno in _FULL else StoreUnavailable) from error
