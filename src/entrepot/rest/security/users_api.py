"""The routes of users: `artifactory/api/security/users` and `access/api/v2/users`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from entrepot.auth import accounts
from entrepot.auth.accounts import Account
from entrepot.auth.passwords import Passwords
from entrepot.auth.policies import Policies
from entrepot.clock import iso
from entrepot.errors import Invalid
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metadata.database import Database
from entrepot.rest.security.bodies import asked, limit, link, typed, word
from entrepot.rest.security.changes import Changes
from entrepot.rest.security.users import OLD_NAMES, People, UserFields, shown

_V1: Final = "/artifactory/api/security/users"
_V2: Final = "/access/api/v2/users"
_NEW_NAMES: Final = {new: old for old, new in OLD_NAMES.items()}
_LEFT_OUT: Final = frozenset({"username", "effective_admin", "policy_viewer", "manage_resources"})


class Memberships(msgspec.Struct, frozen=True):
    """A change of memberships."""

    add: list[str] = []
    remove: list[str] = []


class UsersApi:
    """The handlers."""

    def __init__(self, changes: Changes, passwords: Passwords, policies: Policies) -> None:
        self._people = People(changes, passwords, policies)
        self._database: Database = changes.database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one, access = f"{_V1}/{{name}}", f"{_V2}/{{name}}"
        return (
            Row("GET", _V1, "users.list", "admin", self.list, response=list, summary="List users"),
            Row("GET", one, "users.get", "admin", self.get, response=dict, summary="A user"),
            Row("PUT", one, "users.replace", "admin", self.replace, request=dict, status=201,
                summary="Create or replace a user"),
            Row("POST", one, "users.update", "admin", self.update, request=dict, summary="Update a user"),
            Row("DELETE", one, "users.delete", "admin", self.delete, response="text/plain", summary="Delete a user"),
            Row("GET", _V2, "access.users.list", "admin", self.access_list, "access", response=dict,
                summary="List users"),
            Row("POST", _V2, "access.users.create", "admin", self.access_create, "access",
                request=UserFields, response=dict, status=201,
                summary="Create a user"),
            Row("GET", access, "access.users.get", "admin", self.access_get, "access", response=dict, summary="A user"),
            Row("PATCH", access, "access.users.update", "admin", self.access_update, "access", request=UserFields, response=dict,
                summary="Update a user"),
            Row("DELETE", access, "access.users.delete", "admin", self.access_delete, "access", status=204,
                summary="Delete a user"),
            Row("PATCH", f"{access}/groups", "access.users.groups", "admin", self.access_groups, "access",
                request=Memberships, response=dict, summary="Change the groups of a user"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET: all users, in order of their names."""
        found: list[dict[str, str]] = []
        after = ""
        while users := await accounts.page(self._database, after=after):
            found += [
                {"name": user.name, "uri": link(request, _V1, user.name), "realm": user.realm, "status": user.status}
                for user in users
            ]
            after = users[-1].name
        return json_reply(found)

    async def get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(_old_form(await accounts.get(self._database, word(request, "name"))))

    async def replace(self, request: Request) -> Reply:
        """PUT: create, or replace."""
        name, stated = word(request, "name"), await typed(request, UserFields, OLD_NAMES)
        if stated.name and stated.name.lower() != name.lower():
            raise Invalid("The name in the body must equal the one in the path.")
        await self._people.replace(request, name, stated)
        return Reply(201)

    async def update(self, request: Request) -> Reply:
        """POST: change what is stated."""
        await self._people.update(request, word(request, "name"), await typed(request, UserFields, OLD_NAMES))
        return Reply(200)

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        name = await self._people.delete(request, word(request, "name"))
        return text_reply(f"User '{name}' has been removed successfully.")

    async def access_list(self, request: Request) -> Reply:
        """GET: a page of users, all or those of a name, a status, or who administer."""
        size, after = limit(request), asked(request, "cursor")
        users: list[dict[str, str]] = []
        while page := await accounts.page(self._database, after=after):
            for user in page:
                if len(users) == size:
                    return json_reply({"users": users, "cursor": users[-1]["username"]})
                if _wanted(request, user):
                    uri = link(request, _V2, user.name)
                    users.append({"username": user.name, "uri": uri, "realm": user.realm, "status": user.status})
            after = page[-1].name
        return json_reply({"users": users})

    async def access_get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(_new_form(await accounts.get(self._database, word(request, "name"))))

    async def access_create(self, request: Request) -> Reply:
        """POST: create."""
        stated = await typed(request, UserFields)
        return json_reply(_new_form(await self._people.create(request, stated.username or "", stated)), 201)

    async def access_update(self, request: Request) -> Reply:
        """PATCH: change what is stated."""
        stated = await typed(request, UserFields)
        return json_reply(_new_form(await self._people.update(request, word(request, "name"), stated)))

    async def access_delete(self, request: Request) -> Reply:
        """DELETE."""
        await self._people.delete(request, word(request, "name"))
        return Reply(204)

    async def access_groups(self, request: Request) -> Reply:
        """PATCH of the groups."""
        change = await typed(request, Memberships)
        user = await self._people.change_groups(
            request, word(request, "name"), add=list(change.add), remove=list(change.remove)
        )
        return json_reply({"groups": list(user.groups)})


def _old_form(account: Account) -> dict[str, Any]:
    """Return the fields of the old API, which its clients compare: no empty `groups`, no `lastLoggedIn` before a login."""
    told: dict[str, Any] = {"name": account.name}
    told |= {_NEW_NAMES.get(field, field): value for field, value in shown(account).items() if field not in _LEFT_OUT}
    if not account.groups:
        del told["groups"]
    if account.last_login is not None:
        told |= {"lastLoggedIn": iso(account.last_login), "lastLoggedInMillis": account.last_login}
    return told | {"offlineMode": False, "shouldInvite": False}


def _new_form(account: Account) -> dict[str, Any]:
    told = shown(account)
    return told if account.last_login is None else told | {"last_logged_in": iso(account.last_login)}


def _wanted(request: Request, user: accounts.Listed) -> bool:
    """Whether a user is one of those that the query asks for."""
    name, status = asked(request, "username").lower(), asked(request, "status").lower()
    if asked(request, "only_admins").lower() == "true" and not user.admin:
        return False
    return name in ("", user.name) and status in ("", user.status)
