"""Values of criteria: dates, times ago, numbers, checksums (reference 6)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from entrepot.errors import Invalid

_AGO = re.compile(r"(-?[0-9]{1,9})([a-z]+)")
_UNITS: Final = {
    "ms": 1, "millis": 1, "mills": 1, "s": 1_000, "seconds": 1_000, "mi": 60_000, "minutes": 60_000,
    "d": 86_400_000, "days": 86_400_000, "w": 604_800_000, "weeks": 604_800_000,
}  # fmt: skip
_MONTHS: Final = {"mo": 1, "months": 1, "y": 12, "years": 12}
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_MOST: Final = (1 << 63) - 1
_DATE = re.compile(
    r"([0-9]{1,4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?"
    r"(?:T([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]{1,12}))?)?)?)?(Z|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})?"
)
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})(?:-([1-7]))?")


def whole(text: str, kind: str) -> int:
    """Read an `int` or a `long`. Raises Invalid."""
    word, most = ("integer", (1 << 31) - 1) if kind == "int" else ("long", _MOST)
    if not _INTEGER.fullmatch(text) or not -most - 1 <= int(text) <= most:
        raise Invalid(f"AQL Expect {word} value but found:{text[:200]}")
    return int(text)


def moment(text: str) -> int:
    """Read a date: digits are milliseconds, else ISO 8601, as much of it as is there; without a zone it is UTC. Raises Invalid."""
    if _INTEGER.fullmatch(text):
        return whole(text, "long")
    try:
        found = _week(text) or _iso(text)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise Invalid(f"Invalid Date format: {text[:200]}")
    return (found - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def ago(text: str, now: int) -> int:
    """Read a time ago, like `5d`: one number and one unit. Raises Invalid."""
    found = _AGO.fullmatch(text.lower())
    unit = found[2] if found else ""
    if found is not None and unit in _UNITS:
        return now - int(found[1]) * _UNITS[unit]
    if found is not None and unit in _MONTHS:
        try:
            return _months_before(now, int(found[1]) * _MONTHS[unit])
        except (ValueError, OverflowError):
            pass
    raise Invalid(f"Invalid relative date format for: {text[:200]}")


ANY_TYPE: Final = -1


def file_type(text: str) -> int:
    """Read a type: as rows have it, or `ANY_TYPE`. Raises Invalid."""
    try:
        return {"file": 1, "folder": 0, "any": ANY_TYPE}[text]
    except KeyError:
        raise Invalid(f"Invalid file type: {text[:200]}, valid types are : file, folder, any") from None


def _iso(text: str) -> datetime | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    return datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), micros, UTC
    ) - _zone(zone)  # fmt: skip


def _week(text: str) -> datetime | None:
    found = _WEEK.fullmatch(text)
    if found is None:
        return None
    day = date.fromisocalendar(int(found[1]), int(found[2]), int(found[3] or 1))
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _zone(text: str | None) -> timedelta:
    if text is None or text == "Z":
        return timedelta()
    digits = text[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -away if text[0] == "-" else away


def _months_before(now: int, months: int) -> int:
    at = datetime.fromtimestamp(now / 1000, UTC)
    total = at.year * 12 + at.month - 1 - months
    year, month = total // 12, total % 12 + 1
    day = min(at.day, calendar.monthrange(year, month)[1])
    return int(at.replace(year=year, month=month, day=day).timestamp() * 1000)
