"""JSON bodies of the management API: bounded, and never a surprise."""

from __future__ import annotations

from typing import Any

import msgspec

from entrepot.errors import Invalid
from entrepot.messages import Request

LIMIT = 4 << 20  # bytes
_DEPTH = 64
_TOO_DEEP = "The body is nested too deeply."


async def json_object(request: Request, limit: int = LIMIT) -> dict[str, Any]:
    """Return the body, which must be a JSON object. Raises Invalid, TooLarge."""
    value = await json_value(request, limit)
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.")
    return value


async def json_value(request: Request, limit: int = LIMIT) -> Any:
    """Return the body, which must be JSON. Raises Invalid, TooLarge."""
    body = await request.body.read(limit)
    try:
        return _shallow(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not valid JSON: {str(error)[:200]}") from None
    except RecursionError:
        raise Invalid(_TOO_DEEP) from None


def _shallow(value: Any) -> Any:
    """Return a value that is not nested so deeply that whoever walks through it could fail. Raises Invalid."""
    level, depth = [value], 0
    while level:
        if depth > _DEPTH:
            raise Invalid(_TOO_DEEP)
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
    return value
