"""The token service of registries (A12): credentials for a short-lived Bearer token, by GET or by an OAuth2 form.

A scope that the caller lacks is no error: the token has fewer actions, and the resource then says what is missing. The
token proves who asks, within the ceiling of the credential that bought it; rights are judged at each request.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from entrepot.access.actions import DOCKER_VERBS, Action
from entrepot.access.caller import Caller
from entrepot.access.scopes import MAX_SCOPE
from entrepot.auth.audit import Actor
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.jwt import Claims, Entry
from entrepot.auth.standing import Credential
from entrepot.auth.tokens import Order, Tokens
from entrepot.clock import iso
from entrepot.errors import Denied, EntrepotError, Invalid, Unauthenticated
from entrepot.formats.docker.challenge import ScopeEntry, parse_scopes, parse_token_query
from entrepot.formats.docker.names import split_name
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.repositories.granted import Granter

_LIFETIME = 3600  # seconds
_SHORTEST = 60  # seconds; clients take less for this
_FORM = 64 << 10  # bytes
_YEAR = 31_536_000


class TooManyGroups(Denied):
    """The names of your groups are too long for a token; an administrator can let you have an account here."""


@dataclass(frozen=True, slots=True)
class _Wish:
    scopes: Sequence[ScopeEntry]
    offline: bool


class DockerTokens:
    """The handlers of `v2/token`."""

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        tokens: Tokens,
        *,
        granter: Granter,
        anonymous: Callable[[], bool],
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._tokens = tokens
        self._granter = granter
        self._anonymous = anonymous

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", "/v2/token", "docker.token", "public", self.get, "oci", response=dict,
                summary="A token for credentials"),
            Row("POST", "/v2/token", "docker.token.oauth2", "public", self.post, "oci",
                request="application/x-www-form-urlencoded", response=dict, summary="A token, OAuth2"),
        )  # fmt: skip

    async def get(self, request: Request) -> Reply:
        """GET with Basic credentials, a token, or none at all where anonymous access is allowed."""
        credential = await self._authenticator.credential(request)
        asked = parse_token_query(request.query)
        return await self._give(request, credential, _Wish(asked.scopes, asked.offline), oauth2=False)

    async def post(self, request: Request) -> Reply:
        """POST of an OAuth2 form: grant_type password or refresh_token."""
        form = _form(await request.body.read(_FORM))
        grant = form.get("grant_type", "")
        if grant == "password":
            name, password = form.get("username", ""), form.get("password", "")
            credential = await self._authenticator.password(name, password, request.address)
        elif grant == "refresh_token":
            credential = await self._authenticator.docker_login(form.get("refresh_token", ""))
        else:
            raise Invalid("The grant_type must be password or refresh_token.")
        wish = _Wish(parse_scopes([form.get("scope", "")]), form.get("access_type") == "offline")
        return await self._give(request, credential, wish, oauth2=True)

    async def _give(self, request: Request, credential: Credential, wish: _Wish, *, oauth2: bool) -> Reply:
        caller = credential.caller
        # The row asks nobody who comes, and the logs are to know.
        request.caller = caller
        if caller.is_anonymous and not self._anonymous():
            raise Unauthenticated
        if len(credential.scope) > MAX_SCOPE:
            raise TooManyGroups
        now = self._database.now()
        repo = unquote(request.words.get("repo", ""))
        granted = [Entry(one.type, one.name, self._reduced(caller, one, repo)) for one in wish.scopes]
        lasts = _lifetime(credential, now)
        token = await self._signed(credential, granted, now // 1000, lasts)
        answer: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": lasts,
            "issued_at": iso(now),
        }
        if oauth2:
            answer["scope"] = " ".join(f"{one.type}:{one.name}:{','.join(one.actions)}" for one in granted)
        # A key is to be revoked with all that it gives, and what is stored would not know; clients store the key then.
        if wish.offline and credential.account is not None and caller.how != "api-key":
            answer["refresh_token"] = await self._refresh_token(credential, request.address, now)
        reply = json_reply(answer)
        reply.headers.append(NO_STORE)
        return reply

    async def _signed(self, credential: Credential, granted: list[Entry], now: int, lasts: int) -> str:
        account, tokens = credential.account, self._tokens
        claims = Claims(
            sub=f"{tokens.issuer}/users/{credential.caller.name}",
            scp=credential.scope,
            aud=tokens.docker_audience,
            iss=tokens.issuer,
            iat=now,
            nbf=now,
            exp=now + lasts,
            jti=uuid.uuid4().hex,
            access=granted,
            account=account.id if account else None,
            epoch=account.security_epoch if account else 0,
            parent=credential.parent or "",
            key="" if credential.parent else credential.key or "",
        )
        return await tokens.sign(claims, "docker+jwt")

    async def _refresh_token(self, credential: Credential, address: str, now: int) -> str:
        """Return what is to be stored, which lasts no longer than what it is bought with."""
        account, lasts = credential.account, _YEAR
        assert account is not None
        if credential.expires is not None:
            lasts = min(lasts, max((credential.expires - now) // 1000, 0))
        order = Order(
            account.name,
            account.id,
            account.security_epoch,
            credential.scope,
            expires_in=lasts,
            description="docker login",
        )
        return await self._tokens.issue_for_docker(order, credential.parent, Actor(account.name, address))

    def _reduced(self, caller: Caller, one: ScopeEntry, repo: str) -> list[str]:
        """Return those of the verbs that the caller may use on what a scope entry names."""
        if one.type != "repository":
            return list(one.actions)
        return [
            verb for verb in one.actions if verb == "*" or self._may(caller, DOCKER_VERBS.get(verb), one.name, repo)
        ]

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


def _lifetime(credential: Credential, now: int) -> int:
    """Return for how many seconds a token counts; without an account nobody would ask the user's directory again."""
    if credential.account is not None or credential.until is None:
        return _LIFETIME
    return min(_LIFETIME, max(_SHORTEST, (credential.until - now) // 1000))


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode(), max_num_fields=50, keep_blank_values=True)
    except (ValueError, UnicodeDecodeError):
        raise Invalid("The form is not valid.") from None
    return {name: values[0] for name, values in fields.items()}
