r"""Ant patterns with the exact meaning that they have in Artifactory (Spring's AntPathMatcher, reference C2).

    ?      one character of a segment          *    any characters of a segment; {name} likewise
    **     any number of whole segments, when it is a segment of its own; within one it is like *

Case-sensitive, everything else is literal. Empty segments are dropped; a leading slash must agree on both sides, and a
trailing one too where the pattern has no `**`. Segments of a pattern are trimmed, those of a path are not: a path is
compared as it is stored. `{name:expression}` is refused rather than taken for more than its author meant.

A pattern becomes one regular expression over segments that each end in a slash. Stars and runs between two `**` are
atomic groups, so what has matched is never tried again: time is bounded by the product of the two lengths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from entrepot.errors import Invalid

MAX_PATTERN = 1024  # characters
MAX_PATTERNS = 1000

_BLANK = "".join(map(chr, range(33)))  # what Java's trim() takes off
_VARIABLE = re.compile(r"\{[^/{}:]+\}")
_EXPRESSION = re.compile(r"\{[^/]+\}")
_WILD = re.compile(r"\*+|\?")
_EVERYTHING = frozenset({"**", "**/*"})


class PatternInvalid(Invalid):
    """A pattern has at most {most} characters."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path made ready for matching: its segments, each with a slash after it."""

    text: str
    absolute: bool = False  # the path began with a slash
    trailing: bool = False  # the path ended in one

    @classmethod
    def of(cls, path: str) -> Place:
        """Return the place that a path names; the root of a repository is empty."""
        if "//" not in path and path[:1] != "/" and path[-1:] != "/":
            return cls(f"{path}/" if path else "")
        text = "".join(f"{segment}/" for segment in path.split("/") if segment)
        return cls(text, path.startswith("/"), path.endswith("/"))


class Pattern:
    """One compiled pattern; get it from `compiled`. Expressions are made when they are first asked for."""

    __slots__ = (
        "_before_star", "_begin", "_whole",
        "absolute", "deep", "head", "is_subtree", "open_end", "text", "tokens", "trailing",
    )  # fmt: skip

    def __init__(self, text: str) -> None:
        """Raises PatternInvalid."""
        if len(text) > MAX_PATTERN:
            raise PatternInvalid(most=MAX_PATTERN)
        self.text = text
        self.absolute = text.startswith("/")
        self.trailing = text.endswith("/")
        written = [one for token in text.split("/") if (one := token.strip(_BLANK))]
        self.tokens = tuple(map(_plain, written))
        self.deep = "**" in self.tokens
        self.open_end = not self.deep and written[-1:] == ["*"]
        literal = next((at for at, token in enumerate(self.tokens) if not is_literal(token)), len(self.tokens))
        self.head = "".join(f"{token}/" for token in self.tokens[:literal])  # as in Place.text
        self.is_subtree = set(self.tokens[literal:]) == {"**"}  # a literal folder and all below it: a/b/**
        self._whole: re.Pattern[str] | None = None
        self._before_star: re.Pattern[str] | None = None
        self._begin: tuple[Callable[[str], object], ...] | None = None

    def matches(self, place: Place) -> bool:
        """Whether the whole path fits."""
        if self.absolute is not place.absolute:
            return False
        if self.is_subtree:
            return place.text.startswith(self.head)
        if self._fits_whole(place.text) and (self.deep or self.trailing is place.trailing):
            return True
        # `a/*` also fits `a/`: the one case in which a token stands for nothing.
        return self.open_end and place.trailing and self._fits_before_star(place.text)

    def begins(self, place: Place) -> bool:
        """Whether the path fits, or could be the beginning of one that does."""
        if self.absolute is not place.absolute:
            return False
        segments = place.text.split("/")[:-1]
        if self._begin is None:
            head = self.tokens[: self.tokens.index("**")] if self.deep else self.tokens
            self._begin = tuple(map(_matcher, head))
        if len(segments) > len(self._begin) and not self.deep:
            return False
        if not all(fits(segment) for fits, segment in zip(self._begin, segments, strict=False)):
            return False
        return self.deep or len(segments) < len(self.tokens) or self.trailing is place.trailing

    def _fits_whole(self, text: str) -> bool:
        tokens = self.tokens
        if len(tokens) == 2 and tokens[0] == "**":
            return bool(text) and bool(_matcher(tokens[1])(text[:-1].rpartition("/")[2]))
        if self._whole is None:
            self._whole = re.compile(_expression(tokens))
        return self._whole.match(text) is not None

    def _fits_before_star(self, text: str) -> bool:
        if self._before_star is None:
            self._before_star = re.compile(_expression(self.tokens[:-1]))
        return self._before_star.match(text) is not None


