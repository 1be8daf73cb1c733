"""JSON bodies of the management API: bounded, and never a surprise."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from entrepot.errors import Invalid
from entrepot.messages import Request

LIMIT: Final = 1 << 20  # bytes
LONG: Final = 4 << 20  # bytes of what is sent for many things at once
PUBLIC: Final = 1 << 16  # bytes of what is read before anybody has said who it is
_DEPTH: Final = 64
_MOST: Final = 100_000  # objects and arrays: to make them costs more than to read them
_NOT_MARKS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")


async def json_object(request: Request, limit: int = LIMIT, *, optional: bool = False) -> dict[str, Any]:
    """Return the body, which must be a JSON object; one that is `optional` may be missing. Raises Invalid, TooLarge."""
    value = await json_value(request, limit, missing={} if optional else None)
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.")
    return value


async def json_value(request: Request, limit: int = LIMIT, *, missing: Any = None) -> Any:
    """Return the body, which must be JSON; `missing` stands for an empty one, if it is given. Raises Invalid, TooLarge."""
    body = await request.body.read(limit)
    if not body and missing is not None:
        return missing
    _check_shape(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not valid JSON: {str(error)[:200]}") from None


def _check_shape(body: bytes) -> None:
    """Raise Invalid for what is nested so deeply that whoever walks through it could fail, or holds far too many things.

    It is seen from brackets and quotes alone, which takes no step in Python for each of them.
    """
    if body.count(b"[") + body.count(b"{") <= _DEPTH:
        return
    marks = body.replace(rb"\\", b"").replace(rb"\"", b"").translate(_SQUARE, _NOT_MARKS)
    marks = marks.replace(b'""', b"")  # a pair changes nothing about what is within strings and what outside
    if marks.count(b'"') > 2 * _MOST:
        raise Invalid(f"The body has more than {_MOST} strings with brackets.")
    brackets = b"".join(marks.split(b'"')[::2])  # outside of strings
    if len(brackets) > 2 * _MOST:
        raise Invalid(f"The body has more than {_MOST} objects and arrays.")
    for _ in range(_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise Invalid("The body is nested too deeply, or its brackets do not match.")
