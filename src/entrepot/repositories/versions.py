"""The order of versions, as Maven has it: numbers by size, words by what they stand for, anything else by its letters."""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(r"\d+|[a-z]+")
_WORDS: Final = {
    "alpha": 0, "a": 0, "beta": 1, "b": 1, "milestone": 2, "m": 2, "rc": 3, "cr": 3, "snapshot": 4, "": 5, "final": 5,
    "ga": 5, "release": 5, "sp": 6,
}  # fmt: skip
_OTHER: Final = 7
_NUMBER: Final = 8  # a number where another version has a word, or nothing, is newer
_DIGITS: Final = 200

Key = tuple[tuple[int, int, str], ...]
_END: Final = (_WORDS[""], 0, "")
_ZERO: Final = (_NUMBER, 0, "")


def order(version: str) -> Key:
    """Return what versions are compared by: greater is newer. `1.0` and `1` are equal, `1.0-rc1` < `1.0` < `1.0-sp`."""
    found: list[tuple[int, int, str]] = []
    for text in _PART.findall(version.lower()[:1000]):
        part = _part(text)
        if part[0] != _NUMBER:
            _trim(found)
        found.append(part)
    _trim(found)
    return (*found, _END)


def _trim(parts: list[tuple[int, int, str]]) -> None:
    """Take zeros away, and words for a release, after which a word or nothing comes: they say nothing."""
    while parts and parts[-1] in (_ZERO, _END):
        parts.pop()


def _part(text: str) -> tuple[int, int, str]:
    if text.isdigit():
        return _NUMBER, int(text[:_DIGITS]), ""
    rank = _WORDS.get(text)
    return (_OTHER, 0, text) if rank is None else (rank, 0, "")
