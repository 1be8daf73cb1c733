"""Ranges and conditions of requests, as values (RFC 9110, 13 and 14; of chunks: distribution specification).

Validators are compared without their quotes and weak prefixes, because clients of Artifactory send them bare.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from entrepot.messages import Headers

_MOST_RANGES = 1024  # what lazy pullers ask for at most in one request
_FAR = 1 << 63  # beyond every size; a longer number is as good as this one
_RANGES = re.compile(r"bytes=(.*)", re.IGNORECASE)
_RANGE = re.compile(r"[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*")
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?[ ]*([0-9]{1,18})-([0-9]{1,18})(?:/(?:\*|[0-9]{1,18}))?", re.IGNORECASE)
_TAG = re.compile(r'(?<![^\s,])(?:W/)?(?:"([^"]*)"|([^\s,"]+))')
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_CLOCK = r"(?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})"
_DATES = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<d>[0-9]{{2}}) (?P<m>[A-Z][a-z]{{2}}) (?P<y>[0-9]{{4}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<d>[0-9]{{2}})-(?P<m>[A-Z][a-z]{{2}})-(?P<y>[0-9]{{2}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<m>[A-Z][a-z]{{2}}) (?P<d>[ 0-9][0-9]) {_CLOCK} (?P<y>[0-9]{{4}})"),
)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, stop)."""

    start: int
    stop: int


def parse_range(header: str, size: int) -> tuple[Span, ...] | None:
    """Return the spans of `size` bytes that a Range header asks for, in its order, cut at the end.

    None when the header is to be ignored and the whole sent: another unit, malformed, too many ranges, or so many
    overlapping ones that they are longer than the whole. Empty when no range can be satisfied: 416. A range that ends
    before it starts counts as such, not as malformed, which the conformance tool wants.
    """
    found = _RANGES.fullmatch(header.strip())
    if found is None:
        return None
    asked = found[1].split(",", _MOST_RANGES)
    if len(asked) > _MOST_RANGES:
        return None
    spans = []
    for text in asked:
        one = _RANGE.fullmatch(text)
        if one is None:
            return None
        spans.append(_span(one, size))
    some = tuple(span for span in spans if span is not None)
    if sum(span.stop - span.start for span in some) > size or (some and not size):
        return None
    return some


def parse_content_range(header: str) -> Span | None:
    """Return where a chunk lies: `0-99`, leniently `bytes 0-99/*`. None when malformed, or ending before its start."""
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None or int(found[2]) < int(found[1]):
        return None
    return Span(int(found[1]), int(found[2]) + 1)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request says about the version that its client has; None where it says nothing."""

    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_range: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> Conditions:
        """Read the headers; several If-None-Match lines are one list."""
        tag, since, same = headers.get("if-none-match"), headers.get("if-modified-since"), headers.get("if-range")
        if tag is None and since is None and same is None:
            return _NONE
        return cls(None if tag is None else ",".join(headers.get_all("if-none-match")), since, same)

    @property
    def any(self) -> bool:
        """Whether the request has a condition that a 304 may answer."""
        return self.if_none_match is not None or self.if_modified_since is not None

    def range_applies(self, tags: Collection[str], modified: int | None) -> bool:
        """Whether Range is to be obeyed: no If-Range, or one that names this very version (weak ones never do).

        `tags` are the bare entity tags that the version has, `modified` its time in epoch milliseconds.
        """
        if self.if_range is None:
            return True
        stated = self.if_range.strip()
        date = parse_date(stated)
        if date is not None:
            return modified is not None and modified // 1000 == date
        return stated.strip('"') in tags  # a weak one keeps its prefix, and so is none of them


_NONE = Conditions()  # of most requests


def evaluate(conditions: Conditions, tags: Collection[str], modified: int | None) -> bool:
    """Whether the client has the version already: 304.

    `tags` are the bare entity tags that the version has, `modified` its time in epoch milliseconds. If-None-Match (a
    list of tags: quoted, bare or weak; or `*`) decides alone where it is given; a date that is none is ignored.
    """
    if conditions.if_none_match is not None:
        listed = conditions.if_none_match
        if listed.strip() == "*":
            return True
        return any((found[1] or found[2] or "") in tags for found in _TAG.finditer(listed))
    if conditions.if_modified_since is None or modified is None:
        return False
    date = parse_date(conditions.if_modified_since.strip())
    return date is not None and modified // 1000 <= date


def parse_date(text: str) -> int | None:
    """Return the epoch seconds of an HTTP date in any of its three forms (RFC 9110, 5.6.7); None when it is none."""
    for form in _DATES:
        found = form.fullmatch(text)
        if found is None:
            continue
        year = int(found["y"])
        if len(found["y"]) == 2:
            year += 2000 if year < 70 else 1900
        clock = int(found["H"]), int(found["M"]), 59 if found["S"] == "60" else int(found["S"])  # a leap second
        try:
            return int(datetime(year, _MONTHS.get(found["m"], 0), int(found["d"]), *clock, tzinfo=UTC).timestamp())
        except ValueError:
            return None
    return None


def _span(found: re.Match[str], size: int) -> Span | None:
    first, last, suffix = found.groups()
    if suffix is not None:
        return Span(max(size - _number(suffix), 0), size) if _number(suffix) else None
    start, stop = _number(first), _number(last) + 1 if last else size
    return Span(start, min(stop, size)) if start < min(stop, size) else None


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 19 else _FAR
