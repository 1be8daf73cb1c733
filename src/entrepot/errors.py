"""The one error tree.

    EntrepotError
    ├── Invalid          400  the request itself is wrong; repeating it cannot help
    ├── Unauthenticated  401  who is asking is not known, or must be
    ├── Denied           403  the caller is known and may not
    ├── NotFound         404  there is no such thing, for this caller
    ├── NotAllowed       405  this thing cannot be done here, by anyone
    ├── Conflict         409  it contradicts what is there
    ├── TooLarge         413  beyond a limit
    ├── Unsatisfiable    416  a range outside of what there is
    ├── TooMany          429  this caller asks too often
    └── Unavailable      503  for now; try again

The first line of a class's docstring is its message, a template over the keywords that it was raised with.
Rooms subclass these for their own errors; only `web/errors.py` turns them into what the client at hand expects.
`code` is the OCI error code (distribution-spec, "Error Codes") where there is one; `formats/docker/errors.py` has one for the
others. `detail` goes to that envelope's field as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

_REASON: Final = 400  # characters


class EntrepotError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str | None = None,
        *,
        detail: object = None,
        headers: Sequence[tuple[str, str]] = (),
        claimed: str | None = None,
        **words: object,
    ) -> None:
        template = (
            message or next(kind.__doc__ for kind in type(self).__mro__ if kind.__doc__).strip().partition("\n")[0]
        )
        self.message = template.format(**words) if words else template
        self.detail = detail
        self.headers = tuple(headers)  # that the client needs to go on: where an upload stands, say
        self.claimed = claimed  # the account whose proof was refused; empty: there is no such account
        self.words = words
        super().__init__(self.message)


def reason(error: BaseException) -> str:
    """Return what lies at the bottom of an error, in one line for those who operate the system."""
    cause, seen = error, {id(error)}
    while cause.__cause__ is not None and id(cause.__cause__) not in seen:
        cause = cause.__cause__
        seen.add(id(cause))
    told = str(cause).partition("\n")[0].strip()[:_REASON]
    return told if isinstance(cause, EntrepotError) else f"{type(cause).__name__}: {told}"


class Invalid(EntrepotError):
    """The request is not valid."""

    code, status = "BAD_REQUEST", 400


class Unauthenticated(EntrepotError):
    """Authentication is required."""

    code, status = "UNAUTHORIZED", 401


class Denied(EntrepotError):
    """Access is denied."""

    code, status = "DENIED", 403


class NotFound(EntrepotError):
    """Not Found"""

    code, status = "NOT_FOUND", 404


class NotAllowed(EntrepotError):
    """Method Not Allowed"""

    code, status = "UNSUPPORTED", 405


class Conflict(EntrepotError):
    """The request contradicts what is stored."""

    code, status = "CONFLICT", 409


class TooLarge(EntrepotError):
    """The request is larger than the limit of {limit} bytes."""

    code, status = "SIZE_INVALID", 413


class Unsatisfiable(EntrepotError):
    """The range lies outside of the {size} bytes that there are."""

    code, status = "RANGE_INVALID", 416


class TooMany(EntrepotError):
    """Too many requests; try again in {seconds} second(s)."""

    code, status = "TOOMANYREQUESTS", 429


class Unavailable(EntrepotError):
    """The service is not available for now; try again in a few seconds."""

    code, status = "UNAVAILABLE", 503
