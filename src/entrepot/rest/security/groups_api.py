"""Groups, `artifactory/api/security/groups` (reference 9.3)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

import msgspec

from entrepot.auth import groups
from entrepot.auth.groups import Group
from entrepot.errors import Invalid
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.rest.security.bodies import asked, link, typed, word
from entrepot.rest.security.changes import Changes
from entrepot.rest.security.teams import GroupFields, Teams

_GROUPS: Final = "/artifactory/api/security/groups"
_PROFILE: Final = {
    "realmAttributes": "realm_attributes",
    "watchManager": "watch_manager",
    "policyManager": "policy_manager",
    "policyViewer": "policy_viewer",
    "reportsManager": "reports_manager",
}
_NAMES: Final = _PROFILE | {
    "externalId": "external_id", "autoJoin": "auto_join", "adminPrivileges": "admin_privileges", "userNames": "members",
}  # fmt: skip


class GroupsApi:
    """The handlers."""

    def __init__(self, changes: Changes) -> None:
        self._teams = Teams(changes)
        self._database = changes.database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one = f"{_GROUPS}/{{name}}"
        return (
            Row("GET", _GROUPS, "groups.list", "admin", self.list, response=list, summary="List groups"),
            Row("GET", one, "groups.get", "admin", self.get, response=dict, summary="A group"),
            Row("PUT", one, "groups.replace", "admin", self.replace, request=dict, status=201,
                summary="Create or replace a group"),
            Row("POST", one, "groups.update", "admin", self.update, request=dict, summary="Update a group"),
            Row("DELETE", one, "groups.delete", "admin", self.delete, response="text/plain", summary="Delete a group"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET: all groups, in order of their names."""
        found: list[dict[str, str]] = []
        after = ""
        while page := await groups.page(self._database, after=after):
            found += [{"name": group.name, "uri": link(request, _GROUPS, group.name)} for group in page]
            after = page[-1].name
        return json_reply(found)

    async def get(self, request: Request) -> Reply:
        """GET one; `includeUsers=true` shows its members."""
        group = await groups.get(self._database, await self._name(request))
        users = await groups.members(self._database, group) if asked(request, "includeUsers") == "true" else []
        return json_reply(_shown(group, users))

    async def replace(self, request: Request) -> Reply:
        """PUT: create, or replace."""
        name, stated = word(request, "name"), await typed(request, GroupFields, _NAMES)
        if stated.name is None or stated.name.lower() != name.lower():
            name = await self._name(request)
        if stated.name and stated.name.lower() != name.lower():
            raise Invalid("The name in the body must equal the one in the path.")
        await self._teams.replace(request, name, stated)
        return Reply(201)

    async def update(self, request: Request) -> Reply:
        """POST: change what is stated; `userNames` replaces the members, but an empty list leaves them.

        The Terraform provider relies on that for groups whose members it does not manage.
        """
        stated = await typed(request, GroupFields, _NAMES)
        if not stated.members:
            stated = msgspec.structs.replace(stated, members=None)
        await self._teams.update(request, await self._name(request), stated)
        return Reply(200)

    async def delete(self, request: Request) -> Reply:
        """DELETE, with all that it was granted."""
        name = await self._teams.delete(request, await self._name(request))
        return text_reply(f"Group '{name}' has been removed successfully.")

    async def _name(self, request: Request) -> str:
        """Return the name in the path, in which a plus sign stands for a space (reference 3.6) where no group has one."""
        name = word(request, "name")
        if "+" not in request.words["name"] or await groups.find(self._database, name) is not None:
            return name
        return unquote(request.words["name"].replace("+", " "))


def _shown(group: Group, users: list[str]) -> dict[str, Any]:
    """Return the fields that clients compare; `userNames` only when there are any."""
    told: dict[str, Any] = {
        "name": group.name, "description": group.profile.description, "autoJoin": group.auto_join,
        "adminPrivileges": group.admin, "realm": group.realm,
        **{old: getattr(group.profile, new) for old, new in _PROFILE.items()},
    }  # fmt: skip
    if group.external_id:
        told["externalId"] = group.external_id
    if users:
        told["userNames"] = users
    return told
