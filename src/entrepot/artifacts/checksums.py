"""Checksums that a client states of what it deploys (reference 7.2, 7.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from entrepot.blobs.digest import Checksums
from entrepot.errors import Conflict, NotFound
from entrepot.messages import Headers
from entrepot.metadata.blob_rows import Stored

_LENGTHS: Final = {32: "md5", 40: "sha1", 64: "sha256"}
_HEX = re.compile(r"[0-9a-f]+")


class ChecksumMismatch(Conflict):
    """Checksum policy 'client-checksums' rejected the artifact '{place}'. Checksums info: {told}"""


class ChecksumDeployFailed(NotFound):
    """Checksum deploy failed. {why}"""


def stated(headers: Headers) -> dict[str, str]:
    """Return what the headers state, by algorithm. `X-Checksum` is told by its length: jf sends sha256 that way only."""
    found: dict[str, str] = {}
    for name in ("sha1", "sha256", "md5"):
        value = (headers.get(f"x-checksum-{name}") or "").strip().lower()
        if value:
            found[name] = value
    bare = (headers.get("x-checksum") or "").strip().lower()
    if bare and len(bare) in _LENGTHS:
        found.setdefault(_LENGTHS[len(bare)], bare)
    return found


def verify(claimed: Mapping[str, str], found: Checksums | Stored, place: str) -> None:
    """Compare what was stated with what arrived, now or before. Raises ChecksumMismatch."""
    actual = {"sha1": found.sha1.hex(), "sha256": found.sha256.hex(), "md5": found.md5.hex()}
    for name, value in claimed.items():
        if value != actual[name]:
            raise ChecksumMismatch(
                place=place, told=f"{name}: the client stated {value[:80]}, received {actual[name]}."
            )


def wanted(claimed: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the algorithm and checksum by which a checksum deploy looks. Raises ChecksumDeployFailed."""
    for name, digits in (("sha256", 64), ("sha1", 40)):
        value = claimed.get(name)
        if value is None:
            continue
        if len(value) != digits or not _HEX.fullmatch(value):
            raise ChecksumDeployFailed(why=f"Invalid {name} '{value[:80]}'.")
        return name, bytes.fromhex(value)
    raise ChecksumDeployFailed(why="no checksum header 'X-Checksum-Sha1/X-Checksum-Sha256' was found.")
