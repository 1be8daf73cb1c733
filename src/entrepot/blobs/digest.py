"""Digests as the OCI image specification writes them ("Digests", descriptor.md), and what is known of one body.

Inside the product a checksum is raw bytes beside the name of its algorithm; the text form exists only at the border.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrepot.errors import Invalid

ALGORITHMS = ("sha256", "sha512")
"""The registered algorithms; OCI also registers blake3, which no client was seen to send."""

_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "sha512": re.compile(r"[0-9a-f]{128}")}
_SHOWN = 160  # characters: the longest valid digest has 135


class DigestInvalid(Invalid):
    """The digest is not valid: it must be sha256:<64> or sha512:<128 lower-case hex digits>."""

    code = "DIGEST_INVALID"


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content identifier: `algorithm` is one of ALGORITHMS, `hex` the lower-case digits. Cannot be built invalid.

    Raises DigestInvalid with what was given as its detail, also for algorithms that exist elsewhere (md5, sha384):
    nothing could be found by them.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        pattern = _HEX.get(self.algorithm)
        if pattern is None or not pattern.fullmatch(self.hex):
            raise DigestInvalid(detail=_shown(str(self)))

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `algorithm:hex`, strictly: no spaces, no capitals. Raises DigestInvalid."""
        algorithm, colon, digits = text.partition(":")
        if not colon:
            raise DigestInvalid(detail=_shown(text))
        return cls(algorithm, digits)

    @classmethod
    def of(cls, algorithm: str, raw: bytes) -> Digest:
        """Build from the 32 or 64 raw bytes. Raises DigestInvalid."""
        return cls(algorithm, raw.hex())

    @property
    def raw(self) -> bytes:
        """The digest's bytes, as SQL keeps them."""
        return bytes.fromhex(self.hex)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True, slots=True)
class Checksums:
    """The raw checksums and the size in bytes of one body; `sha512` only when somebody asked for it."""

    sha256: bytes
    sha1: bytes
    md5: bytes
    sha512: bytes | None
    size: int

    def packed(self) -> bytes:
        """Return them as one value of a row, which says of how many bytes they are."""
        return b"".join((self.size.to_bytes(8), self.sha256, self.sha1, self.md5, self.sha512 or b""))

    @classmethod
    def unpacked(cls, packed: bytes) -> Checksums:
        """Return what `packed` made a value of."""
        sha256, sha1, md5 = packed[8:40], packed[40:60], packed[60:76]
        return cls(sha256, sha1, md5, packed[76:] or None, int.from_bytes(packed[:8]))


def _shown(text: str) -> str:
    # What was sent may be megabytes, or a lone surrogate that no encoder takes.
    return ascii(text[:_SHOWN])[1:-1]
