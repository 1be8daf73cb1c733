"""Checksum files as Maven and others upload them beside a file: compared with it, never stored (reference 7.2, formats D5).

The files that clients fetch under these names are made of what is stored (`download.py`), so they cannot be wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from entrepot.access.actions import Action
from entrepot.errors import Conflict, NotFound, TooLarge
from entrepot.messages import Body
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Database
from entrepot.metadata.items import Item, find
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository

ALGORITHMS: Final = {"sha1": 40, "sha256": 64, "md5": 32}  # and their hex digits
_LONGEST: Final = 1024  # bytes
_METADATA: Final = "maven-metadata.xml"
_SERVERS: Final = "server-generated-checksums"


class NoFileForChecksum(NotFound):
    """Target file to set checksum on doesn't exist: {key}:{path}"""


class Suspicious(Conflict):
    """Suspicious checksum file, content length of {size} bytes is bigger than allowed."""


class WrongChecksum(Conflict):
    """Checksum error for '{path}': received '{received}' but actual is '{actual}'"""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The path of a checksum file, read: whose checksum it is, and which."""

    path: str
    of: str
    algorithm: str

    @classmethod
    def read(cls, path: str) -> Sidecar | None:
        """Return what a path stands for; None for any other file."""
        of, dot, algorithm = path.rpartition(".")
        return cls(path, of, algorithm) if dot and of.rpartition("/")[2] and algorithm in ALGORITHMS else None

    @property
    def is_of_metadata(self) -> bool:
        """Whether it belongs to what the server calculates by itself."""
        return self.of.rpartition("/")[2] == _METADATA


def value(stored: Stored, algorithm: str) -> str:
    """Return a checksum of a blob, in hex."""
    return {"sha1": stored.sha1, "sha256": stored.sha256, "md5": stored.md5}[algorithm].hex()


class Sidecars:
    """Take checksum files. One per process."""

    def __init__(self, database: Database, content: Content) -> None:
        self._database = database
        self._content = content

    async def compare(self, granted: Granted, repository: Repository, sidecar: Sidecar, body: Body) -> Item:
        """Return the file whose checksum was sent. Raises NoFileForChecksum, Suspicious, WrongChecksum."""
        text = await _read(body)
        item = await find(self._database, repository.id, sidecar.of)
        stored = None if item is None or item.blob_id is None else await self._content.find(item.blob_id)
        if item is None or stored is None:
            raise NoFileForChecksum(key=repository.key, path=sidecar.of)
        received, actual = _hex(text, ALGORITHMS[sidecar.algorithm]), value(stored, sidecar.algorithm)
        if received != actual and repository.config.get("checksumPolicyType") != _SERVERS:
            told = actual if granted.may(Action.READ, repository, sidecar.of) else "another"
            raise WrongChecksum(path=sidecar.path, received=received, actual=told)
        return item


async def _read(body: Body) -> str:
    try:
        return (await body.read(_LONGEST)).decode("ascii", "replace")
    except TooLarge:
        raise Suspicious(size=body.length if body.length is not None else f"more than {_LONGEST}") from None


def _hex(text: str, digits: int) -> str:
    """Return the checksum in a text that may also name the file, or the beginning of the text where there is none."""
    found = re.search(rf"(?<![0-9a-f])[0-9a-f]{{{digits}}}(?![0-9a-f])", text.lower())
    return found[0] if found else ascii(text.strip()[:80])[1:-1]
