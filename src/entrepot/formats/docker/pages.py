"""Pages of lists: `n` and `last` of tags and catalog, and the `Link` to the next page (RFC 8288)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from entrepot.formats.docker.errors import PaginationNumberInvalid, shown
from entrepot.formats.docker.names import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_URL = "%/:@!$&'()*+,;=-._~[]"  # what stays as it is in a target that is percent-encoded already


class LastInvalid(PaginationNumberInvalid):
    """invalid last entry"""


@dataclass(frozen=True, slots=True)
class Page:
    """At most `n` entries that come after `last` in byte order; n may be 0, `last` empty (from the beginning)."""

    n: int
    last: str


def parse_page(query: Mapping[str, Sequence[str]], *, default: int, most: int) -> Page:
    """Read the parameters `n` and `last` of a decoded query; of a repeated one, the first.

    Raises PaginationNumberInvalid when n is not a whole number from 0 to `most`, LastInvalid for a `last` that nothing
    can be called (too long, control characters).
    """
    n = _first(query, "n")
    last = _first(query, "last")
    if n and (not _NUMBER.fullmatch(n) or int(n) > most):
        raise PaginationNumberInvalid(detail={"n": shown(n)})
    if len(last) > MAX_NAME or _CONTROL.search(last):
        raise LastInvalid(detail={"last": shown(last)})
    return Page(int(n) if n else default, last)


def link(target: str, **query: str | int) -> str:
    """Return the value of a Link header that leads to the next page.

    `target` is the percent-encoded path as this client addresses it, access prefix included; or the URL.
    """
    pairs = "&".join(f"{quote(key, safe='')}={quote(str(value), safe='')}" for key, value in query.items())
    return f'<{quote(target, safe=_URL)}?{pairs}>; rel="next"'


def _first(query: Mapping[str, Sequence[str]], key: str) -> str:
    values = query.get(key)
    return values[0] if values else ""
