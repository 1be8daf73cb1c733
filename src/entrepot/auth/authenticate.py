"""Who is asking: from the headers of a request to a caller.

What was found out once is remembered by a keyed hash of the header, while the security epoch stands and for at most
five minutes: then a request costs one hash, one look-up and two comparisons, and never waits. Wrong credentials are
always refused, never taken for none.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from entrepot.access.caller import ANONYMOUS, Caller, How
from entrepot.access.scopes import parse_scope
from entrepot.auth import accounts, credentials
from entrepot.auth.accounts import Account
from entrepot.auth.credentials import BadCredentials, Basic, Token
from entrepot.auth.epochs import Epochs
from entrepot.auth.guard import Guard
from entrepot.auth.identities import Identities
from entrepot.auth.jwt import Claims, Kind, TokenExpired, TokenRevoked, TokenUnknown
from entrepot.auth.outside import Outside
from entrepot.auth.passwords import Known, Passwords
from entrepot.auth.recent import Recent
from entrepot.auth.standing import USER_SCOPE, anonymous_docker, bound_to, by_password, by_token
from entrepot.auth.tokens import Stored, Tokens
from entrepot.errors import TooMany, Unavailable
from entrepot.messages import Headers
from entrepot.metadata.database import Database, Tx

_REMEMBERED: Final = 10_000
_LIFETIME: Final = 300_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Credential:
    """A caller, and what another credential that is bought with this one must not exceed."""

    caller: Caller
    scope: str = USER_SCOPE
    account: Account | None = None
    expires: int | None = None  # milliseconds; None: never
    parent: str | None = None  # the token that it is
    until: int | None = None  # milliseconds; when whoever vouches for the user has to be asked again; None: nobody does


NOBODY: Final = Credential(ANONYMOUS, "")


@dataclass(frozen=True, slots=True)
class _Held:
    credential: Credential
    epoch: int
    until: int


class Authenticator:
    """Identify callers. One object per process, used on its loop."""

    def __init__(
        self, database: Database, epochs: Epochs, tokens: Tokens, passwords: Passwords, outside: Outside | None = None
    ) -> None:
        self._database = database
        self._epochs = epochs
        self._tokens = tokens
        self._passwords = passwords
        self._outside = outside
        self._identities = Identities(database, epochs)
        self._guard = Guard(database)
        self._key = secrets.token_bytes(32)
        self._held: Recent[bytes, _Held] = Recent(_REMEMBERED)
        self._claims: Recent[bytes, tuple[Kind, Claims]] = Recent(_REMEMBERED)

    async def caller(self, headers: Headers, address: str, *, docker: bool = False) -> Caller:
        """Return who asks; `docker`: whether this is a route where Docker tokens count.

        Raises Unauthenticated, Blocked, TooMany, Unavailable.
        """
        text = credentials.sent(headers)
        return ANONYMOUS if text is None else (await self._credential(text, address, docker=docker)).caller

    async def credential(self, headers: Headers, address: str) -> Credential:
        """Return who asks, with what buying a token needs to know. Docker tokens buy nothing. Raises as `caller`."""
        text = credentials.sent(headers)
        return NOBODY if text is None else await self._credential(text, address, docker=False)

    async def password(self, name: str, password: str, address: str) -> Credential:
        """Return who comes with a name and a password, or a token in its place. Raises as `caller`."""
        if not name.isprintable() or "\0" in password:
            raise BadCredentials
        return await self._checked(credentials.classify(name, password), address)

    async def docker_login(self, secret: str) -> Credential:
        """Return who owns what `docker login` stored. Raises TokenRevoked."""
        found = await self._tokens.find_secret(secret)
        if found is None or found.kind != "docker":
            raise TokenRevoked
        return await self._owner(found)

    async def _credential(self, text: str, address: str, *, docker: bool) -> Credential:
        held = self._held.get(self._hash(text))
        if held is None or held.epoch != self._epochs.security() or held.until <= self._database.now():
            held = await self._identified(text, address)
        elif not self._epochs.trusted():
            raise Unavailable
        if held.credential.caller.how == "docker" and not docker:
            raise TokenUnknown
        return held.credential

    async def _identified(self, text: str, address: str) -> _Held:
        if not self._epochs.trusted():
            raise Unavailable
        epoch = self._epochs.security()  # before anything is read, so that what moves meanwhile is noticed
        found = await self._checked(credentials.parse(text), address)
        ends = (self._database.now() + _LIFETIME, found.expires, found.until)
        held = _Held(found, epoch, min(end for end in ends if end is not None))
        self._held.put(self._hash(text), held)
        return held

    async def _checked(self, sent: Basic | Token, address: str) -> Credential:
        if isinstance(sent, Basic):
            return await self._by_password(sent, address)
        if sent.is_reference:
            return await self._by_reference(sent)
        return await self._by_jwt(sent)

    # --- passwords ----------------------------------------------------------------------------------------------------

    async def _by_password(self, sent: Basic, address: str) -> Credential:
        account = await self._identities.by_name(sent.name)
        if self._outside is not None and self._outside.keeps_password_of(sent.name, account):
            return await self._by_source(self._outside, sent, address)
        attempt = self._passwords.attempt(sent.name, sent.password, _known(account))
        right = self._passwords.recall(attempt)
        if not right:
            self._guard.check(address, sent.name)
        if right is None:
            right = await self._passwords.verify(attempt)
            if right and account is not None:
                await self._welcome(account, sent.password)
        if not right or account is None:
            self._guard.failed(address, sent.name, attempt.fingerprint)
            raise BadCredentials
        self._guard.succeeded(address, sent.name)
        return Credential(by_password(account), account=account)

    async def _by_source(self, outside: Outside, sent: Basic, address: str) -> Credential:
        """Return who another keeper of passwords lets in. Raises BadCredentials, Blocked, SourceUnavailable."""
        self._guard.check(address, sent.name)
        verdict = await outside.login(sent.name, sent.password)
        if verdict is None:
            attempt = self._passwords.attempt(sent.name, sent.password, None)
            self._guard.failed(address, sent.name, attempt.fingerprint)
            raise BadCredentials
        self._guard.succeeded(address, sent.name)
        if verdict.account is not None:
            await self._note_login(verdict.account)
        return Credential(verdict.caller, account=verdict.account, until=verdict.until)

    async def _note_login(self, account: Account) -> None:
        with suppress(Unavailable):
            await self._database.transact(lambda tx: accounts.seen(tx, account.id))

    async def _welcome(self, account: Account, password: str) -> None:
        """Note the login, and store the password under today's parameters. Where that fails, nobody is refused."""
        with suppress(Unavailable, TooMany):
            stored = account.password_hash or ""
            new = await self._passwords.hash(password) if self._passwords.outdated(stored) else None

            async def body(tx: Tx) -> None:
                if new is not None:
                    await accounts.rehash(tx, account, new)
                await accounts.seen(tx, account.id)

            await self._database.transact(body)

    # --- tokens -------------------------------------------------------------------------------------------------------

    async def _by_reference(self, sent: Token) -> Credential:
        found = await self._tokens.find_secret(sent.text)
        if found is None or found.kind != "access":
            raise TokenUnknown
        return await self._by_row(sent, found, how="reference")

    async def _by_jwt(self, sent: Token) -> Credential:
        kind, claims = self._verified(sent.text)
        if kind == "docker+jwt":
            if sent.name is not None:
                raise TokenUnknown
            return await self._by_docker(claims)
        found = await self._tokens.find(claims.jti)
        if found is None or found.kind != "access":
            raise TokenRevoked
        return await self._by_row(sent, found, how="jwt")

    async def _by_row(self, sent: Token, found: Stored, *, how: How) -> Credential:
        if not sent.may_belong_to(found.subject):
            raise BadCredentials
        if not self._tokens.accepts(found.audience):
            raise TokenUnknown
        return await self._owner(found, how=how)

    async def _by_docker(self, claims: Claims) -> Credential:
        """Return the caller of a Docker token, which lasts no longer than what it was bought with."""
        if claims.aud != self._tokens.docker_audience:
            raise TokenUnknown
        if claims.parent and await self._tokens.find(claims.parent) is None:
            raise TokenRevoked
        if claims.scp:
            account, until = await self._account(claims.account, claims.epoch)
            scope = parse_scope(claims.scp)
            caller = by_token(account, claims.name, scope, token_id=claims.jti, how="docker")
        else:
            caller, account, until = anonymous_docker(), None, None
        expires = None if claims.exp is None else claims.exp * 1000
        return Credential(bound_to(caller, claims.access or ()), claims.scp, account, expires, until=until)

    async def _owner(self, found: Stored, *, how: How = "jwt") -> Credential:
        account, until = await self._account(found.account_id, found.security_epoch)
        caller = by_token(account, found.subject, parse_scope(found.scope), token_id=found.id, how=how)
        return Credential(caller, found.scope, account, found.expires, found.id, until)

    async def _account(self, account_id: int | None, epoch: int) -> tuple[Account | None, int | None]:
        """Return the account that a token is bound to, if any, and until when its source vouches for it.

        Raises TokenRevoked, SourceUnavailable.
        """
        if account_id is None:
            return None, None
        account = await self._identities.by_id(account_id)
        if account is None or account.disabled or account.security_epoch != epoch:
            raise TokenRevoked
        if self._outside is None or not self._outside.confirms(account):
            return account, None
        confirmed = await self._outside.confirm(account)
        if confirmed is None or confirmed[0].disabled or confirmed[0].security_epoch != epoch:
            raise TokenRevoked
        return confirmed

    def _verified(self, text: str) -> tuple[Kind, Claims]:
        """Return the claims of a signed token. Its signature is verified once, its end each time."""
        key, now = self._hash(text), self._database.now() // 1000
        known = self._claims.get(key)
        if known is None:
            known = self._tokens.verify(text)
            self._claims.put(key, known)
        if known[1].exp is not None and known[1].exp <= now:
            raise TokenExpired
        return known

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()


def _known(account: Account | None) -> Known | None:
    """Return what a password is compared with: nothing for who has none here, or may not come in."""
    if account is None or account.disabled or account.profile.internal_password_disabled or not account.password_hash:
        return None
    return Known(account.security_epoch, account.password_hash)
