"""Groups, `artifactory/api/security/groups` (reference 9.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from entrepot.auth import accounts, groups, targets
from entrepot.auth.groups import Group
from entrepot.errors import Invalid
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metadata.database import Tx
from entrepot.rest.security.bodies import asked, link, typed, word
from entrepot.rest.security.changes import Changes

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


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says of a group; None: nothing."""

    name: str | None = None
    description: str | None = None
    external_id: str | None = None
    auto_join: bool | None = None
    admin_privileges: bool | None = None
    realm: str | None = None
    realm_attributes: str | None = None
    members: list[str] | None = None
    watch_manager: bool | None = None
    policy_manager: bool | None = None
    policy_viewer: bool | None = None
    reports_manager: bool | None = None

    def over(self, before: Group) -> Group:
        """Return a group with what is stated in the place of what it was."""
        said = {field: getattr(self, field, None) for field in groups.Profile.__struct_fields__}
        profile = msgspec.structs.replace(
            before.profile, **{name: one for name, one in said.items() if one is not None}
        )
        return replace(
            before,
            realm=before.realm if self.realm is None else self.realm,
            external_id=before.external_id if self.external_id is None else self.external_id,
            admin=before.admin if self.admin_privileges is None else self.admin_privileges,
            auto_join=before.auto_join if self.auto_join is None else self.auto_join,
            profile=profile,
        )


class GroupsApi:
    """The handlers."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._database = changes.database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one = f"{_GROUPS}/{{name}}"
        return (
            Row("GET", _GROUPS, "groups.list", "admin", self.list, summary="List groups"),
            Row("GET", one, "groups.get", "admin", self.get, summary="A group"),
            Row("PUT", one, "groups.replace", "admin", self.replace, summary="Create or replace a group"),
            Row("POST", one, "groups.update", "admin", self.update, summary="Update a group"),
            Row("DELETE", one, "groups.delete", "admin", self.delete, summary="Delete a group"),
        )

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
        group = await groups.get(self._database, word(request, "name"))
        users = await groups.members(self._database, group) if asked(request, "includeUsers") == "true" else []
        return json_reply(_shown(group, users))

    async def replace(self, request: Request) -> Reply:
        """PUT: create, or replace."""
        name, stated = groups.check_name(word(request, "name")), await typed(request, Stated, _NAMES)
        if stated.name and stated.name.lower() != name:
            raise Invalid("The name in the body must equal the one in the path.")

        async def work(tx: Tx) -> None:
            found = await groups.find(tx, name)
            if found is None:
                found = await groups.create(tx, stated.over(Group(name)))
            else:
                await groups.alter(tx, stated.over(Group(name, id=found.id, uuid=found.uuid)))
            await _set_members(tx, found, stated)

        await self._changes.make(request, "group.replace", name, work)
        return Reply(201)

    async def update(self, request: Request) -> Reply:
        """POST: change what is stated; `userNames` replaces the members."""
        name, stated = word(request, "name"), await typed(request, Stated, _NAMES)

        async def work(tx: Tx) -> None:
            found = await groups.get(tx, name)
            await groups.alter(tx, stated.over(found))
            await _set_members(tx, found, stated)

        await self._changes.make(request, "group.update", name.lower(), work)
        return Reply(200)

    async def delete(self, request: Request) -> Reply:
        """DELETE, with all that it was granted."""

        async def work(tx: Tx) -> str:
            found = await groups.get(tx, word(request, "name"))
            await groups.delete(tx, found)
            await targets.forget(tx, "groups", found.name)
            await accounts.keep_an_admin(tx)
            return found.name

        name = await self._changes.make(request, "group.delete", word(request, "name").lower(), work)
        return text_reply(f"Group '{name}' has been removed successfully.")


async def _set_members(tx: Tx, group: Group, stated: Stated) -> None:
    if stated.members is not None:
        await groups.set_members(tx, group, stated.members)
    await accounts.keep_an_admin(tx)


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
