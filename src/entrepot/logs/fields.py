"""Fields that users control, made harmless before they stand in a line whose columns are divided by `|`.

Control characters, `|` and `%`-less look-alikes cannot forge a line or a column: they are percent-encoded. What
stands in a query and opens something is replaced by stars.
"""

from __future__ import annotations

import re
import time
from typing import Final
from urllib.parse import unquote_plus

HIDDEN: Final = "*****"
_ODD = re.compile(r"[\x00-\x1f|\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ODD_WORD = re.compile(r"[\s\x00-\x1f|\[\]\x7f-\x9f\ud800-\udfff]")
_PARTS = (
    "token",
    "passw",
    "secret",
    "signature",
    "credential",
    "assertion",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
)
_HARMLESS = frozenset({"offline_token"})  # `docker login` wishes for one by it: true or false
_WHOLE = frozenset({"key", "code", "sig", "auth", "authorization", "samlresponse", "x-jfrog-art-api"})


def column(text: str, most: int = 2048) -> str:
    """Return a text that fits in one column, cut at `most` characters."""
    return _ODD.sub(_encoded, text[:most])


def word(text: str, most: int = 2048) -> str:
    """Return a text without blanks and brackets either, for lines whose columns are divided by those."""
    return _ODD_WORD.sub(_encoded, text[:most])


def without_secrets(query: str) -> str:
    """Return a query string whose secrets are stars. Names are judged decoded and without case."""
    if "=" not in query:
        return query
    return "&".join(_hidden(pair) for pair in query.split("&"))


def _hidden(pair: str) -> str:
    name, sign, _ = pair.partition("=")
    plain = unquote_plus(name).lower()
    opens = plain in _WHOLE or (plain not in _HARMLESS and any(part in plain for part in _PARTS))
    return f"{name}={HIDDEN}" if opens and sign else pair


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="replace"))


class Stamps:
    """Times as `2026-01-02T03:04:05.678Z`; the part up to the second is made once a second."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def at(self, millis: int) -> str:
        """Return the time, given as epoch milliseconds UTC."""
        second, rest = divmod(millis, 1000)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{rest:03d}Z"
