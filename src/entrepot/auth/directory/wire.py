"""LDAP messages (RFC 4511): requests into bytes, answers out of bytes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from entrepot.auth.directory import ber
from entrepot.auth.directory.ber import Element, Malformed, element, integer, octets

BIND_ANSWER: Final = 0x61
ENTRY: Final = 0x64
SEARCH_DONE: Final = 0x65
REFERENCE: Final = 0x73
EXTENDED_ANSWER: Final = 0x78

SUCCESS: Final = 0
SIZE_LIMIT: Final = 4
REFERRAL: Final = 10
NO_SUCH_OBJECT: Final = 32
INVALID_DN: Final = 34
INAPPROPRIATE_AUTHENTICATION: Final = 48
INVALID_CREDENTIALS: Final = 49
INSUFFICIENT_ACCESS: Final = 50
UNWILLING: Final = 53

_BIND: Final = 0x60
_UNBIND: Final = 0x42
_SEARCH: Final = 0x63
_EXTENDED: Final = 0x77
_CONTROLS: Final = 0xA0
_VERSION: Final = 3
_START_TLS: Final = "1.3.6.1.4.1.1466.20037"
_PAGED: Final = "1.2.840.113556.1.4.319"  # RFC 2696
_SCOPES: Final = {"base": 0, "one": 1, "sub": 2}

Depth = Literal["base", "one", "sub"]


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for. `page` entries at a time where it is not 0; `most` entries in all."""

    base: str
    filter: bytes
    depth: Depth = "sub"
    attributes: Sequence[str] = ()
    page: int = 0
    most: int = 10_000
    seconds: int = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Names of attributes are lower-case and without options."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def texts(self, name: str) -> list[str]:
        """Return the values of an attribute as text; what is not UTF-8 is left out."""
        found = []
        for value in self.attributes.get(name.lower(), ()):
            try:
                found.append(value.decode())
            except UnicodeDecodeError:
                continue
        return found

    def text(self, name: str) -> str:
        """Return the first value of an attribute as text; empty when there is none."""
        return next(iter(self.texts(name)), "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended."""

    code: int
    message: str
    cookie: bytes = b""  # of the next page; empty: there is none


@dataclass(frozen=True, slots=True)
class Message:
    """One answer."""

    id: int
    operation: Element
    controls: Sequence[Element]


def bind(number: int, dn: str, password: str) -> bytes:
    """Return a simple bind."""
    return _message(number, element(_BIND, integer(_VERSION), octets(dn), octets(password, 0x80)))


def unbind(number: int) -> bytes:
    """Return what ends a connection."""
    return _message(number, element(_UNBIND))


def start_tls(number: int) -> bytes:
    """Return what asks the server to speak TLS from now on."""
    return _message(number, element(_EXTENDED, octets(_START_TLS, 0x80)))


def search(number: int, wanted: Search, cookie: bytes = b"") -> bytes:
    """Return a search; aliases are never followed."""
    operation = element(
        _SEARCH,
        octets(wanted.base),
        integer(_SCOPES[wanted.depth], ber.ENUMERATED),
        integer(0, ber.ENUMERATED),
        integer(0 if wanted.page else wanted.most),
        integer(wanted.seconds),
        ber.boolean(False),
        wanted.filter,
        element(ber.SEQUENCE, *(octets(name) for name in wanted.attributes)),
    )
    if not wanted.page:
        return _message(number, operation)
    value = element(ber.SEQUENCE, integer(wanted.page), octets(cookie))
    control = element(ber.SEQUENCE, octets(_PAGED), octets(value))
    return _message(number, operation, element(_CONTROLS, control))


def read_message(data: bytes) -> Message:
    """Read one whole message. Raises Malformed."""
    found = list(ber.elements(data))
    if len(found) != 1 or found[0].tag != ber.SEQUENCE:
        raise Malformed("not an LDAP message")
    parts = found[0].parts()
    if len(parts) < 2 or parts[0].tag != ber.INTEGER:
        raise Malformed("not an LDAP message")
    controls = parts[2].parts() if len(parts) > 2 and parts[2].tag == _CONTROLS else []
    return Message(parts[0].number(), parts[1], controls)


def outcome(message: Message) -> Outcome:
    """Read how an operation ended. Raises Malformed."""
    parts = message.operation.parts()
    if len(parts) < 3 or parts[0].tag != ber.ENUMERATED:
        raise Malformed("not a result")
    cookie = b"".join(_cookie(control) for control in message.controls)
    return Outcome(parts[0].number(), parts[2].content.decode("utf-8", "replace"), cookie)


def entry(message: Message) -> Entry:
    """Read an entry. Raises Malformed."""
    parts = message.operation.parts()
    if len(parts) < 2:
        raise Malformed("not an entry")
    found: dict[str, list[bytes]] = {}
    for attribute in parts[1].parts():
        pair = attribute.parts()
        if len(pair) < 2:
            raise Malformed("not an attribute")
        name = pair[0].content.decode("utf-8", "replace").partition(";")[0].lower()
        found.setdefault(name, []).extend(value.content for value in pair[1].parts())
    return Entry(parts[0].content.decode("utf-8", "replace"), found)


def _message(number: int, *parts: bytes) -> bytes:
    return element(ber.SEQUENCE, integer(number), *parts)


def _cookie(control: Element) -> bytes:
    parts = control.parts()
    if not parts or parts[0].content != _PAGED.encode() or len(parts) < 2:
        return b""
    inner = list(ber.elements(parts[-1].content))
    values = inner[0].parts() if inner else []
    return values[1].content if len(values) > 1 else b""
