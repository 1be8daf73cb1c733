"""JSON bodies of the management API: bounded, and never a surprise."""

from __future__ import annotations

from typing import Any

import msgspec

from entrepot.errors import Invalid
from entrepot.messages import Request

LIMIT = 4 << 20  # bytes


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
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not valid JSON: {str(error)[:200]}") from None
    except RecursionError:
        raise Invalid("The body is nested too deeply.") from None
