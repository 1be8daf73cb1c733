"""From the blob store's words to the database's: what arrived, and where it lies."""

from __future__ import annotations

from entrepot.blobs.digest import Checksums
from entrepot.metadata.blob_rows import Arrival
from entrepot.metadata.objects import Piece


def arrival(checksums: Checksums, *, inline: bytes | None, pieces: tuple[Piece, ...]) -> Arrival:
    """Return what the database is told of bytes that have become durable."""
    return Arrival(
        checksums.sha256,
        checksums.sha1,
        checksums.md5,
        checksums.size,
        checksums.sha512,
        inline,
        () if inline is not None else pieces,
    )
