"""The token service of registries (A12): credentials for a short-lived Bearer token, by GET or by an OAuth2 form.

A scope that the caller lacks is no error: the token has fewer actions, and the resource then says what is missing. The
token proves who asks, within the ceiling of the credential that bought it; rights are judged at each request.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote


from entrepot.access.actions import DOCKER_VERBS, Action
from entrepot.access.caller import Caller
from entrepot.access.scopes import parse_scope
from entrepot.auth.audit import Actor
from entrepot.auth.authenticate import Authenticator, BadCredentials
from entrepot.auth.jwt import Claims, Entry, sign
from entrepot.auth.tokens import Order
from entrepot.clock import iso
from entrepot.errors import EntrepotError, Invalid, Unauthenticated
from entrepot.formats.docker.challenge import ScopeEntry, parse_scopes, parse_token_query
from entrepot.formats.docker.names import split_name
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.repositories.granted import Granter

_LIFETIME = 3600  # seconds
_FORM = 64 << 10  # bytes
_YEAR = 31_536_000

_SCOPE_OF_USER = "applied-permissions/user"


@dataclass(frozen=True, slots=True)
class _Wish:
    service: str
    scopes: Sequence[ScopeEntry]
    offline: bool


class DockerTokens:
    """The handlers of `v2/token`."""

    def __init__(self, authenticator: Authenticator, granter: Granter, anonymous: Callable[[], bool]) -> None:
        self._authenticator = authenticator
        self._granter = granter
        self._anonymous = anonymous

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", "/v2/token", "docker.token", "public", self.get, "oci", summary="A token for credentials"),
            Row("POST", "/v2/token", "docker.token.oauth2", "public", self.post, "oci", summary="A token, OAuth2"),
        )

    async def get(self, request: Request) -> Reply:
        """GET with Basic credentials, a token, or none at all where anonymous access is allowed."""
        caller = await self._authenticator.caller(request.headers, request.address, docker=True)
        asked = parse_token_query(request.query)
        wish = _Wish(asked.service or _service(request), asked.scopes, asked.offline)
        return await self._give(request, caller, wish, oauth2=False)

    async def post(self, request: Request) -> Reply:
        """POST of an OAuth2 form: grant_type password or refresh_token."""
        form = _form(await request.body.read(_FORM))
        grant = form.get("grant_type", "")
        if grant == "password":
            caller = await self._authenticator.password(
                form.get("username", ""), form.get("password", ""), request.address
            )
        elif grant == "refresh_token":
            caller = await self._refreshed(form.get("refresh_token", ""), request.address)
        else:
            raise Invalid("The grant_type must be password or refresh_token.")
        scopes = parse_scopes([form.get("scope", "")])
        offline = form.get("access_type") == "offline"
        return await self._give(request, caller, _Wish(form.get("service") or _service(request), scopes, offline), oauth2=True)

    async def _refreshed(self, secret: str, address: str) -> Caller:
        """Return whom a refresh token stands for; some clients present the password or token of the user here."""
        found = await self._authenticator.tokens.find_secret(secret)
        if found is None or found.kind != "docker":
            return await self._authenticator.password("token", secret, address)
        account = await self._authenticator.standing(found.account_id, found.security_epoch)
        if account is None or (found.parent and await self._authenticator.tokens.find(found.parent) is None):
            raise BadCredentials
        scope = None if found.scope == _SCOPE_OF_USER and not found.parent else parse_scope(found.scope)
        return self._authenticator.of_account(account, scope, "reference", found.parent)

    async def _give(self, request: Request, caller: Caller, wish: _Wish, *, oauth2: bool) -> Reply:
        if caller.is_anonymous and not self._anonymous():
            raise Unauthenticated("Authentication is required")
        now = self._authenticator.clock.now()
        repo = unquote(request.words.get("repo", ""))
        granted = [Entry(one.type, one.name, self._reduced(caller, one, repo)) for one in wish.scopes]
        token = await self._signed(caller, wish.service, granted, now // 1000)
        answer: dict[str, object] = {"token": token, "access_token": token, "expires_in": _LIFETIME, "issued_at": iso(now)}
        if oauth2:
            answer["scope"] = " ".join(f"{one.type}:{one.name}:{','.join(one.actions)}" for one in granted)
        if wish.offline and not caller.is_anonymous:
            answer["refresh_token"] = await self._refresh_token(caller, request.address)
        reply = json_reply(answer)
        reply.headers.append(("cache-control", "no-store"))
        return reply

    async def _signed(self, caller: Caller, service: str, granted: list[Entry], now: int) -> str:
        tokens = self._authenticator.tokens
        account = None if caller.user_id is None else await self._authenticator.identities.by_id(caller.user_id)
        claims = Claims(
            sub=f"{tokens.issuer}/users/{caller.name}",
            scp=await self._scope_of(caller),
            aud=service,
            iss=tokens.issuer,
            iat=now,
            nbf=now,
            exp=now + _LIFETIME,
            jti=uuid.uuid4().hex,
            access=granted,
            account=caller.user_id,
            epoch=account.security_epoch if account else 0,
            parent=caller.token_id or "",
        )
        return await asyncio.to_thread(sign, self._authenticator.key, claims, "docker+jwt")

    async def _scope_of(self, caller: Caller) -> str:
        """Return the scope of the credential that buys the token; empty when it is not limited."""
        if not caller.token_id:
            return ""
        found = await self._authenticator.tokens.find(caller.token_id)
        return found.scope if found else _SCOPE_OF_USER

    async def _refresh_token(self, caller: Caller, address: str) -> str:
        account = None if caller.user_id is None else await self._authenticator.identities.by_id(caller.user_id)
        if account is None:
            raise BadCredentials
        scope = await self._scope_of(caller) or _SCOPE_OF_USER
        order = Order(caller.name, account.id, account.security_epoch, scope, expires_in=_YEAR, description="docker login")
        return await self._authenticator.tokens.issue_for_docker(order, caller.token_id, Actor(caller.name, address))

    def _reduced(self, caller: Caller, one: ScopeEntry, repo: str) -> list[str]:
        """Return those of the verbs that the caller may use on what a scope entry names."""
        if one.type != "repository":
            return list(one.actions)
        return [verb for verb in one.actions if verb == "*" or self._may(caller, DOCKER_VERBS.get(verb), one.name, repo)]

    def _may(self, caller: Caller, action: Action | None, name: str, repo: str) -> bool:
        """Whether the caller may act in an image; `repo` is the key that the access method stands for, if it does."""
        if action is None:
            return False
        try:
            key, image = (repo, name) if repo else split_name(name)
            self._granter.grant(caller, action, key, image, folder=action is not Action.DELETE)
        except EntrepotError:
            return False
        return True


def _service(request: Request) -> str:
    return request.base.partition("://")[2]


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode(), max_num_fields=50, keep_blank_values=True)
    except (ValueError, UnicodeDecodeError):
        raise Invalid("The form is not valid.") from None
    return {name: values[0] for name, values in fields.items()}


