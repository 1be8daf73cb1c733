"""The part of BER that LDAP uses (RFC 4511, 5.1): one-byte tags, definite lengths. Pure, and total over hostile bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTETS: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

_SHORT: Final = 0x80  # lengths below are one byte
_WIDEST: Final = 4  # bytes of a length
_WIDEST_NUMBER: Final = 8  # bytes


class Malformed(ValueError):
    """The bytes are not what LDAP allows."""


@dataclass(frozen=True, slots=True)
class Element:
    """A tag and its content."""

    tag: int
    content: bytes

    def parts(self) -> list[Element]:
        """Return the elements that the content consists of. Raises Malformed."""
        return list(elements(self.content))

    def number(self) -> int:
        """Return the content of an INTEGER or ENUMERATED. Raises Malformed."""
        if not 0 < len(self.content) <= _WIDEST_NUMBER:
            raise Malformed("a number of impossible size")
        return int.from_bytes(self.content, "big", signed=True)


def element(tag: int, *contents: bytes) -> bytes:
    """Return an element with its tag and length."""
    content = b"".join(contents)
    size = len(content)
    if size < _SHORT:
        return bytes((tag, size)) + content
    width = (size.bit_length() + 7) // 8
    return bytes((tag, _SHORT | width)) + size.to_bytes(width, "big") + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a whole number."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def boolean(value: bool) -> bytes:
    """Return a truth value."""
    return element(BOOLEAN, b"\xff" if value else b"\x00")


def octets(value: bytes | str, tag: int = OCTETS) -> bytes:
    """Return a string of bytes; text becomes UTF-8."""
    return element(tag, value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def head(data: bytes) -> tuple[int, int] | None:
    """Return how many bytes the first tag and length take and how long the content is; None while bytes are missing.

    Raises Malformed.
    """
    if len(data) < 2:
        return None
    first = data[1]
    if first < _SHORT:
        return 2, first
    width = first & 0x7F
    if not 0 < width <= _WIDEST:
        raise Malformed("a length of impossible form")
    if len(data) < 2 + width:
        return None
    return 2 + width, int.from_bytes(data[2 : 2 + width], "big")


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements one after the other. Raises Malformed where the bytes end too soon."""
    place = 0
    while place < len(data):
        found = head(data[place : place + 2 + _WIDEST])
        if found is None:
            raise Malformed("an element without its length")
        start, size = place + found[0], found[1]
        if start + size > len(data):
            raise Malformed("an element that is cut off")
        yield Element(data[place], data[start : start + size])
        place = start + size
