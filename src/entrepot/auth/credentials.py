"""What clients send to say who they are, read from the headers; nothing here knows whether it is true.

Authorization: Basic ...                   a password, encrypted or not, or a token or an API key in its place
Authorization: Bearer ...                  an access, reference or Docker token
X-JFrog-Art-Api, X-Api-Key                 an API key, or a token
Cookie: entrepot_session=...               the session of a browser, where nothing else is sent
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from entrepot.auth.api_keys import is_api_key
from entrepot.auth.sessions import COOKIE
from entrepot.errors import Unauthenticated
from entrepot.messages import Headers

_REFERENCE: Final = re.compile(r"cmVmd[A-Za-z0-9]{59}")
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_COOKIE: Final = f"{COOKIE}="
_SESSION: Final = "session "
_API_KEY_HEADERS: Final = ("x-jfrog-art-api", "x-api-key")
_ANY_NAME: Final = frozenset({"", "_token", "token"})


class BadCredentials(Unauthenticated):
    """Bad Credentials"""


@dataclass(frozen=True, slots=True)
class Basic:
    """A user name and a password."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Session:
    """The session of a browser."""

    secret: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token or an API key. `name` is what was sent as the user's name beside it; None when nothing was."""

    text: str
    name: str | None = None

    @property
    def is_reference(self) -> bool:
        """Whether it is an opaque reference token, rather than a signed one."""
        return _REFERENCE.fullmatch(self.text) is not None

    @property
    def is_api_key(self) -> bool:
        """Whether it is an API key."""
        return is_api_key(self.text)

    def may_belong_to(self, subject: str) -> bool:
        """Whether the name beside it is its subject's, or one that stands for nobody in particular."""
        return self.name is None or self.name.lower() in _ANY_NAME or self.name.lower() == subject.lower()


def sent(headers: Headers) -> str | None:
    """Return what a request sends to say who asks, as one text that `parse` reads; None when it sends nothing."""
    header = headers.get("authorization")
    if header:
        return header
    for name in _API_KEY_HEADERS:
        header = headers.get(name)
        if header:
            return f"api-key {header}"
    header = headers.get("cookie")
    return None if header is None else _session(header)


def session_in(text: str | None) -> str | None:
    """Return the secret of the session that `sent` found; None for what is not a session."""
    return text.removeprefix(_SESSION) if text and text.startswith(_SESSION) else None


def parse(text: str) -> Basic | Token | Session:
    """Read what `sent` returned. Raises BadCredentials."""
    scheme, _, rest = text.partition(" ")
    value = rest.strip()
    match scheme.lower():
        case "basic":
            return _basic(value)
        case "bearer" | "api-key" if value:
            return Token(value)
        case "session" if value:
            return Session(value)
    raise BadCredentials


def _session(cookies: str) -> str | None:
    for cookie in cookies.split(";"):
        if cookie.strip().startswith(_COOKIE):
            return f"{_SESSION}{cookie.strip().removeprefix(_COOKIE)}"
    return None


def classify(name: str, password: str) -> Basic | Token:
    """Return what a name and password are: a token or an API key has the shape of one."""
    if _REFERENCE.fullmatch(password) or _JWT.fullmatch(password) or is_api_key(password):
        return Token(password, name)
    return Basic(name.lower(), password)


def _basic(value: str) -> Basic | Token:
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadCredentials from None
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")  # RFC 7617 leaves the encoding open; old clients send this one
    name, colon, password = text.partition(":")
    if not colon or not name.isprintable() or "\0" in password:
        raise BadCredentials
    return classify(name, password)
