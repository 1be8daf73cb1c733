"""What both APIs do to groups, each in one transaction: `api/security/groups` (9.3) and `access/api/v2/groups` (10.4)."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from entrepot.auth import accounts, admins, groups, projects, targets, token_rows
from entrepot.auth.groups import Group
from entrepot.messages import Request
from entrepot.metadata.database import Tx
from entrepot.rest.security.changes import Changes


class GroupFields(msgspec.Struct, frozen=True, kw_only=True):
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
    manage_resources: bool | None = None
    manage_webhook: bool | None = None

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


class Teams:
    """Changes of groups."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def create(self, request: Request, name: str, stated: GroupFields) -> Group:
        """Add a group. Raises Invalid, GroupExists."""
        name = groups.check_name(name)

        async def work(tx: Tx) -> Group:
            made = await groups.create(tx, stated.over(Group(name)))
            await _set_members(tx, made, stated)
            return made

        return await self._changes.make(request, "group.create", name, work)

    async def replace(self, request: Request, name: str, stated: GroupFields) -> None:
        """Add a group, or make one what is stated and no more. Raises Invalid."""
        name = groups.check_name(name)

        async def work(tx: Tx) -> None:
            found = await groups.find(tx, name)
            if found is None:
                found = await groups.create(tx, stated.over(Group(name)))
            else:
                await groups.alter(tx, stated.over(Group(name, id=found.id, uuid=found.uuid)))
            await _set_members(tx, found, stated)

        await self._changes.make(request, "group.replace", name, work)

    async def update(self, request: Request, name: str, stated: GroupFields) -> Group:
        """Change what is stated; members that are stated replace all others. Raises GroupUnknown, Invalid, LastAdmin."""

        async def work(tx: Tx) -> Group:
            found = await groups.get(tx, name)
            await groups.alter(tx, stated.over(found))
            await _set_members(tx, found, stated)
            return await groups.get(tx, name)

        return await self._changes.make(request, "group.update", name.lower(), work)

    async def change_members(self, request: Request, name: str, *, add: list[str], remove: list[str]) -> list[str]:
        """Add users to a group and take others out; return all members. Raises GroupUnknown, AccountUnknown, LastAdmin."""

        async def work(tx: Tx) -> list[str]:
            found = await groups.get(tx, name)
            for user in add:
                await groups.join(tx, (await accounts.get(tx, user)).id, [found.name])
            for user in remove:
                await groups.leave(tx, (await accounts.get(tx, user)).id, [found.name])
            await admins.check_members(tx)
            return await groups.members(tx, found)

        said = f"add {' '.join(add)} remove {' '.join(remove)}"
        return await self._changes.make(request, "group.members", name.lower(), work, detail=said)

    async def delete(self, request: Request, name: str) -> str:
        """Remove a group with all that it was granted, in tokens too; return its name. Raises GroupUnknown, LastAdmin."""

        async def work(tx: Tx) -> str:
            found = await groups.get(tx, name)
            await groups.delete(tx, found)
            await targets.forget(tx, "groups", found.name)
            await projects.forget(tx, "groups", found.name)
            await token_rows.forget_group(tx, found.name)
            await admins.keep_one(tx)
            return found.name

        return await self._changes.make(request, "group.delete", name.lower(), work)


async def _set_members(tx: Tx, group: Group, stated: GroupFields) -> None:
    if stated.members is not None:
        await groups.set_members(tx, group, stated.members)
    await admins.check_members(tx)
