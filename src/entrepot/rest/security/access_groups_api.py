"""Groups by the Access API, `access/api/v2/groups` (reference 10.4, C6)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from entrepot.auth import groups
from entrepot.auth.groups import Group
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.rest.security.bodies import asked, limit, link, typed, word
from entrepot.rest.security.changes import Changes
from entrepot.rest.security.teams import GroupFields, Teams

_GROUPS: Final = "/access/api/v2/groups"


class Members(msgspec.Struct, frozen=True):
    """A change of members."""

    add: list[str] = []
    remove: list[str] = []


class AccessGroupsApi:
    """The handlers."""

    def __init__(self, changes: Changes) -> None:
        self._teams = Teams(changes)
        self._database = changes.database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one, members = f"{_GROUPS}/{{name}}", f"{_GROUPS}/{{name}}/members"
        return (
            Row("GET", _GROUPS, "access.groups.list", "admin", self.list, "access", response=dict,
                summary="List groups"),
            Row("POST", _GROUPS, "access.groups.create", "admin", self.create, "access", request=GroupFields, response=dict,
                status=201, summary="Create a group"),
            Row("GET", one, "access.groups.get", "admin", self.get, "access", response=dict, summary="A group"),
            Row("PATCH", one, "access.groups.update", "admin", self.update, "access", request=GroupFields, response=dict,
                summary="Update a group"),
            Row("DELETE", one, "access.groups.delete", "admin", self.delete, "access", status=204,
                summary="Delete a group"),
            Row("GET", members, "access.groups.members", "admin", self.members, "access", response=dict,
                summary="The members of a group"),
            Row("PATCH", members, "access.groups.members.change", "admin", self.change_members, "access", request=Members,
                response=dict, summary="Change the members of a group"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET: a page of groups."""
        size = limit(request)
        found = await groups.page(self._database, after=asked(request, "cursor"), limit=size)
        told = [
            {"group_name": group.name, "name": group.name, "uri": link(request, _GROUPS, group.name)} for group in found
        ]
        more = {"cursor": found[-1].name} if len(found) == size else {}
        return json_reply({"groups": told, **more})

    async def create(self, request: Request) -> Reply:
        """POST."""
        stated = await typed(request, GroupFields)
        return json_reply(await self._shown(await self._teams.create(request, stated.name or "", stated)), 201)

    async def get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(await self._shown(await groups.get(self._database, word(request, "name"))))

    async def update(self, request: Request) -> Reply:
        """PATCH: change what is stated."""
        stated = await typed(request, GroupFields)
        return json_reply(await self._shown(await self._teams.update(request, word(request, "name"), stated)))

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        await self._teams.delete(request, word(request, "name"))
        return Reply(204)

    async def members(self, request: Request) -> Reply:
        """GET."""
        group = await groups.get(self._database, word(request, "name"))
        return json_reply({"members": await groups.members(self._database, group)})

    async def change_members(self, request: Request) -> Reply:
        """PATCH."""
        change = await typed(request, Members)
        left = await self._teams.change_members(
            request, word(request, "name"), add=list(change.add), remove=list(change.remove)
        )
        return json_reply({"members": left})

    async def _shown(self, group: Group) -> dict[str, Any]:
        """Return the fields that clients compare: an empty description is none."""
        profile = msgspec.structs.asdict(group.profile)
        return {
            "name": group.name, "external_id": group.external_id or None, "auto_join": group.auto_join,
            "admin_privileges": group.admin, "realm": group.realm, **profile,
            "description": group.profile.description or None,
            "realm_attributes": group.profile.realm_attributes or None,
            "policy_viewer": group.profile.policy_viewer or group.profile.policy_manager,
            "members": await groups.members(self._database, group),
        }  # fmt: skip
