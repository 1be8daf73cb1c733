"""Proof by what was given out before: access, reference and Docker tokens, API keys, sessions."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from entrepot.access.caller import How
from entrepot.access.scopes import parse_scope
from entrepot.auth.accounts import Account
from entrepot.auth.api_keys import ApiKeys, ident
from entrepot.auth.credentials import BadCredentials, Session, Token
from entrepot.auth.identities import Identities
from entrepot.auth.jwt import Claims, Kind, TokenExpired, TokenRevoked, TokenUnknown
from entrepot.auth.outside import Outside
from entrepot.auth.recent import Recent
from entrepot.auth.sessions import Sessions
from entrepot.auth.standing import Credential, anonymous_docker, bound_to, by_password, by_token
from entrepot.auth.token_rows import Stored
from entrepot.auth.tokens import Tokens
from entrepot.clock import Clock
from entrepot.errors import Unauthenticated

_REMEMBERED: Final = 10_000


class SessionEnded(Unauthenticated):
    """The session has ended: log in again."""


class LoginUnknown(TokenRevoked):
    """The refresh token is unknown, expired or revoked: log in again."""


@dataclass(frozen=True, slots=True)
class GivenOut:
    """Where credentials that were given out are looked up."""

    tokens: Tokens
    api_keys: ApiKeys | None = None
    sessions: Sessions | None = None


class ByToken:
    """Prove who comes with what was given out. One object per process, used on its loop."""

    def __init__(self, clock: Clock, identities: Identities, given: GivenOut, outside: Outside | None) -> None:
        self._clock = clock
        self._identities = identities
        self._tokens = given.tokens
        self._given = given
        self._outside = outside
        self._key = secrets.token_bytes(32)
        self._claims: Recent[bytes, tuple[Kind, Claims]] = Recent(_REMEMBERED)

    async def prove(self, sent: Token) -> Credential:
        """Return whose token or key it is.

        Raises BadCredentials, TokenUnknown, TokenExpired, TokenRevoked, SourceUnavailable.
        """
        if sent.is_api_key:
            return await self._by_api_key(sent)
        if sent.is_reference:
            return await self._by_reference(sent)
        return await self._by_jwt(sent)

    async def session(self, sent: Session) -> Credential:
        """Return whose session it is. Raises SessionEnded, SourceUnavailable."""
        found = await self._given.sessions.find(sent.secret) if self._given.sessions else None
        if found is None:
            raise SessionEnded
        try:
            account, until = await self._account(found.account_id, found.security_epoch)
        except TokenRevoked:
            raise SessionEnded from None
        if account is None or account.profile.disable_ui_access:
            raise SessionEnded
        ends = found.until if until is None else min(found.until, until)
        return Credential(by_password(account, how="session"), account=account, until=ends)

    async def docker_login(self, secret: str) -> Credential:
        """Return who owns what `docker login` stored, while what it was bought with counts. Raises LoginUnknown, TokenRevoked."""
        found = await self._tokens.find_secret(secret)
        if found is None or found.kind != "docker":
            raise LoginUnknown
        if found.parent and await self._tokens.find(found.parent) is None:
            raise TokenRevoked
        return await self._owner(found)

    async def _by_api_key(self, sent: Token) -> Credential:
        owner = await self._given.api_keys.owner(sent.text) if self._given.api_keys else None
        known = None if owner is None else await self._identities.by_id(owner)
        if known is None or not sent.may_belong_to(known.name):
            raise BadCredentials
        account, until = await self._account(known.id, known.security_epoch)
        if account is None:
            raise BadCredentials
        return Credential(by_password(account, how="api-key"), account=account, until=until, key=ident(sent.text))

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
        said = claims.scp
        if claims.parent:
            parent = await self._tokens.find(claims.parent)
            if parent is None:
                raise TokenRevoked
            said = parent.scope  # which may have become narrower
        elif claims.key and not (self._given.api_keys and await self._given.api_keys.counts(claims.key)):
            raise TokenRevoked
        if said:
            account, until = await self._account(claims.account, claims.epoch)
            scope = parse_scope(said)
            caller = by_token(account, claims.name, scope, token_id=claims.jti, how="docker")
        else:
            caller, account, until = anonymous_docker(), None, None
        expires = None if claims.exp is None else claims.exp * 1000
        return Credential(bound_to(caller, claims.access or ()), said, account, expires, until=until)

    async def _owner(self, found: Stored, *, how: How = "jwt") -> Credential:
        account, until = await self._account(found.account_id, found.security_epoch)
        caller = by_token(account, found.subject, parse_scope(found.scope), token_id=found.id, how=how)
        key = found.parent if found.kind == "access" else None
        return Credential(caller, found.scope, account, found.expires, found.id, until, key)

    async def _account(self, account_id: int | None, epoch: int) -> tuple[Account | None, int | None]:
        """Return the account that a credential is bound to, if any, and until when its source vouches for it.

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
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
        now = self._clock.now() // 1000
        known = self._claims.get(key)
        if known is None:
            known = self._tokens.verify(text)
            self._claims.put(key, known)
        if known[1].exp is not None and known[1].exp <= now:
            raise TokenExpired
        return known
