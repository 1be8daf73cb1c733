"""The tokens themselves: signed claims, made and verified without a database.

RS256 and nothing else, one key, pinned issuer. Two kinds, told apart by the signed header's `typ`: access tokens, which
are also rows in the database, and Docker tokens, which live for an hour and nowhere else.

`jf` decodes the payload with the *standard* base64 alphabet (jfrog-client-go, auth/authutils.go), so it is ASCII JSON
in which `>`, `?`, `~` and DEL are escaped: then neither `-` nor `_` can occur in its base64url form.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from entrepot.auth.keys import SigningKey
from entrepot.errors import Unauthenticated

if TYPE_CHECKING:
    from joserfc.jws import JWSRegistry

Kind = Literal["JWT", "docker+jwt"]

LONGEST: Final = 32_768  # characters
SKEW: Final = 60  # seconds that clocks may differ by
_ASTRAL: Final = 0x10000  # from here on JSON needs two escapes
_SAFE: Final = {ord(c): f"\\u{ord(c):04x}" for c in ">?~\x7f"}


class TokenUnknown(Unauthenticated):
    """Props Authentication Token not found"""


class TokenExpired(Unauthenticated):
    """Token failed verification: expired"""


class TokenRevoked(Unauthenticated):
    """Token failed verification: revoked"""


class Entry(msgspec.Struct, frozen=True):
    """One resource of a Docker token (distribution, spec/auth/jwt.md)."""

    type: str
    name: str
    actions: list[str]


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token says. Times are seconds."""

    sub: str  # jfac@<installation>/users/<name>
    scp: str
    aud: str | list[str]
    iss: str
    iat: int
    jti: str
    nbf: int | None = None
    exp: int | None = None
    ext: str = ""  # JSON in a string, as clients expect it
    access: list[Entry] | None = None  # Docker tokens only, as are the rest
    account: int | None = None
    epoch: int = 0
    parent: str = ""  # the token that bought this one, and takes it along when it is revoked
    key: str = ""  # or the API key, likewise (`api_keys.ident`)

    @property
    def name(self) -> str:
        """The user's name."""
        return self.sub.partition("/users/")[2]


def sign(key: SigningKey, claims: Claims, kind: Kind = "JWT") -> str:
    """Return the token; takes a millisecond of CPU, so call it in a thread."""
    from joserfc import jws  # noqa: PLC0415 - 20 MiB, on first use

    header = {"ver": "2", "typ": kind, "alg": "RS256", "kid": key.kid}
    return jws.serialize_compact(header, payload(claims), key.key, registry=_registry())


def payload(claims: Claims) -> bytes:
    """Return the claims as JSON that both base64 alphabets spell alike."""
    text = msgspec.json.encode(claims).decode()
    return "".join(_escaped(character) for character in text.translate(_SAFE)).encode("ascii")


def verify(key: SigningKey, token: str, *, issuer: str, now: int) -> tuple[Kind, Claims]:
    """Return the kind and claims of a token that we signed and that is valid at `now` (seconds).

    Whether its audience is ours and whether it was revoked is for others to say. Raises TokenUnknown, TokenExpired.
    """
    from joserfc import jws  # noqa: PLC0415 - as above
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above

    if len(token) > LONGEST:
        raise TokenUnknown
    try:
        found = jws.deserialize_compact(token, key.key, registry=_registry())
        claims = msgspec.json.decode(found.payload, type=Claims)
    except (JoseError, ValueError, TypeError, KeyError, msgspec.MsgspecError):
        raise TokenUnknown from None
    header = found.protected
    kind = header.get("typ")
    if header.get("kid") != key.kid or claims.iss != issuer or "/users/" not in claims.sub:
        raise TokenUnknown
    if kind not in ("JWT", "docker+jwt"):
        raise TokenUnknown
    if claims.nbf is not None and claims.nbf > now + SKEW:
        raise TokenUnknown
    if claims.exp is not None and claims.exp <= now:  # exactly: the database's clock set it, and tells `now`
        raise TokenExpired
    return kind, claims


@functools.cache
def _registry() -> JWSRegistry:
    from joserfc.jws import JWSRegistry  # noqa: PLC0415 - as above
    from joserfc.registry import HeaderParameter  # noqa: PLC0415 - as above

    return JWSRegistry({"ver": HeaderParameter("Version of the claims", "str")}, algorithms=["RS256"])


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    code = ord(character)
    if code < _ASTRAL:
        return f"\\u{code:04x}"
    code -= _ASTRAL
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
