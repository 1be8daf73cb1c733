"""Bytes as files below one folder, on a local disk or on NFS 4.1 that all nodes mount.

The file of a key is `<root>/<key>`, so operators can look, back up and count with the tools that they have.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import structlog

from entrepot.blobs.contract import StoreUnavailable
from entrepot.blobs.drivers.disk import Folders, NewFile, Reading, mapped, remove, walk, whole_size
from entrepot.blobs.drivers.mark import Mark
from entrepot.blobs.drivers.probe import probe
from entrepot.blobs.keys import checked, checked_prefix
from entrepot.blobs.streams import take
from entrepot.blobs.threads import DISK, Lane

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from pathlib import Path

    from entrepot.blobs.contract import StoredObject

_BATCH = 1 << 18  # bytes written per thread hop, at least
_PIECE = 1 << 20  # bytes read per thread hop, at most
_PAGE = 512  # entries listed per thread hop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = structlog.get_logger()


class Files:
    """Keep each object in a file of its own. See `contract.Driver`."""

    def __init__(self, root: Path, *, disk: Lane = DISK) -> None:
        """Make the folder if it is missing, readable to this user only. Raises StoreUnavailable with the reason."""
        self.root = root.absolute()
        self.mark = Mark(self.root)
        self._disk = disk
        self._folders = Folders(self.root, self.mark.check)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable("The folder {root} cannot be used: {why}.", root=root, why=error.strerror) from error

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Write a new file; one thread hop when it is small, else one per batch. See `contract.Driver`."""
        new = NewFile(self.root / checked(key), self._folders)
        try:
            batch, ended = await take(chunks, _BATCH)
            while not ended:
                # One batch ahead, so that the last one is written and made durable in the same hop.
                ahead, ended = await take(chunks, _BATCH)
                if ahead:
                    await self._run(None, new.extend, batch)
                    batch = ahead
            await self._run(None, new.finish, batch)
        except BaseException:
            await self._discard(key, new)
            raise
        return new.size

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the bytes [start, stop), one thread hop per piece. See `contract.Driver`."""
        reading = Reading(self.root / checked(key), start, stop)
        try:
            while not reading.ended:
                if piece := await self._run(key, reading.piece, _PIECE):
                    yield piece
        finally:
            reading.close()

    async def size(self, key: str) -> int:
        """Return the size in bytes. See `contract.Driver`."""
        return await self._run(key, whole_size, self.root / checked(key))

    async def delete(self, key: str) -> None:
        """Remove the file, and its folders when they become empty. See `contract.Driver`."""
        await self._run(None, remove, self.root / checked(key), self.root, self.mark.check)

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Yield what is there, also what a killed process left half-written. See `contract.Driver`."""
        found = walk(self.root, checked_prefix(prefix), self.mark.check)
        while page := await self._run(None, _page, found):
            for stored in page:
                yield stored

    def file(self, key: str) -> Path | None:
        """Return the file. See `contract.Driver`."""
        return self.root / checked(key)

    async def probe(self) -> None:
        """Try it. See `contract.Driver`."""
        await self._run(None, self.mark.check)
        await probe(self)

    async def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    async def _run(self, key: str | None, work: Callable[[*Ts], T], *args: *Ts) -> T:
        with mapped(key):
            try:
                return await self._disk.run(work, *args)
            except (FileNotFoundError, NotADirectoryError):
                await self._disk.run(self.mark.check)  # what a volume holds that is not mounted is not lost
                raise

    async def _discard(self, key: str, new: NewFile) -> None:
        try:
            await self._disk.run(new.discard)
        except OSError as error:
            # What failed before is told to the caller, who deletes the key; this file is unreadable.
            log.warning("blob.discard_failed", key=key, errno=error.errno)


def _page(found: Iterator[StoredObject]) -> list[StoredObject]:
    return [*islice(found, _PAGE)]
