"""Who is asking: from the headers of a request to a caller.

What was found out once is remembered by a keyed hash of the header, while the security epoch stands and for at most
five minutes: then a request costs one hash, one look-up and two comparisons, and never waits. Wrong credentials are
always refused, never taken for none.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from entrepot.access.caller import ANONYMOUS, Caller
from entrepot.auth import credentials
from entrepot.auth.by_password import ByPassword, Demands
from entrepot.auth.by_token import ByToken, GivenOut
from entrepot.auth.credentials import BadCredentials, Basic, Session, Token
from entrepot.auth.epochs import Epochs
from entrepot.auth.identities import Identities
from entrepot.auth.jwt import TokenUnknown
from entrepot.auth.outside import Outside
from entrepot.auth.passwords import Passwords
from entrepot.auth.recent import Recent
from entrepot.auth.sessions import HEADER, SAFE
from entrepot.auth.standing import NOBODY, Credential
from entrepot.errors import Unauthenticated, Unavailable
from entrepot.messages import Request
from entrepot.metadata.database import Database

_REMEMBERED: Final = 10_000
_LIFETIME: Final = 300_000  # milliseconds
_ENCRYPTING: Final = "/artifactory/api/security/encryptedPassword"


class PasswordRefused(Unauthenticated):
    """Passwords are not accepted here, encrypted or not: use a token or an API key."""


class ClearPasswordRefused(Unauthenticated):
    """Passwords in clear are not accepted here: use a token, an API key or the encrypted password of your profile."""


@dataclass(frozen=True, slots=True)
class _Held:
    credential: Credential
    epoch: int
    until: int


class Authenticator:
    """Identify callers. One object per process, used on its loop."""

    def __init__(
        self, database: Database, epochs: Epochs, given: GivenOut, passwords: Passwords, *,
        outside: Outside | None = None, demands: Demands | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._epochs = epochs
        self._sessions = given.sessions
        self._policies = demands.policies if demands else None
        identities = Identities(database, epochs)
        self._by_password = ByPassword(database, identities, passwords, outside=outside, demands=demands)
        self._by_token = ByToken(database, identities, given, outside)
        self._key = secrets.token_bytes(32)
        self._held: Recent[bytes, _Held] = Recent(_REMEMBERED)

    async def caller(self, request: Request, *, docker: bool = False) -> Caller:
        """Return who asks; `docker`: whether this is a route where Docker tokens count.

        Raises Unauthenticated, Blocked, TooMany, Unavailable, Forged.
        """
        text = credentials.sent(request.headers)
        return ANONYMOUS if text is None else (await self._credential(text, request, docker=docker)).caller

    async def credential(self, request: Request) -> Credential:
        """Return who asks, with what buying a token needs to know. Docker tokens buy nothing. Raises as `caller`."""
        text = credentials.sent(request.headers)
        return NOBODY if text is None else await self._credential(text, request, docker=False)

    async def password(self, name: str, password: str, address: str, *, typed: bool = False) -> Credential:
        """Return who comes with a name and a password, or a token in its place. Raises as `caller`.

        `typed`: a person stands before a form, to log in or to change the password, which may have expired.
        """
        if not name.isprintable() or "\0" in password:
            raise BadCredentials
        sent = credentials.classify(name, password)
        if typed and isinstance(sent, Basic):
            return await self._by_password.prove(sent, address, expired=True)
        return self._accepted(await self._checked(sent, address))

    async def docker_login(self, secret: str) -> Credential:
        """Return who owns what `docker login` stored. Raises TokenRevoked."""
        return await self._by_token.docker_login(secret)

    async def _credential(self, text: str, request: Request, *, docker: bool) -> Credential:
        held = self._held.get(self._hash(text))
        if held is None or held.epoch != self._epochs.security() or held.until <= self._database.now():
            held = await self._identified(text, request.address)
        elif not self._epochs.trusted():
            raise Unavailable
        how = held.credential.caller.how
        if how == "docker" and not docker:
            raise TokenUnknown
        if how == "session" and request.method not in SAFE and self._sessions is not None:
            self._sessions.check(credentials.session_in(text) or "", request.headers.get(HEADER))
        return self._accepted(held.credential, encrypting=request.path == _ENCRYPTING)

    async def _identified(self, text: str, address: str) -> _Held:
        if not self._epochs.trusted():
            raise Unavailable
        epoch = self._epochs.security()  # before anything is read, so that what moves meanwhile is noticed
        found = await self._checked(credentials.parse(text), address)
        ends = (self._database.now() + _LIFETIME, found.expires, found.until)
        held = _Held(found, epoch, min(end for end in ends if end is not None))
        self._held.put(self._hash(text), held)
        return held

    async def _checked(self, sent: Basic | Token | Session, address: str) -> Credential:
        if isinstance(sent, Basic):
            return await self._by_password.prove(sent, address)
        if isinstance(sent, Session):
            return await self._by_token.session(sent)
        return await self._by_token.prove(sent)

    def _accepted(self, found: Credential, *, encrypting: bool = False) -> Credential:
        """Return the credential unless it is a password where none is wanted, or one in clear where that is not.

        `encrypting`: whether it is to be exchanged for its encrypted form.
        """
        policies, how = self._policies, found.caller.how
        if policies is None or how not in ("basic", "encrypted"):
            return found
        if not policies.basic():
            raise PasswordRefused
        if how == "basic" and not encrypting and policies.encryption() == "REQUIRED":
            raise ClearPasswordRefused
        return found

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
