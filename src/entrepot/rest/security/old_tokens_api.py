"""Access tokens by the old API, `artifactory/api/security/token` (reference 9.6): forms in, errors as OAuth writes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps
from typing import Final

from entrepot.access.scopes import ScopeInvalid
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.orders import order_of
from entrepot.auth.standing import USER_SCOPE
from entrepot.auth.tokens import Issued, Order, RefreshRefused, Tokens
from entrepot.errors import Denied, Invalid
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply, text_reply
from entrepot.metadata.database import Database
from entrepot.rest.security.changes import actor
from entrepot.rest.security.tokens_api import find_by_text, granted, listed, orderer, shown, stated, understood

_TOKEN: Final = "/artifactory/api/security/token"
_HOUR: Final = 3600  # seconds
_ALL_GROUPS: Final = "member-of-groups:*"

Handled = Callable[["OldTokensApi", Request], Awaitable[Reply]]


def _oauth(handler: Handled) -> Handled:
    """Answer refusals as RFC 6749 (5.2) writes them; credentials that are missing or wrong are the pipeline's to refuse."""

    @wraps(handler)
    async def answered(self: OldTokensApi, request: Request) -> Reply:
        try:
            return await handler(self, request)
        except ScopeInvalid as error:
            return _refusal("invalid_scope", error.message, 400)
        except RefreshRefused as error:
            return _refusal("invalid_grant", error.message, 401)
        except Invalid as error:
            return _refusal("invalid_request", error.message, 400)
        except Denied as error:
            reply = _refusal("unauthorized_client", error.message, 403)
            reply.headers += error.headers  # when to try again, of who is blocked for guesses
            return reply

    return answered


class OldTokensApi:
    """The handlers."""

    def __init__(self, database: Database, authenticator: Authenticator, tokens: Tokens) -> None:
        self._database = database
        self._authenticator = authenticator
        self._tokens = tokens

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. Creating is open to all: what is ordered is judged by the credentials, or is a refresh."""
        return (
            Row("POST", _TOKEN, "tokens.create", "public", self.create, request="application/x-www-form-urlencoded",
                response=dict, summary="Create a token"),
            Row("GET", _TOKEN, "tokens.list", "admin", self.list, response=dict, summary="List tokens"),
            Row("POST", f"{_TOKEN}/revoke", "tokens.revoke", "admin", self.revoke,
                request="application/x-www-form-urlencoded", response="text/plain", summary="Revoke a token"),
        )  # fmt: skip

    @_oauth
    async def create(self, request: Request) -> Reply:
        """POST: create a token, or exchange a refresh token."""
        fields = await stated(request)
        said = understood(fields)
        if said.grant_type == "refresh_token":
            return _told(await self._tokens.refresh(said.refresh_token or "", actor(request)))
        if said.grant_type not in (None, "client_credentials"):
            return _refusal("unsupported_grant_type", "The grant type is not supported.", 400)
        credential = await orderer(self._authenticator, request, fields)
        now = self._database.now()
        order = await order_of(self._database, credential, said.wish(), default_expiry=_HOUR, now=now)
        return _told(await self._tokens.issue(_own_rights(order), actor(request)))

    async def list(self, _: Request) -> Reply:
        """GET: all valid tokens."""
        return json_reply({"tokens": [shown(one, self._tokens.issuer) for one in await listed(self._tokens, "")]})

    @_oauth
    async def revoke(self, request: Request) -> Reply:
        """POST: end a token, given itself (access or refresh) or its id."""
        said = understood(await stated(request))
        if bool(said.token) == bool(said.token_id):
            raise Invalid("Either token or token_id must be given, and not both.")
        if said.token:
            found = await find_by_text(self._tokens, said.token)
        else:
            found = await self._tokens.find(said.token_id or "")
        if found is None:
            return text_reply("Token not found")
        await self._tokens.revoke(found.id, actor(request))
        return text_reply("Token revoked")


def _own_rights(order: Order) -> Order:
    """Return an order for all groups of a user as one for whatever the user may do.

    It is how `jf config` turns a name and password into tokens: their owner goes on with the rights of before, those of an
    administrator or of its own name included.
    """
    words = set(order.scope.split())
    if order.account_id is None or _ALL_GROUPS not in words or words - {_ALL_GROUPS, "api:*"}:
        return order
    return replace(order, scope=USER_SCOPE)


def _told(issued: Issued) -> Reply:
    reply = json_reply(granted(issued))
    reply.headers.append(NO_STORE)
    return reply


def _refusal(error: str, description: str, status: int) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)
