"""The ids of upload sessions, and what this process remembers of those that pass through it.

Opening a session stores nothing: its id carries the time of issue and a signature over itself, the image and the user, with
a key that all nodes share. So a session is born with its first byte, and nobody can invent one or continue another's.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from hashlib import sha256

from entrepot.blobs.ingest import Hashes
from entrepot.clock import Clock, new_id
from entrepot.formats.docker.images import Image

_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{1,12})-([0-9a-f]{32})")
_REMEMBERED = 1024  # sessions with running hashes in this process; any other costs one re-read at its end
_AHEAD = 60_000  # ms that another node's clock may be ahead


class Tickets:
    """Issue and check session ids; keep running hashes between the chunks of a session."""

    def __init__(self, key: bytes, clock: Clock, lifetime: int) -> None:
        self._key = key
        self._clock = clock
        self._lifetime = lifetime
        self._hashes: OrderedDict[str, tuple[int, Hashes]] = OrderedDict()

    def issue(self, image: Image, user: str) -> str:
        """Return a new session id for a user and an image."""
        session, issued = new_id(), f"{self._clock.now():x}"
        return f"{session}-{issued}-{self._signature(session, issued, image, user)}"

    def valid(self, upload_id: str, image: Image, user: str) -> bool:
        """Whether we issued this id for this user and image, not longer ago than sessions live."""
        parts = _ID.fullmatch(upload_id)
        if parts is None or not hmac.compare_digest(parts[3], self._signature(parts[1], parts[2], image, user)):
            return False
        age = self._clock.now() - int(parts[2], 16)
        return -_AHEAD <= age < self._lifetime * 4  # each chunk prolongs a session; the row's expiry is the exact bound

    def remember(self, upload_id: str, size: int, hashes: Hashes | None) -> None:
        """Keep the running hashes of a session that stands at `size` bytes."""
        if hashes is None:
            self._hashes.pop(upload_id, None)
            return
        self._hashes[upload_id] = (size, hashes)
        self._hashes.move_to_end(upload_id)
        if len(self._hashes) > _REMEMBERED:
            self._hashes.popitem(last=False)

    def recall(self, upload_id: str, size: int) -> Hashes | None:
        """Return a copy of the running hashes, if this process saw all of the session's bytes."""
        known = self._hashes.get(upload_id)
        return known[1].copy() if known is not None and known[0] == size else None

    def forget(self, upload_id: str) -> None:
        """Drop what is remembered of a session that has ended."""
        self._hashes.pop(upload_id, None)

    def _signature(self, session: str, issued: str, image: Image, user: str) -> str:
        text = f"{session}\n{issued}\n{image.repository.id}\n{image.name}\n{user}"
        return hmac.new(self._key, text.encode(), sha256).hexdigest()[:32]
