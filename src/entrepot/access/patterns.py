"""Ant patterns with the exact meaning that they have in Artifactory (Spring's AntPathMatcher, reference C2).

    ?      one character of a segment          *    any characters of a segment; {name} likewise
    **     any number of whole segments, when it is a segment of its own; within one it is like *

Case-sensitive, everything else is literal. Empty segments are dropped, but a leading slash must agree on both sides, and so
must a trailing one unless `**` is last. No pattern is turned into a regular expression: a hostile one costs at most the
product of its length and the path's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from entrepot.errors import Invalid

MAX_PATTERN = 1024  # characters
MAX_PATTERNS = 1000

_VARIABLE = re.compile(r"\{[^/{}]*\}")
_EVERYTHING = frozenset({"**", "**/*"})


class PatternInvalid(Invalid):
    """A pattern has at most {most} characters."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern."""

    text: str
    tokens: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Compile a pattern. Raises PatternInvalid."""
        if len(text) > MAX_PATTERN:
            raise PatternInvalid(most=MAX_PATTERN)
        return cls(text, tuple(_VARIABLE.sub("*", token) for token in text.split("/") if token))

    def matches(self, path: str) -> bool:
        """Whether the whole path fits."""
        return _matches(self, path, whole=True)

    def begins(self, path: str) -> bool:
        """Whether the path fits, or could be the beginning of one that does."""
        return _matches(self, path, whole=False)


@lru_cache(maxsize=16384)
def compiled(text: str) -> Pattern:
    """Return the pattern, compiled once. Raises PatternInvalid."""
    return Pattern.of(text)


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Includes and excludes, as permission targets and repositories have them."""

    includes: tuple[Pattern, ...]
    excludes: tuple[Pattern, ...]
    all_included: bool  # every path is, before the excludes

    @classmethod
    def of(cls, includes: str | Iterable[str], excludes: str | Iterable[str] = ()) -> PatternSet:
        """Compile comma-separated text, or single patterns. Raises PatternInvalid."""
        wanted, unwanted = split(includes), split(excludes)
        everything = not wanted or not _EVERYTHING.isdisjoint(wanted)
        return cls(tuple(map(compiled, wanted)), tuple(map(compiled, unwanted)), everything)

    @property
    def everything(self) -> bool:
        """Whether every path is accepted."""
        return self.all_included and not self.excludes

    def accepts(self, path: str, *, folder: bool = False, start: bool = False) -> bool:
        """Whether a path (no leading slash, the root is empty) is accepted; a folder on the way to one with `start`."""
        for pattern in self.excludes:
            if pattern.matches(path):
                return False
        if self.all_included:
            return True
        if folder and start:
            return not path or any(pattern.begins(path) for pattern in self.includes)
        return any(pattern.matches(path) for pattern in self.includes)

    def covers(self, folder: str) -> bool:
        """Whether everything below a folder is surely accepted (there may be others of which it is true as well)."""
        if self.excludes:
            return False
        return self.all_included or any(_covers(pattern.tokens, folder) for pattern in self.includes)

    def literal_prefixes(self) -> tuple[str, ...] | None:
        """Return beginnings, one of which each accepted path has; None when nothing can be said."""
        if self.all_included:
            return None
        found = tuple(_literal(pattern.tokens) for pattern in self.includes)
        return None if "" in found else found


def split(patterns: str | Iterable[str]) -> list[str]:
    """Split at commas, trim, drop the empty. Raises PatternInvalid when there are too many."""
    texts = [patterns] if isinstance(patterns, str) else patterns
    found = [one for text in texts for part in text.split(",") if (one := part.strip())]
    if len(found) > MAX_PATTERNS:
        raise PatternInvalid(f"At most {MAX_PATTERNS} patterns are allowed.")
    return found


def _matches(pattern: Pattern, path: str, *, whole: bool) -> bool:
    if path.startswith("/") != pattern.text.startswith("/"):
        return False
    tokens, segments = pattern.tokens, [segment for segment in path.split("/") if segment]
    head = _same_length(tokens, segments)
    if head is None:
        return False
    if head == len(segments):
        return _rest_fits(pattern, path, head, whole=whole)
    if head == len(tokens):
        return False
    return not whole or _between(tokens[head:], segments[head:])


def _same_length(tokens: Sequence[str], segments: Sequence[str]) -> int | None:
    """Return how many tokens before the first `**` fit one segment each; None when one of them does not fit."""
    head = 0
    while head < len(tokens) and head < len(segments) and tokens[head] != "**":
        if not _fits(tokens[head], segments[head]):
            return None
        head += 1
    return head


def _rest_fits(pattern: Pattern, path: str, head: int, *, whole: bool) -> bool:
    """The path is used up: what may be left of the pattern?"""
    rest = pattern.tokens[head:]
    if not rest:
        return pattern.text.endswith("/") == path.endswith("/")
    if not whole or (rest == ("*",) and path.endswith("/")):
        return True
    return all(token == "**" for token in rest)


def _between(tokens: Sequence[str], segments: Sequence[str]) -> bool:
    """Match tokens that begin with `**` against the segments that are left."""
    blocks: list[list[str]] = [[]]
    for token in tokens:
        if token == "**":
            blocks.append([])
        else:
            blocks[-1].append(token)
    last = blocks.pop()
    if len(last) > len(segments) or not all(map(_fits, last, segments[len(segments) - len(last) :])):
        return False
    place, end = 0, len(segments) - len(last)
    for block in blocks[1:]:
        found = next((at for at in range(place, end - len(block) + 1) if all(map(_fits, block, segments[at:]))), None)
        if found is None:
            return False
        place = found + len(block)
    return True


def _fits(token: str, segment: str) -> bool:
    """Match one segment: two pointers, going back to the last star only."""
    if "*" not in token and "?" not in token:
        return token == segment
    t = s = mark = 0
    star = -1
    while s < len(segment):
        if t < len(token) and token[t] == "*":
            star, mark, t = t, s, t + 1
        elif t < len(token) and token[t] in ("?", segment[s]):
            t, s = t + 1, s + 1
        elif star >= 0:
            mark += 1
            t, s = star + 1, mark
        else:
            return False
    return all(character == "*" for character in token[t:])


def _covers(tokens: Sequence[str], folder: str) -> bool:
    """Whether `a/b/**` is above the folder: literal tokens, then `**` or `**/*`."""
    end = tokens.index("**") if "**" in tokens else -1
    if end < 0 or tuple(tokens[end + 1 :]) not in {(), ("*",)}:
        return False
    segments = folder.split("/") if folder else []
    return len(segments) >= end and all(map(_fits, tokens[:end], segments))


def _literal(tokens: Sequence[str]) -> str:
    literal = []
    for token in tokens:
        if "*" in token or "?" in token:
            literal.append(re.split(r"[*?]", token, maxsplit=1)[0])
            break
        literal.append(token)
    return "/".join(literal)
