"""The contract between the product and whatever keeps its bytes.

A driver knows keys and bytes, nothing else: no digests, no references, no listing in normal operation. Keys are
chosen by `blobs/keys.py` before writing begins, `<writer>/<yyyymmddhh>/<uuid>`; a key is written once, never renamed,
never reused. Everything that makes the store safe (who holds which key, when it may go) lives in SQL.

Promises of every driver, tried by `tests/contract/blobs.py`:

* `put` returns only after the bytes are durable (file and directories fsynced, or acknowledged by the object store);
  when it raises, or is cancelled, or its process is killed, nothing is readable under the key (at worst garbage that
  only `list` can see remains, when the store cannot be reached to clean up: the caller deletes the key, now or later).
* a key that `put` returned for reads back byte-exact until `delete`, from every process and node that shares the store.
* `delete` of a missing key is success; a read that has begun may fail after it, a new one raises `BlobMissing`.
* no method holds more than a few MiB per call in memory, whatever the size of the object (`s3`: two parts of 8 MiB).
* every call over a network has a deadline without progress; what fails is `StoreUnavailable`, and full is `StoreFull`.
* a `put` or `delete` that is cancelled ends what it has begun (a write on a thread, a request) before it raises.
* a key that is not valid raises `KeyInvalid` before anything is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from entrepot.errors import EntrepotError, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class BlobMissing(EntrepotError):
    """The store has no object under the key {key}."""

    status = 500


class StoreUnavailable(Unavailable):
    """The blob store is not available for now; try again in a few seconds."""


class StoreRefused(StoreUnavailable):
    """The blob store refuses us: {why}."""


class StoreFull(Unavailable):
    """The blob store is full; make room or ask an administrator."""

    status = 507


class TooManyUploads(Unavailable):
    """Too many uploads are under way; try again in {seconds} second(s)."""

    def __init__(self) -> None:
        super().__init__(seconds=1)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What `list` tells of one object: its key and size in bytes."""

    key: str
    size: int


class Driver(Protocol):
    """Keep bytes under keys. Safe to call from many tasks at once; each call concerns its own key."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Write all chunks (each any size, some may be empty) durably under a new key; return how many bytes.

        Raises what `chunks` raises, StoreUnavailable, StoreFull, TooManyUploads; nothing is readable under it then.
        """
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes [start, stop), 0 <= start <= stop, in pieces of at most 1 MiB; `stop` None means to the end.

        Raises BlobMissing before the first piece; StoreUnavailable when the object ends before `start` or `stop`.
        """
        ...

    async def size(self, key: str) -> int:
        """Return the size in bytes. Raises BlobMissing, StoreUnavailable."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; a missing one is success. Raises StoreUnavailable."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield the objects in the folder `prefix` and below (empty: all), in any order; half-written files too.

        What appears or goes meanwhile may be missed or seen. Raises StoreUnavailable.
        """
        ...

    def file(self, key: str) -> Path | None:
        """Return the local file that holds exactly the object's bytes, so that the kernel can send it; else None.

        Does no I/O: the file need not exist any more.
        """
        ...

    async def probe(self) -> None:
        """Write, read and delete a small object: is the store usable? Raises StoreUnavailable, StoreFull."""
        ...

    async def close(self) -> None:
        """Release what the driver holds; it is not used after."""
        ...
