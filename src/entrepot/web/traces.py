"""The id of a request: that of the trace which a client or proxy names, as far as it fits, or a new one (reference D11).

The low 16 hex digits count, as in Artifactory's logs. Whoever calls may choose them, so they are a name in logs and answers
and nothing else.
"""

from __future__ import annotations

import random
import re
from typing import Final

from entrepot.messages import Headers

_DIGITS: Final = 16
_FORMS: Final = (
    ("traceparent", re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")),  # W3C
    ("uber-trace-id", re.compile(r"([0-9a-f]{1,32})(?::|%3[Aa])[0-9a-f]{1,16}(?::|%3[Aa]).*")),  # Jaeger; jf sends it
    ("x-b3-traceid", re.compile(r"([0-9a-f]{16}|[0-9a-f]{32})")),  # Zipkin
    ("b3", re.compile(r"([0-9a-f]{16}|[0-9a-f]{32})-[0-9a-f]{16}(?:-.*)?")),
)


def trace_of(headers: Headers) -> str:
    """Return 16 hex digits: the end of the first trace that is named as it should be, else random ones."""
    for name, form in _FORMS:
        told = headers.get(name)
        if told is not None and (found := form.fullmatch(told)) is not None:
            trace = found[1][-_DIGITS:].zfill(_DIGITS)
            if trace.strip("0"):  # none at all, as the standards have it
                return trace
    return f"{random.getrandbits(64):016x}"  # a name and no secret: no call into the kernel
