"""Which actions are allowed at which paths of a repository, for one set of principals: an index over pattern sets.

A path that fits a pattern in full holds each of its literal segments. So a pattern waits under its rarest one, and only
those that wait under a segment of the path at hand are tried. A folder on the way to something allowed is found by the
literal beginnings of patterns. What neither index narrows down (`*.jar`, `**/*-SNAPSHOT*`) is tried each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from entrepot.access.actions import EVERY_ACTION, Action
from entrepot.access.patterns import Pattern, PatternSet, Place, compiled, is_literal

ON_THE_WAY: Final = int(Action.READ | Action.DEPLOY)  # may be done with a folder by whoever may below it

EVERY: Final = int(EVERY_ACTION)

Excludes = tuple[Pattern, ...]
Masks = dict[Excludes, int]
Span = tuple[int, int]
"""Actions (bits) that are surely allowed, and those that may be: equal at one path, apart over a folder."""


class _Row(NamedTuple):
    pattern: Pattern
    excludes: Excludes
    mask: int


class Coverage:
    """An immutable index. Actions are bits of `Action`, as plain numbers: this is the hot path."""

    __slots__ = ("_always", "_bare", "_by_head", "_by_segment", "_trees", "_way", "patterns")

    def __init__(self, sets: Iterable[tuple[PatternSet, int]]) -> None:
        """Index pattern sets with what each allows."""
        self._always = 0  # at every path
        self._trees: dict[str, Masks] = {}  # `a/b/**`: folder to what is allowed all below
        self._way: dict[str, Masks] = {}  # folders above a literal beginning: what may be allowed below
        self._bare: list[_Row] = []
        self._by_segment: dict[str, list[_Row]] = {}
        self._by_head: dict[str, list[_Row]] = {}
        others: dict[tuple[Pattern, Excludes], int] = {}
        for patterns, mask in sets:
            if patterns.everything:
                self._always |= mask
                continue
            for pattern in (compiled("**"),) if patterns.all_included else patterns.including:
                if pattern.absolute:
                    continue  # paths within a repository never are
                if pattern.is_subtree:
                    _add(self._trees, pattern.head, patterns.excluding, mask)
                else:
                    key = (pattern, patterns.excluding)
                    others[key] = others.get(key, 0) | mask
                for folder in _folders_above(pattern.head):
                    _add(self._way, folder, patterns.excluding, mask)
        self._index([_Row(pattern, excludes, mask) for (pattern, excludes), mask in others.items()])
        self.patterns = len(others) + len(self._trees)

    def _index(self, rows: list[_Row]) -> None:
        literals = [list(filter(is_literal, row.pattern.tokens)) for row in rows]
        count = Counter(token for tokens in literals for token in tokens)
        for row, tokens in zip(rows, literals, strict=True):
            waits = self._by_segment.setdefault(min(tokens, key=count.__getitem__), []) if tokens else self._bare
            waits.append(row)
            self._by_head.setdefault(row.pattern.head, []).append(row)

    def at(self, place: Place, need: int, *, folder: bool = False) -> int:
        """Return those of the needed actions that are allowed at a path. A folder may be read and made on the way."""
        got = self._always & need
        if got == need or place.absolute:
            return got
        towards = [one for above in _folders(place.text) if (one := self._trees.get(above)) is not None]
        if folder and place.text in self._way and need & ON_THE_WAY:
            got |= _of_masks((self._way[place.text],), place, need & ON_THE_WAY & ~got)
        got |= _of_masks(towards, place, need & ~got)
        if got == need:
            return got
        if folder and self._by_head:
            got |= _of_rows(self._towards(place), place, need & ON_THE_WAY & ~got, _begins)
            need &= ~ON_THE_WAY | got
        return got | _of_rows(self._candidates(place), place, need & ~got, _matches)

    def below(self, folder: str) -> Span:
        """Return what is allowed at every path below a folder, and what may be allowed at some."""
        if self._always == EVERY:
            return EVERY, EVERY
        place = Place.of(folder)
        sure = possible = self._always
        for above in _folders(place.text):
            for excludes, mask in self._trees.get(above, {}).items():
                sure |= 0 if excludes else mask
                possible |= 0 if _shut(excludes, place) else mask
        for excludes, mask in self._way.get(place.text, {}).items():
            possible |= 0 if _shut(excludes, place) else mask
        for row in self._towards(place):
            if row.pattern.begins(place) and not _shut(row.excludes, place):
                possible |= row.mask
        return sure, possible

    def _candidates(self, place: Place) -> Iterator[_Row]:
        """Yield what may fit the path."""
        if self._by_segment:
            for segment in set(place.text.split("/")):
                yield from self._by_segment.get(segment, ())
        yield from self._bare

    def _towards(self, place: Place) -> Iterator[_Row]:
        """Yield what has its literal beginning at the place or above it."""
        for folder in _folders(place.text):
            yield from self._by_head.get(folder, ())


NOWHERE: Final = Coverage(())
EVERYWHERE: Final = Coverage(((PatternSet(), EVERY),))


def _folders(text: str) -> list[str]:
    """Return the root, each folder above, and the place itself, as in `Place.text`."""
    found, end = [""], 0
    while end < len(text):
        end = text.index("/", end) + 1
        found.append(text[:end])
    return found


def _folders_above(text: str) -> list[str]:
    return _folders(text)[:-1] if text else []


def _add(masks: dict[str, Masks], folder: str, excludes: Excludes, mask: int) -> None:
    by_excludes = masks.setdefault(folder, {})
    by_excludes[excludes] = by_excludes.get(excludes, 0) | mask


def _of_masks(found: Iterable[Masks], place: Place, need: int) -> int:
    got = 0
    for masks in found:
        for excludes, mask in masks.items():
            if mask & need & ~got and not _excluded(excludes, place):
                got |= mask & need
    return got


def _of_rows(rows: Iterable[_Row], place: Place, need: int, fits: Callable[[_Row, Place], bool]) -> int:
    got = 0
    for row in rows if need else ():
        if row.mask & need & ~got and fits(row, place) and not _excluded(row.excludes, place):
            got |= row.mask & need
            if got == need:
                break
    return got


def _begins(row: _Row, place: Place) -> bool:
    return row.pattern.begins(place)


def _matches(row: _Row, place: Place) -> bool:
    return row.pattern.matches(place)


def _excluded(excludes: Excludes, place: Place) -> bool:
    return any(pattern.matches(place) for pattern in excludes) if excludes else False


def _shut(excludes: Excludes, place: Place) -> bool:
    """Whether everything below a folder is excluded, as far as can be told at a glance."""
    return any(pattern.is_subtree and pattern.matches(place) for pattern in excludes)
