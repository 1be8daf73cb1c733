"""Whether this process has been told to end: from then on it says `not ready`, so that nobody sends it new work."""

from __future__ import annotations

import threading

_begun = threading.Event()


def begin() -> None:
    """Note that the end has begun. There is no way back."""
    _begun.set()


def begun() -> bool:
    """Return whether this process is ending; readiness probes answer 503 then."""
    return _begun.is_set()
