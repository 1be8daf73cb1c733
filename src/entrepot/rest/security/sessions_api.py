"""Login of browsers, at the paths that the web UI of the platform has always had.

POST .../auth/login      {"user","password"} -> a cookie, and the token that requests must carry which change anything
GET  .../auth/current    who is logged in, with that token
POST .../auth/logout     the session ends, on all nodes
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from entrepot.auth import credentials
from entrepot.auth.accounts import Account
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.credentials import BadCredentials
from entrepot.auth.policies import PasswordExpired, Policies
from entrepot.auth.sessions import COOKIE, Sessions
from entrepot.auth.standing import Credential
from entrepot.errors import Denied, Unauthenticated
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.rest.json_bodies import PUBLIC
from entrepot.rest.security.bodies import typed
from entrepot.rest.security.changes import actor

_BASES: Final = ("/ui/api/v1/ui/auth", "/artifactory/ui/auth")


class Login(msgspec.Struct, frozen=True):
    """What a login form sends."""

    user: str
    password: str


class SessionsApi:
    """The handlers."""

    def __init__(
        self, database: Database, authenticator: Authenticator, sessions: Sessions, policies: Policies
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._sessions = sessions
        self._policies = policies

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. A login is open to all: the password in it is the credential."""
        found: list[Row] = []
        for base, name in zip(_BASES, ("sessions", "sessions.old"), strict=True):
            found += [
                Row("POST", f"{base}/login", f"{name}.begin", "public", self.begin, request=Login, response=dict,
                    summary="Log a browser in"),
                Row("GET", f"{base}/current", f"{name}.current", "user", self.current, response=dict,
                    summary="Who is logged in"),
                Row("POST", f"{base}/logout", f"{name}.end", "user", self.end, response=dict, summary="Log out"),
            ]  # fmt: skip
        all_of_them = Row(
            "POST", "/artifactory/api/system/security/logout", "sessions.end.all", "admin", self.end_all, response=dict,
            summary="End the sessions of all users",
        )  # fmt: skip
        return (*found, all_of_them)

    async def begin(self, request: Request) -> Reply:
        """POST: a new session, whatever the browser had before."""
        stated = await typed(request, Login, limit=PUBLIC)
        credential = await self._authenticator.password(stated.user, stated.password, request.address, typed=True)
        account = credential.account
        if account is None or credential.caller.how != "basic":
            raise BadCredentials
        if account.profile.disable_ui_access:
            raise Denied("This user has no access to the web UI.")
        # One that a directory vouches for is the directory's to let expire.
        if credential.until is None and self._policies.is_expired(account, self._database.now()):
            raise PasswordExpired
        secret = await self._sessions.begin(account, request.address)
        reply = json_reply(self._who(credential, secret))
        reply.headers += [NO_STORE, ("set-cookie", _cookie(request, secret))]
        return reply

    async def current(self, request: Request) -> Reply:
        """GET: 401 for nobody."""
        if request.caller.is_anonymous:
            raise Unauthenticated
        secret = credentials.session_in(credentials.sent(request.headers))
        reply = json_reply(self._who(await self._authenticator.credential(request), secret))
        reply.headers.append(NO_STORE)
        return reply

    async def end(self, request: Request) -> Reply:
        """POST."""
        secret = credentials.session_in(credentials.sent(request.headers))
        if secret is None:
            raise Unauthenticated
        await self._sessions.end(secret, actor(request))
        reply = json_reply({})
        reply.headers.append(("set-cookie", f"{_cookie(request, '')}; Max-Age=0"))
        return reply

    async def end_all(self, request: Request) -> Reply:
        """POST of an administrator."""
        await self._sessions.end_all(actor(request))
        return json_reply({"info": "All sessions have ended"})

    def _who(self, credential: Credential, secret: str | None) -> dict[str, Any]:
        account: Account | None = credential.account
        told: dict[str, Any] = {"name": credential.caller.name, "admin": credential.caller.may_administer}
        if account is not None:
            told |= {"email": account.email, "groups": list(account.groups), "realm": account.realm,
                     "profileUpdatable": account.profile.profile_updatable}  # fmt: skip
        return told if secret is None else told | {"csrfToken": self._sessions.token(secret)}


def _cookie(request: Request, value: str) -> str:
    secure = "; Secure" if request.base.startswith("https://") else ""
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
