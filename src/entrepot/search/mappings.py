"""Patterns of paths as clients write them in regular expressions, matched in time that grows with pattern and text only.

A caller's expression must not be run by an engine that goes back and tries again: some expressions never end there. What
mappings of artifacts use is little: characters, classes, `.`, what repeats one of these, and groups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from entrepot.errors import Invalid

_LONGEST: Final = 1000  # characters
_SET_OPERATION = re.compile(r"--|&&|~~|\|\|")  # of other languages' classes; Python means to have them one day
_PART = re.compile(
    r"(?P<one>\\[^0-9A-Za-z]|\\[dDwWsS]|\[\^?\]?(?:\\.|[^\[\]\\])*\]|[^\\\[\]()|*+?{}^$])(?P<times>[*+?]?)|(?P<group>\((?:\?:)?|\)(?![*+?{]))",
    re.DOTALL,
)


class NotUnderstood(Invalid):
    """A mapping may use characters, classes, `.`, `*`, `+`, `?` and plain groups: {pattern}"""


@dataclass(frozen=True, slots=True)
class _Step:
    """One character that fits, at most once or as often as there are; perhaps never."""

    fits: re.Pattern[str]
    often: bool
    never: bool


class Mapping:
    """One pattern, for whole texts. Raises NotUnderstood."""

    def __init__(self, pattern: str) -> None:
        self._steps: list[_Step] = []
        text, at = pattern.removeprefix("^"), 0
        text = text[:-1] if text.endswith("$") and not text.endswith("\\$") else text
        while at < len(text):
            part = _PART.match(text, at) if len(text) <= _LONGEST else None
            if part is None:
                raise NotUnderstood(pattern=ascii(pattern[:100]))
            at = part.end()
            if part["one"] is not None:
                self._add(part["one"], part["times"], pattern)

    def _add(self, one: str, times: str, pattern: str) -> None:
        try:
            fits = re.compile(one, re.DOTALL) if not _SET_OPERATION.search(one) else None
        except re.error:
            fits = None
        if fits is None:
            raise NotUnderstood(pattern=ascii(pattern[:100])) from None
        self._steps.append(_Step(fits, often=times in {"*", "+"}, never=times in {"*", "?"}))

    def matches(self, text: str) -> bool:
        """Whether all of a text fits: each character moves all places at once in which the pattern could be."""
        places = self._from({0})
        for character in text:
            reached = set()
            for place in places:
                if place < len(self._steps) and self._steps[place].fits.fullmatch(character):
                    reached.add(place + 1)
                    if self._steps[place].often:
                        reached.add(place)
            places = self._from(reached)
            if not places:
                return False
        return len(self._steps) in places

    def _from(self, places: set[int]) -> set[int]:
        """Return these places and those that are reached without a character."""
        found = set(places)
        for place in places:
            at = place
            while at < len(self._steps) and self._steps[at].never:
                at += 1
                found.add(at)
        return found
