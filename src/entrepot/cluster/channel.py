"""The words that a child says to its supervisor, one to a line."""

from __future__ import annotations

from typing import Final

READY: Final = b"ready"
NOTE: Final = b"note "  # a subject, a space, and what whoever starts the node should know of it; before `ready`
FAILED: Final = b"failed "  # and the reason
ALIVE: Final = b""  # an empty line: its loop still turns
