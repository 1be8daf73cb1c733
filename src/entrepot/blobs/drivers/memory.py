"""Bytes in this process's memory: for tests and trials. They end with it, and no other process sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.blobs.contract import BlobMissing, StoredObject, StoreUnavailable
from entrepot.blobs.drivers.probe import probe
from entrepot.blobs.keys import checked, checked_prefix

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

_PIECE = 1 << 20


class Memory:
    """Keep each object in a dict. See `contract.Driver`."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Keep the bytes. Raises StoreUnavailable when the key was used before. See `contract.Driver`."""
        checked(key)
        body = bytearray()
        async for chunk in chunks:
            body += chunk
        if key in self._objects:
            raise StoreUnavailable
        self._objects[key] = bytes(body)
        return len(body)

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the bytes [start, stop). See `contract.Driver`."""
        data = self._find(key)
        stop = len(data) if stop is None else stop
        if not start <= stop <= len(data):
            raise StoreUnavailable
        for at in range(start, stop, _PIECE):
            yield data[at : min(at + _PIECE, stop)]

    async def size(self, key: str) -> int:
        """Return the size in bytes. See `contract.Driver`."""
        return len(self._find(key))

    async def delete(self, key: str) -> None:
        """Forget the object. See `contract.Driver`."""
        self._objects.pop(checked(key), None)

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Yield what is there. See `contract.Driver`."""
        folder = f"{below}/" if (below := checked_prefix(prefix)) else ""
        for key, data in [*self._objects.items()]:
            if key.startswith(folder):
                yield StoredObject(key, len(data))

    def file(self, key: str) -> Path | None:
        """Return None: there are no files."""
        checked(key)
        return None

    async def probe(self) -> None:
        """Try it. See `contract.Driver`."""
        await probe(self)

    async def close(self) -> None:
        """Forget everything."""
        self._objects.clear()

    def _find(self, key: str) -> bytes:
        data = self._objects.get(checked(key))
        if data is None:
            raise BlobMissing(key=key)
        return data
