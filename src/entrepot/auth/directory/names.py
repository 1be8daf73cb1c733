"""Distinguished names (RFC 4514): read, compared and written. Names are compared as values, never as text."""

from __future__ import annotations

import re
from typing import Final

_ESCAPED: Final = re.compile(r'[\\,+"<>;=\x00-\x1f\x7f]|^[ #]| $')
_KIND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")
_SPACES: Final = re.compile(r"\s+")
_PARTS: Final = 100
_LONGEST: Final = 8192  # characters

Rdn = tuple[tuple[str, str], ...]
Name = tuple[Rdn, ...]
"""A name: its components from the leaf up, each a sorted group of attribute and value, ready to be compared."""


class BadName(ValueError):
    """The text is no distinguished name."""


def escape(value: str) -> str:
    """Return a value as it stands in a name, so that it is one value whatever it holds."""
    return _ESCAPED.sub(lambda found: "".join(f"\\{byte:02x}" for byte in found[0].encode()), value)


def parse(text: str) -> Name:
    """Read a name for comparing: attributes and values without regard to case and to runs of spaces. Raises BadName."""
    if len(text) > _LONGEST:
        raise BadName("a name that is too long")
    if not text.strip():
        return ()
    return tuple(tuple(sorted((_folded(kind), _folded(value)) for kind, value in rdn)) for rdn in split(text))


def normal(text: str) -> str:
    """Return the one text of all that name the same thing. Raises BadName."""
    return ",".join("+".join(f"{kind}={escape(value)}" for kind, value in rdn) for rdn in parse(text))


def split(text: str) -> list[list[tuple[str, str]]]:
    """Return the components from the leaf up, values decoded as they were written. Raises BadName."""
    found: list[list[tuple[str, str]]] = []
    for component in _cut(text, ",;"):
        if len(found) == _PARTS:
            raise BadName("a name of too many parts")
        found.append([_pair(part) for part in _cut(component, "+")])
    return found


def values_between(name: str, base: str) -> list[str]:
    """Return the values of the components above the leaf and below `base`. Raises BadName."""
    whole, below = split(name), parse(base)
    if below and parse(name)[-len(below) :] != below:
        return []
    return [value for rdn in whole[1 : len(whole) - len(below)] for _, value in rdn]


def join(name: str, base: str) -> str:
    """Return a name below a base; either may be empty."""
    return f"{name},{base}" if name and base else name or base


def _cut(text: str, marks: str) -> list[str]:
    parts, start, quoted, skip = [], 0, False, False
    for place, character in enumerate(text):
        if skip:
            skip = False
        elif character == "\\":
            skip = True
        elif character == '"':
            quoted = not quoted
        elif character in marks and not quoted:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return parts


def _pair(text: str) -> tuple[str, str]:
    kind, equals, value = text.partition("=")
    if not equals or not _KIND.fullmatch(kind.strip()):
        raise BadName(f"no attribute with a value: {text[:100]}")
    return kind.strip(), _decoded(_trimmed(value))


def _trimmed(value: str) -> str:
    value = value.lstrip(" ")
    bare = value.rstrip(" ")
    if len(bare) < len(value) and (len(bare) - len(bare.rstrip("\\"))) % 2:
        bare += " "  # the last space is escaped
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] == '"' else bare


def _decoded(value: str) -> str:
    out = bytearray()
    place = 0
    while place < len(value):
        if value[place] != "\\":
            out += value[place].encode("utf-8", "surrogatepass")
            place += 1
        elif _HEX.match(value, place + 1):
            out.append(int(value[place + 1 : place + 3], 16))
            place += 3
        elif place + 1 < len(value):
            out += value[place + 1].encode("utf-8", "surrogatepass")
            place += 2
        else:
            raise BadName("a value that ends in a backslash")
    return out.decode("utf-8", "replace")


def _folded(text: str) -> str:
    return _SPACES.sub(" ", text.strip()).casefold()
