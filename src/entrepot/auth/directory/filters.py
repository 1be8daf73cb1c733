"""Search filters (RFC 4515): text that administrators write, into the bytes that go to the server. Pure."""

from __future__ import annotations

import re
from typing import Final

from entrepot.auth.directory.ber import boolean, element, octets

_SETS: Final = {"&": 0xA0, "|": 0xA1}
_NOT: Final = 0xA2
_EQUAL: Final = 0xA3
_SUBSTRINGS: Final = 0xA4
_PRESENT: Final = 0x87
_EXTENSIBLE: Final = 0xA9
_OPERATORS: Final = {">": 0xA5, "<": 0xA6, "~": 0xA8}
_ITEM: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9.;-]*)?((?::[A-Za-z0-9.-]+)*)(:=|>=|<=|~=|=)(.*)", re.DOTALL)
_SPECIAL: Final = re.compile(r"[*()\\\x00-\x1f\x7f]")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")
_DEEPEST: Final = 50
_LONGEST: Final = 16_384  # characters


class BadFilter(ValueError):
    """The text is no search filter."""


def escape(value: str) -> str:
    r"""Return a value as it stands in a filter: `*`, `(`, `)`, `\` and NUL lose their meaning (RFC 4515, 3)."""
    return _SPECIAL.sub(lambda found: f"\\{ord(found[0]):02x}", value)


def encode(text: str) -> bytes:
    """Return a filter as a search request holds it. Raises BadFilter."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise BadFilter("a filter that is too long")
    if not text.startswith("("):
        text = f"({text})"
    encoded, place = _filter(text, 0, 0)
    if place != len(text):
        raise BadFilter("something after the end of the filter")
    return encoded


def _filter(text: str, place: int, depth: int) -> tuple[bytes, int]:
    if depth > _DEEPEST:
        raise BadFilter("a filter that is nested too deeply")
    if text[place : place + 1] != "(":
        raise BadFilter("a parenthesis is missing")
    mark = text[place + 1 : place + 2]
    if mark in _SETS and mark:
        return _set(text, place + 2, depth, _SETS[mark])
    if mark == "!":
        inner, place = _filter(text, _over_spaces(text, place + 2), depth + 1)
        return element(_NOT, inner), _closed(text, place)
    end = text.find(")", place)
    if end < 0:
        raise BadFilter("a parenthesis is missing")
    return _item(text[place + 1 : end]), end + 1


def _set(text: str, place: int, depth: int, tag: int) -> tuple[bytes, int]:
    parts = []
    place = _over_spaces(text, place)
    while text[place : place + 1] == "(":
        part, place = _filter(text, place, depth + 1)
        parts.append(part)
        place = _over_spaces(text, place)
    return element(tag, *parts), _closed(text, place)


def _closed(text: str, place: int) -> int:
    place = _over_spaces(text, place)
    if text[place : place + 1] != ")":
        raise BadFilter("a parenthesis is missing")
    return place + 1


def _over_spaces(text: str, place: int) -> int:
    while text[place : place + 1] == " ":
        place += 1
    return place


def _item(text: str) -> bytes:
    found = _ITEM.fullmatch(text.lstrip(" "))
    if found is None or "(" in text:
        raise BadFilter(f"not a comparison: {text[:100]}")
    kind, rules, operator, value = found[1] or "", found[2], found[3], found[4]
    if operator == ":=":
        return _extensible(kind, rules, value)
    if rules or not kind:
        raise BadFilter(f"not a comparison: {text[:100]}")
    if operator != "=":
        return element(_OPERATORS[operator[0]], octets(kind), octets(_value(value)))
    if value == "*":
        return octets(kind, _PRESENT)
    if "*" in value:
        return element(_SUBSTRINGS, octets(kind), element(0x30, *_pieces(value)))
    return element(_EQUAL, octets(kind), octets(_value(value)))


def _extensible(kind: str, rules: str, value: str) -> bytes:
    words = [word for word in rules.split(":") if word]
    by_name = bool(words) and words[0].lower() == "dn"
    rule = words[-1] if len(words) > int(by_name) else ""
    if len(words) > 1 + int(by_name) or not (kind or rule):
        raise BadFilter("a matching rule of impossible form")
    parts = [octets(rule, 0x81)] if rule else []
    if kind:
        parts.append(octets(kind, 0x82))
    parts.append(octets(_value(value), 0x83))
    if by_name:
        parts.append(b"\x84" + boolean(True)[1:])
    return element(_EXTENSIBLE, *parts)


def _pieces(value: str) -> list[bytes]:
    first, *middle, last = value.split("*")
    found = [octets(_value(first), 0x80)] if first else []
    found += [octets(_value(piece), 0x81) for piece in middle if piece]
    if last:
        found.append(octets(_value(last), 0x82))
    if not found:
        raise BadFilter("nothing but stars")
    return found


def _value(text: str) -> bytes:
    out = bytearray()
    place = 0
    while place < len(text):
        if text[place] == "\\":
            if not _HEX.match(text, place + 1):
                raise BadFilter("a backslash without two hexadecimal digits")
            out.append(int(text[place + 1 : place + 3], 16))
            place += 3
        else:
            out += text[place].encode("utf-8", "surrogatepass")
            place += 1
    return bytes(out)
