"""What may name an object in a store, whichever the driver. `key_maker.py` makes the names of new ones."""

from __future__ import annotations

import re

from entrepot.errors import EntrepotError

_LONGEST = 255  # characters: one row, one line, and well below every store's own limit
_SEGMENT = r"(?!\.\.?(?:/|\Z))[A-Za-z0-9._-]+"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class KeyInvalid(EntrepotError):
    """{key} is not a key of the blob store."""

    def __init__(self, key: str) -> None:
        super().__init__(key=ascii(key[:_LONGEST]))


def valid(key: str) -> bool:
    """Tell whether a text can name an object in every store: segments of [A-Za-z0-9._-], none `.` or `..`."""
    return len(key) <= _LONGEST and _KEY.fullmatch(key) is not None


def checked(key: str) -> str:
    """Return the key if it is valid; a driver asks before it touches disk or network.

    Raises KeyInvalid. Keys come from our own rows; this is the second lock.
    """
    if not valid(key):
        raise KeyInvalid(key)
    return key


def checked_prefix(prefix: str) -> str:
    """Return the folder that a listing is about, without a slash at its end; empty for all. Raises KeyInvalid."""
    return checked(prefix.removesuffix("/")) if prefix else ""
