"""Time and randomness, injected, so that tests decide.

Times are int64 epoch **milliseconds** UTC everywhere; tokens alone speak seconds, as their standard does.
Whatever several nodes must agree on (leases, expiry, grace) uses the database's clock, not this one.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Protocol

LATEST = 253_402_300_799_999
"""The last time that has a date: the end of the year 9999."""


class Clock(Protocol):
    """Where the time of this process comes from."""

    def now(self) -> int:
        """Return the epoch milliseconds, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the epoch milliseconds, UTC."""
        return time.time_ns() // 1_000_000


def new_id() -> str:
    """Return a random 128-bit id as 32 lower-case hex digits."""
    return uuid.uuid4().hex


def iso(millis: int) -> str:
    """Format as ISO-8601 with three digits of milliseconds and `Z`, the form that Artifactory's clients parse."""
    stamp = datetime.fromtimestamp(millis / 1000, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(millis: int) -> str:
    """Format as an HTTP date (RFC 9110, 5.6.7), whatever the process's locale."""
    stamp = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{_DAYS[stamp.weekday()]}, {stamp.day:02d} {_MONTHS[stamp.month - 1]} {stamp:%Y %H:%M:%S} GMT"
