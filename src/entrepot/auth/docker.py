"""The token service of the registry API: credentials in, a Docker token out (distribution, spec/auth/token.md, oauth.md).

A Docker token is signed and stored nowhere. It carries the scope of the credential that bought it and ends with it, so it
never allows more; what it was asked for binds it further. An action that the caller may not do is left out, not an error.
A refresh token, for clients that ask for one, is a row that can be listed and revoked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote

from entrepot.access.actions import DOCKER_VERBS, Action
from entrepot.access.caller import Caller
from entrepot.auth.audit import Actor
from entrepot.auth.authenticate import Authenticator, Credential
from entrepot.auth.jwt import Claims, Entry
from entrepot.auth.tokens import Order, Tokens
from entrepot.clock import Clock, iso
from entrepot.errors import Invalid, Unauthenticated
from entrepot.messages import Reply, Request, Row, json_reply

LIFETIME: Final = 3600  # seconds
_REFRESH_LIFETIME: Final = 31_536_000  # seconds
_FORM: Final = 65_536  # bytes
_FIELDS: Final = 100
_MOST: Final = 32  # resources in one token: it travels in a header
_VERBS: Final = ("pull", "push", "delete")
_YES: Final = frozenset({"true", "1"})


class ScopeAsked(Protocol):
    """One resource that a token is asked for: `repository:<name>:pull,push`."""

    @property
    def type(self) -> str:
        """`repository` or `registry`."""
        ...

    @property
    def name(self) -> str:
        """The name as its client knows it."""
        ...

    @property
    def actions(self) -> Sequence[str]:
        """Verbs, or `*`."""
        ...


ParseScopes = Callable[[Iterable[str]], Sequence[ScopeAsked]]
May = Callable[[Caller, Action, str, str], bool]
"""Whether a caller may act on an image of a repository: (caller, action, repository key, image)."""


class AnonymousRefused(Unauthenticated):
    """Authentication is required"""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a client asks for beside saying who it is."""

    scopes: Sequence[ScopeAsked]
    offline: bool
    key: str  # of the repository that the access method names; empty: names begin with it


class TokenService:
    """`/v2/token`, under every access method."""

    def __init__(
        self, authenticator: Authenticator, tokens: Tokens, clock: Clock, *, may: May, parse_scopes: ParseScopes,
        anonymous: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._authenticator = authenticator
        self._tokens = tokens
        self._clock = clock
        self._may = may
        self._parse_scopes = parse_scopes
        self._anonymous = anonymous

    def rows(self) -> tuple[Row, ...]:
        """Return the rows of the route table."""
        return (
            Row("GET", "/v2/token", "docker.token", "public", self.get, "oci", summary="Buy a Docker token"),
            Row("POST", "/v2/token", "docker.token.oauth", "public", self.post, "oci", summary="Buy a Docker token"),
        )

    async def get(self, request: Request) -> Reply:
        """Answer the GET form: Basic credentials or none, and what is asked for in the query."""
        credential = await self._authenticator.credential(request.headers, request.address)
        offline = _first(request.query, "offline_token") in _YES
        return await self._sold(request, credential, self._wish(request, request.query, offline=offline))

    async def post(self, request: Request) -> Reply:
        """Answer the OAuth2 form: grants `password` and `refresh_token`."""
        form = _form(await request.body.read(_FORM))
        wish = self._wish(request, form, offline=_first(form, "access_type") == "offline")
        match _first(form, "grant_type"):
            case "password":
                name, password = _first(form, "username"), _first(form, "password")
                credential = await self._authenticator.password(name, password, request.address)
                return await self._sold(request, credential, wish)
            case "refresh_token":
                secret = _first(form, "refresh_token")
                credential = await self._authenticator.docker_login(secret)
                return await self._sold(request, credential, wish, refresh=secret)
            case other:
                raise Invalid(f"unsupported_grant_type: '{other[:64]}'")

    def _wish(self, request: Request, words: Mapping[str, Sequence[str]], *, offline: bool) -> _Wish:
        scopes = self._parse_scopes(words.get("scope", ()))[:_MOST]
        return _Wish(scopes, offline, unquote(request.words.get("repo", "")))

    async def _sold(self, request: Request, credential: Credential, wish: _Wish, *, refresh: str = "") -> Reply:
        caller = credential.caller
        if caller.is_anonymous and not self._anonymous():
            raise AnonymousRefused
        now = self._clock.now()
        access = [self._reduced(caller, asked, wish.key) for asked in wish.scopes]
        lifetime = _lifetime(credential, now, LIFETIME)
        token = await self._tokens.sign(self._claims(credential, access, now // 1000, lifetime), "docker+jwt")
        told: dict[str, object] = {
            "token": token, "access_token": token, "expires_in": lifetime, "issued_at": iso(now),
            "scope": " ".join(f"{entry.type}:{entry.name}:{','.join(entry.actions)}" for entry in access),
        }  # fmt: skip
        if wish.offline and not caller.is_anonymous:
            told["refresh_token"] = refresh or await self._refresh_token(request, credential, now)
        reply = json_reply(told)
        reply.headers.append(("cache-control", "no-store"))
        return reply

    def _reduced(self, caller: Caller, asked: ScopeAsked, key: str) -> Entry:
        """Return what of a scope the caller may do; a resource of which nothing is left stays, and binds."""
        if asked.type == "registry":
            return Entry(asked.type, asked.name, list(asked.actions))  # lists are filtered row by row
        if asked.type != "repository":
            return Entry(asked.type, asked.name, [])
        wanted = _VERBS if "*" in asked.actions else asked.actions
        places = _places(asked.name, key)
        granted = [
            verb for verb in wanted if verb in _VERBS
            and any(self._may(caller, DOCKER_VERBS[verb], repository, image) for repository, image in places)
        ]  # fmt: skip
        return Entry(asked.type, asked.name, granted)

    def _claims(self, credential: Credential, access: list[Entry], now: int, lifetime: int) -> Claims:
        account = credential.account
        return Claims(
            sub=f"{self._tokens.issuer}/users/{credential.caller.name}",
            scp=credential.scope,
            aud=self._tokens.docker_audience,
            iss=self._tokens.issuer,
            iat=now,
            nbf=now,
            exp=now + lifetime,
            jti=uuid.uuid4().hex,
            access=access,
            account=None if account is None else account.id,
            epoch=0 if account is None else account.security_epoch,
            parent=credential.parent or "",
        )

    async def _refresh_token(self, request: Request, credential: Credential, now: int) -> str:
        account, name = credential.account, credential.caller.name
        order = Order(
            name, None if account is None else account.id, 0 if account is None else account.security_epoch,
            credential.scope, expires_in=_lifetime(credential, now, _REFRESH_LIFETIME), description="docker login",
        )  # fmt: skip
        return await self._tokens.issue_for_docker(order, credential.parent, Actor(name, request.address))


def _lifetime(credential: Credential, now: int, most: int) -> int:
    """Return for how many seconds something bought now may last: not longer than what it is bought with."""
    return most if credential.expires is None else max(min(most, (credential.expires - now) // 1000), 1)


def _places(name: str, key: str) -> list[tuple[str, str]]:
    """Return (repository key, image) that a name may mean: with an access method's key, it may be given without it."""
    first, _, rest = name.partition("/")
    if not key:
        return [(first, rest)]
    return [(key, name), (first, rest)] if first == key and rest else [(key, name)]


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise Invalid("The form is not valid.") from None


def _first(words: Mapping[str, Sequence[str]], name: str) -> str:
    values = words.get(name)
    return values[0] if values else ""
