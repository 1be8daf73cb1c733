"""API keys (reference 9.7). The key of a user stands for its password: with less than that none is made or shown."""

from __future__ import annotations

from typing import Final

from entrepot.auth import accounts
from entrepot.auth.accounts import Account
from entrepot.auth.api_keys import ApiKeys
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.standing import Credential
from entrepot.errors import Denied, Unauthenticated
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.rest.security.bodies import asked, word
from entrepot.rest.security.changes import actor

_KEY: Final = "/artifactory/api/security/apiKey"
_DAY: Final = 86_400_000  # milliseconds: what a job gets for itself is over before


class ApiKeysForPasswords(Denied):
    """No API key is made or shown with this credential: come with the password, or a token of all your rights for a day or more."""


class ApiKeysApi:
    """The handlers."""

    def __init__(self, database: Database, authenticator: Authenticator, keys: ApiKeys) -> None:
        self._database = database
        self._authenticator = authenticator
        self._keys = keys

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", _KEY, "apikeys.get", "user", self.get, response=dict, summary="The caller's API key"),
            Row("POST", _KEY, "apikeys.create", "user", self.create, response=dict, status=201,
                summary="Make an API key"),
            Row("PUT", _KEY, "apikeys.renew", "user", self.renew, response=dict, summary="Make another API key"),
            Row("DELETE", _KEY, "apikeys.revoke", "user", self.revoke, response=dict,
                summary="Revoke the caller's API key, or with deleteAll=1 all"),
            Row("DELETE", f"{_KEY}/{{name}}", "apikeys.revoke.other", "admin", self.revoke_other, response=dict,
                summary="Revoke a user's API key"),
            Row("GET", "/artifactory/api/security/users/apiKey", "apikeys.list", "admin", self.list, response=dict,
                summary="All API keys by user"),
        )  # fmt: skip

    async def get(self, request: Request) -> Reply:
        """GET: the key, or an empty object."""
        key = await self._keys.get((await self._user(request)).id)
        return _told({} if key is None else {"apiKey": key})

    async def create(self, request: Request) -> Reply:
        """POST: 400 when there is one."""
        user = await self._user(request)
        return _told({"apiKey": await self._keys.create(user.id, user.name, actor(request))}, 201)

    async def renew(self, request: Request) -> Reply:
        """PUT."""
        user = await self._user(request)
        return _told({"apiKey": await self._keys.renew(user.id, user.name, actor(request))})

    async def revoke(self, request: Request) -> Reply:
        """DELETE: one's own, or everybody's."""
        if asked(request, "deleteAll") in ("1", "true"):
            if not request.caller.may_administer:
                raise Denied("Only administrators may revoke the keys of all users.")
            await self._of_user(request)
            ended = await self._keys.revoke_all(actor(request))
            return json_reply({"info": f"Api keys of {ended} users have been successfully revoked"})
        user = await self._user(request)
        return await self._revoked(request, user)

    async def revoke_other(self, request: Request) -> Reply:
        """DELETE of an administrator."""
        await self._of_user(request)
        return await self._revoked(request, await accounts.get(self._database, word(request, "name")))

    async def list(self, request: Request) -> Reply:
        """GET of an administrator."""
        await self._of_user(request)
        return _told(await self._keys.all())

    async def _revoked(self, request: Request, user: Account) -> Reply:
        await self._keys.revoke(user.id, user.name, actor(request))
        return json_reply({"info": f"Api key for user: '{user.name}' has been successfully revoked"})

    async def _user(self, request: Request) -> Account:
        """Return the user of a credential that may stand for the password. Raises Unauthenticated, Denied."""
        credential = await self._proved(request)
        if credential.account is None or (credential.key is not None and request.method != "GET"):
            raise ApiKeysForPasswords
        return credential.account

    async def _of_user(self, request: Request) -> None:
        """Raise Denied unless a credential may stand for a password, and is no API key nor bought with one."""
        if (await self._proved(request)).key is not None:
            raise Denied("An API key does not revoke or show API keys.")

    async def _proved(self, request: Request) -> Credential:
        """Return a credential that may stand for a password, whosoever. Raises Unauthenticated, ApiKeysForPasswords."""
        if request.caller.is_anonymous:
            raise Unauthenticated
        credential = await self._authenticator.credential(request)
        lasts = credential.expires is None or credential.expires - self._database.now() > _DAY
        if not lasts or not request.caller.is_whole:
            raise ApiKeysForPasswords
        return credential


def _told(body: dict[str, str], status: int = 200) -> Reply:
    reply = json_reply(body, status)
    reply.headers.append(NO_STORE)
    return reply
