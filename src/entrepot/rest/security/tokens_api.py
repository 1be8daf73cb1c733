"""Access tokens: `access/api/v1/tokens` (reference 10.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from entrepot.access.caller import Caller
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.jwt import TokenExpired, TokenUnknown
from entrepot.auth.orders import Wish, order_of
from entrepot.auth.policies import Policies
from entrepot.auth.standing import Credential
from entrepot.auth.token_rows import Stored
from entrepot.auth.tokens import Issued, TokenAbsent, Tokens
from entrepot.errors import Invalid, Unauthenticated
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.rest.security.bodies import asked, form_or_json, word
from entrepot.rest.security.changes import actor
from entrepot.slips import check_names

_TOKENS: Final = "/access/api/v1/tokens"
_MOST_LISTED: Final = 10_000


class TokenFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says of a token; forms say everything as text."""

    grant_type: str | None = None
    username: str | None = None
    scope: str | None = None
    expires_in: int | None = None
    refreshable: bool | None = None
    include_reference_token: bool | None = None
    audience: str | None = None
    description: str | None = None
    refresh_token: str | None = None
    token: str | None = None
    token_id: str | None = None

    def wish(self) -> Wish:
        """Return what is asked for."""
        return Wish(
            self.username or "", self.scope or "", self.audience or "", self.expires_in, bool(self.refreshable),
            bool(self.include_reference_token), self.description or "",
        )  # fmt: skip


async def stated(request: Request) -> Mapping[str, Any]:
    """Return the fields of the body, a form or JSON. Raises Invalid, TooLarge."""
    return {name: value for name, value in (await form_or_json(request)).items() if value != ""}