@lru_cache(maxsize=32768)
def compiled(text: str) -> Pattern:
    """Return the pattern, compiled once. Raises PatternInvalid."""
    return Pattern(text)


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Includes and excludes, as permission targets and repositories have them; no includes take in everything.

    Each text may hold several patterns with commas between. Raises PatternInvalid.
    """

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    all_included: bool = field(init=False, compare=False, repr=False)  # every path is, before the excludes
    including: tuple[Pattern, ...] = field(init=False, compare=False, repr=False)
    excluding: tuple[Pattern, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        wanted, unwanted = tuple(split(self.includes)), tuple(split(self.excludes))
        object.__setattr__(self, "includes", wanted)
        object.__setattr__(self, "excludes", unwanted)
        object.__setattr__(self, "all_included", not wanted or not _EVERYTHING.isdisjoint(wanted))
        object.__setattr__(self, "including", tuple(map(compiled, wanted)))
        object.__setattr__(self, "excluding", tuple(map(compiled, unwanted)))

    @classmethod
    def of(cls, includes: str | Iterable[str], excludes: str | Iterable[str] = ()) -> PatternSet:
        """Compile comma-separated text, or several texts. Raises PatternInvalid."""
        return cls(tuple(split(includes)), tuple(split(excludes)))

    @property
    def everything(self) -> bool:
        """Whether every path is accepted."""
        return self.all_included and not self.excludes

    def accepts(self, path: str, *, folder: bool = False, start: bool = False) -> bool:
        """Whether a path (no leading slash, the root is empty) is accepted.

        With `start`, a folder is accepted also when it is on the way to what is; excludes always need a full match.
        """
        if self.everything:
            return True
        place = Place.of(path)
        if any(pattern.matches(place) for pattern in self.excluding):
            return False
        if self.all_included:
            return True
        if folder and start:
            return any(pattern.begins(place) for pattern in self.including)
        return any(pattern.matches(place) for pattern in self.including)


def split(patterns: str | Iterable[str]) -> list[str]:
    """Split at commas, trim, drop the empty. Raises PatternInvalid when there are too many."""
    texts = [patterns] if isinstance(patterns, str) else patterns
    found = [one for text in texts for part in text.split(",") if (one := part.strip(_BLANK))]
    if len(found) > MAX_PATTERNS:
        raise PatternInvalid(f"At most {MAX_PATTERNS} patterns are allowed.")
    return found


def is_literal(token: str) -> bool:
    """Whether a compiled pattern's token stands for nothing but itself."""
    return "*" not in token and "?" not in token


def _plain(token: str) -> str:
    """Return the token with `*` in the place of template variables; one within a longer token never becomes `**`."""
    if "{" not in token:
        return token
    plain, count = _VARIABLE.subn("*", token)
    if _EXPRESSION.search(_VARIABLE.sub("", token)):
        raise PatternInvalid("A pattern may hold {name}, but no expression in braces.")
    return "*" if count and not plain.strip("*") else plain


def _expression(tokens: Sequence[str]) -> str:
    """Return an expression over the whole of a Place's text."""
    blocks: list[list[str]] = [[]]
    for token in tokens:
        if token == "**":
            blocks.append([])
        else:
            blocks[-1].append(token)
    first, *runs = ["".join(map(_segment, block)) for block in blocks]
    if not runs:
        return rf"{first}\Z"
    middle = "".join(rf"(?>(?:[^/]++/)*?{run})" for run in runs[:-1] if run)  # the leftmost fit is always the best
    return rf"{first}{middle}(?:[^/]++/)*{runs[-1]}\Z" if runs[-1] else first + middle


@lru_cache(maxsize=16384)
def _segment(token: str) -> str:
    """Return an expression for one segment and the slash after it."""
    if token == "*":
        return "[^/]++/"
    return f"(?>{_stars(token)}/)"


@lru_cache(maxsize=16384)
def _matcher(token: str) -> Callable[[str], object]:
    """Return what tells, by truth, whether a segment fits a token; an expression only where nothing simpler does."""
    if is_literal(token):
        return token.__eq__
    fixed = token.strip("*")
    if is_literal(fixed) and token == f"*{fixed}":
        return lambda segment: segment.endswith(fixed)
    if is_literal(fixed) and token == f"{fixed}*":
        return lambda segment: segment.startswith(fixed)
    return re.compile(_stars(token)).fullmatch


def _stars(token: str) -> str:
    """Return an expression for one token: its literal runs in order, each leftmost, the last at the end."""
    runs = [""]
    position = 0
    for wild in _WILD.finditer(token):
        runs[-1] += re.escape(token[position : wild.start()])
        if wild[0] == "?":
            runs[-1] += "[^/]"
        else:
            runs.append("")
        position = wild.end()
    runs[-1] += re.escape(token[position:])
    first, *others = runs
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{run})" for run in others[:-1] if run) + f"[^/]*{others[-1]}"
