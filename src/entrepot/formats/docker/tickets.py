"""The ids of upload sessions, and what this process remembers of those that pass through it.

Opening a session stores nothing: its id carries the time of issue and a signature over itself, the image and the user, with
a key that all nodes share. So a session is born with its first byte, and nobody can invent one or continue another's.

An id never begins twice: it may do so only while it is *fresh*, and then its row, if there ever was one, is still there.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from hashlib import sha256

from entrepot.blobs.ingest import Hashes
from entrepot.clock import Clock, new_id
from entrepot.formats.docker.images import Image

_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{1,12}(?:-sha512)?)-([0-9a-f]{32})")
_REMEMBERED = 1024  # sessions with running hashes in this process; any other costs one re-read at its end
_AHEAD = 60_000  # ms that another node's clock may be ahead

FINISHED = 3600_000
"""Milliseconds that a finished session answers a repeated PUT."""


class Tickets:
    """Issue and check session ids; keep running hashes between the chunks of a session."""

    def __init__(self, key: bytes, clock: Clock, lifetime: int) -> None:
        """`clock` is the database's, by which rows expire; sessions live `lifetime` milliseconds without a chunk."""
        self._key = key
        self._clock = clock
        self._lifetime = lifetime
        self._hashes: OrderedDict[str, tuple[str, Hashes]] = OrderedDict()

    def issue(self, image: Image, user: str, *, sha512: bool = False) -> str:
        """Return a new session id for a user and an image; it says whether its digest will be a sha512."""
        session, issued = new_id(), f"{self._clock.now():x}{'-sha512' if sha512 else ''}"
        return f"{session}-{issued}-{self._signature(session, issued, image, user)}"

    def valid(self, upload_id: str, image: Image, user: str) -> bool:
        """Whether we issued this id for this user and image, not longer ago than sessions live."""
        parts = _ID.fullmatch(upload_id)
        if parts is None or not hmac.compare_digest(parts[3], self._signature(parts[1], parts[2], image, user)):
            return False
        # Each chunk prolongs a session; the row's expiry is the exact bound.
        return -_AHEAD <= self._age(upload_id) < self._lifetime * 4

    def sha512(self, upload_id: str) -> bool:
        """Whether a valid id is of a session whose digest will be a sha512."""
        return "-sha512-" in upload_id

    def fresh(self, upload_id: str) -> bool:
        """Whether a session may begin under a valid id: no row that it ever had can be gone yet, whichever way it ended."""
        # Half of the least that a row is kept; the other half is for clocks that differ.
        return self._age(upload_id) < min(self._lifetime, FINISHED) // 2

    def remember(self, upload_id: str, last: str, hashes: Hashes | None) -> None:
        """Keep the running hashes of a session up to its object `last`: keys are used once, so this tells all before it."""
        if hashes is None:
            self._hashes.pop(upload_id, None)
            return
        self._hashes[upload_id] = (last, hashes)
        self._hashes.move_to_end(upload_id)
        if len(self._hashes) > _REMEMBERED:
            self._hashes.popitem(last=False)

    def recall(self, upload_id: str, last: str) -> Hashes | None:
        """Return a copy of the running hashes, if this process saw all bytes of the session up to its object `last`."""
        known = self._hashes.get(upload_id)
        return known[1].copy() if known is not None and known[0] == last else None

    def forget(self, upload_id: str) -> None:
        """Drop what is remembered of a session that has ended."""
        self._hashes.pop(upload_id, None)

    def _age(self, upload_id: str) -> int:
        return self._clock.now() - int(upload_id.split("-")[1], 16)

    def _signature(self, session: str, issued: str, image: Image, user: str) -> str:
        text = f"{session}\n{issued}\n{image.repository.id}\n{image.name}\n{user}"
        return hmac.new(self._key, text.encode(), sha256).hexdigest()[:32]