def understood(fields: Mapping[str, Any]) -> TokenFields:
    """Return the fields as values. Raises Invalid."""
    try:
        return msgspec.convert(fields, TokenFields, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None


async def orderer(authenticator: Authenticator, request: Request, fields: Mapping[str, Any]) -> Credential:
    """Return who orders a token. Raises Unauthenticated, and Invalid for a slip in the name of a field."""
    credential = await authenticator.credential(request)
    request.caller = credential.caller
    if credential.caller.is_anonymous:  # nobody's names are not compared: it takes time
        raise Unauthenticated
    check_names(fields, TokenFields.__struct_encode_fields__)
    return credential


async def find_by_text(tokens: Tokens, text: str) -> Stored | None:
    """Return the row of an access, reference or refresh token while it is valid."""
    found = await tokens.find_secret(text)
    if found is not None:
        return found
    try:
        return await tokens.find(tokens.verify(text)[1].jti)
    except (TokenUnknown, TokenExpired):
        return None


class TokensApi:
    """The handlers."""

    def __init__(self, database: Database, authenticator: Authenticator, tokens: Tokens, policies: Policies) -> None:
        self._database = database
        self._authenticator = authenticator
        self._tokens = tokens
        self._policies = policies

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. Creating is open to all: what is ordered is judged by the credentials, or is a refresh."""
        revoke, me, one = f"{_TOKENS}/revoke", f"{_TOKENS}/me", f"{_TOKENS}/{{token_id}}"
        return (
            Row("POST", _TOKENS, "access.tokens.create", "public", self.create, "access", request=TokenFields,
                response=dict, summary="Create a token"),
            Row("GET", _TOKENS, "access.tokens.list", "user", self.list, "access", response=dict,
                summary="List tokens"),
            Row("DELETE", revoke, "access.tokens.revoke", "user", self.revoke, "access", response=dict,
                summary="Revoke a token"),
            Row("POST", revoke, "access.tokens.revoke.post", "user", self.revoke, "access", request=TokenFields,
                response=dict, summary="Revoke a token"),
            Row("GET", me, "access.tokens.me", "user", self.me, "access", response=dict,
                summary="The token of this request"),
            Row("DELETE", me, "access.tokens.me.revoke", "user", self.revoke_me, "access", response=dict,
                summary="Revoke it"),
            Row("GET", one, "access.tokens.get", "user", self.get, "access", response=dict, summary="A token"),
            Row("DELETE", one, "access.tokens.delete", "user", self.delete, "access", response=dict,
                summary="Revoke a token"),
        )  # fmt: skip

    async def create(self, request: Request) -> Reply:
        """POST: create a token, or exchange a refresh token, which needs no other credentials."""
        fields = await stated(request)
        said = understood(fields)
        if said.grant_type == "refresh_token":
            return _told(await self._tokens.refresh(said.refresh_token or "", actor(request)))
        if said.grant_type not in (None, "client_credentials"):
            raise Invalid("The grant_type must be client_credentials or refresh_token.")
        credential = await orderer(self._authenticator, request, fields)
        now, most = self._database.now(), self._policies.token_expiry()
        order = await order_of(self._database, credential, said.wish(), default_expiry=most, now=now)
        return _told(await self._tokens.issue(order, actor(request)), username=order.subject)

    async def list(self, request: Request) -> Reply:
        """GET: an administrator's view of all tokens, anybody else's of its own."""
        _somebody(request)
        caller, subject = request.caller, asked(request, "username").lower()
        if not caller.may_administer:
            subject = caller.name
        found = [one for one in await listed(self._tokens, subject) if _may_see(caller, one)]
        wanted = asked(request, "refreshable")
        return json_reply({
            "tokens": [shown(one, self._tokens.issuer) for one in found if wanted in ("", str(one.refreshable).lower())]
        })  # fmt: skip

    async def get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(shown(await self._owned(request, word(request, "token_id")), self._tokens.issuer))

    async def me(self, request: Request) -> Reply:
        """GET the token that the request came with."""
        return json_reply(shown(await self._owned(request, request.caller.token_id or ""), self._tokens.issuer))

    async def delete(self, request: Request) -> Reply:
        """DELETE one."""
        return await self._revoked(request, await self._owned(request, word(request, "token_id")))

    async def revoke_me(self, request: Request) -> Reply:
        """DELETE the token that the request came with."""
        return await self._revoked(request, await self._owned(request, request.caller.token_id or ""))

    async def revoke(self, request: Request) -> Reply:
        """DELETE or POST with the token, or its id, in the body."""
        _somebody(request)
        fields = await stated(request)
        check_names(fields, TokenFields.__struct_encode_fields__)
        said = understood(fields)
        found = await find_by_text(self._tokens, said.token) if said.token else None
        return await self._revoked(request, await self._owned(request, found.id if found else said.token_id or ""))

    async def _revoked(self, request: Request, found: Stored) -> Reply:
        await self._tokens.revoke(found.id, actor(request))
        return json_reply({"revoked_token_id": found.id})

    async def _owned(self, request: Request, token_id: str) -> Stored:
        """Return a token that the caller may see and revoke. Raises TokenAbsent for any other, whether or not it exists."""
        _somebody(request)
        found = await self._tokens.find(token_id)
        if found is None or not _may_see(request.caller, found):
            raise TokenAbsent
        return found


async def listed(tokens: Tokens, subject: str) -> list[Stored]:
    """Return the valid tokens of a subject, or all; at most 10,000."""
    found: list[Stored] = []
    after = ""
    while len(found) < _MOST_LISTED and (page := await tokens.page(subject=subject, after=after)):
        found += page
        after = page[-1].id
    return sorted(found, key=lambda one: one.issued)


def shown(found: Stored, issuer: str) -> dict[str, Any]:
    """Return the fields that both APIs show of a token."""
    told: dict[str, Any] = {
        "token_id": found.id, "subject": f"{issuer}/users/{found.subject}", "issued_at": found.issued // 1000,
        "issuer": issuer, "refreshable": found.refreshable, "scope": found.scope,
    }  # fmt: skip
    if found.expires is not None:
        told["expiry"] = found.expires // 1000
    if found.description:
        told["description"] = found.description
    return told


def _told(issued: Issued, *, username: str = "") -> Reply:
    told: dict[str, Any] = {"token_id": issued.token_id} | granted(issued)
    if issued.reference_token is not None:
        told["reference_token"] = issued.reference_token
    if username:
        told["username"] = username
    reply = json_reply(told)
    reply.headers.append(NO_STORE)
    return reply


def granted(issued: Issued) -> dict[str, Any]:
    """Return the fields that both APIs give to whoever ordered a token."""
    told: dict[str, Any] = {"access_token": issued.access_token, "scope": issued.scope, "token_type": "Bearer"}
    if issued.expires_in is not None:
        told["expires_in"] = issued.expires_in
    if issued.refresh_token is not None:
        told["refresh_token"] = issued.refresh_token
    return told


def _may_see(caller: Caller, found: Stored) -> bool:
    """Whether a caller may see and revoke a token: itself, and with all rights of its user those of the same account.

    A name is not enough: a subject without an account may have that of a user.
    """
    if caller.may_administer or found.id == caller.token_id:
        return True
    return caller.ceiling.admin and found.account_id is not None and found.account_id == caller.user_id


def _somebody(request: Request) -> None:
    if request.caller.is_anonymous:
        raise Unauthenticated
