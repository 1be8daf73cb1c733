"""Users, `api/security/users` (reference 9.1) and the same by the Access API, `access/api/v2/users` (reference 10.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from entrepot.auth import accounts, admins, groups, projects, targets
from entrepot.auth.accounts import ANONYMOUS_NAME, Account, Change, Profile
from entrepot.auth.passwords import Passwords
from entrepot.auth.policies import Policies
from entrepot.errors import Denied, Invalid
from entrepot.messages import Request
from entrepot.metadata.database import Tx
from entrepot.rest.security.changes import Changes

# Names that the old API spells in its own way; all others are alike in both.
OLD_NAMES: Final[Mapping[str, str]] = {
    "profileUpdatable": "profile_updatable",
    "disableUIAccess": "disable_ui_access",
    "internalPasswordDisabled": "internal_password_disabled",
    "watchManager": "watch_manager",
    "policyManager": "policy_manager",
    "policyViewer": "policy_viewer",
    "reportsManager": "reports_manager",
    "manageResources": "manage_resources",
}
_STATUSES: Final = {"enabled": False, "disabled": True}


class UserFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says of a user; None: nothing."""

    name: str | None = None
    username: str | None = None
    email: str | None = None
    password: str | None = None
    admin: bool | None = None
    groups: list[str] | None = None
    status: str | None = None
    profile_updatable: bool | None = None
    disable_ui_access: bool | None = None
    internal_password_disabled: bool | None = None
    watch_manager: bool | None = None
    policy_manager: bool | None = None
    policy_viewer: bool | None = None
    reports_manager: bool | None = None
    manage_resources: bool | None = None


class People:
    """What both APIs do to users, each in one transaction."""

    def __init__(self, changes: Changes, passwords: Passwords, policies: Policies) -> None:
        self._changes = changes
        self._passwords = passwords
        self._policies = policies

    async def create(self, request: Request, name: str, stated: UserFields) -> Account:
        """Add a user. Raises Invalid, AccountExists."""
        name = accounts.check_name(name)
        _complete(stated)
        change = replace(await self._change_of(stated), profile=_profile(stated, Profile()))
        return await self._changes.make(request, "user.create", name, lambda tx: accounts.create(tx, name, change))

    async def replace(self, request: Request, name: str, stated: UserFields) -> Account:
        """Add a user, or make one what is stated and no more. Raises Invalid."""
        name = accounts.check_name(name)
        _changeable(name)
        _complete(stated)
        change = replace(await self._change_of(stated), profile=_profile(stated, Profile()))

        async def work(tx: Tx) -> Account:
            found = await accounts.find(tx, name)
            if found is None:
                return await accounts.create(tx, name, change)
            joined = tuple(await groups.joined_by_all(tx)) if change.groups is None else change.groups
            whole = replace(change, admin=bool(change.admin), disabled=bool(change.disabled), groups=joined)
            return await accounts.alter(tx, found, whole)

        return await self._changes.make(request, "user.replace", name, work)

    async def update(self, request: Request, name: str, stated: UserFields) -> Account:
        """Change what is stated of a user. Raises AccountUnknown, Invalid, LastAdmin."""
        _changeable((await accounts.get(self._changes.database, name)).name)
        change = await self._change_of(stated)
        said = [field for field in UserFields.__struct_fields__ if getattr(stated, field) is not None]

        async def work(tx: Tx) -> Account:
            found = await accounts.get(tx, name)
            return await accounts.alter(tx, found, replace(change, profile=_profile(stated, found.profile)))

        return await self._changes.make(request, "user.update", name.lower(), work, detail=" ".join(said))

    async def change_groups(self, request: Request, name: str, *, add: list[str], remove: list[str]) -> Account:
        """Add a user to groups and take it out of others. Raises AccountUnknown, Invalid, LastAdmin."""

        async def work(tx: Tx) -> Account:
            found = await accounts.get(tx, name)
            await groups.join(tx, found.id, add)
            await groups.leave(tx, found.id, remove)
            await admins.check_members(tx)
            return await accounts.get(tx, name)

        said = f"add {' '.join(add)} remove {' '.join(remove)}"
        return await self._changes.make(request, "user.groups", name.lower(), work, detail=said)

    async def delete(self, request: Request, name: str) -> str:
        """Remove a user with its tokens and all that it was granted; return its name. Raises AccountUnknown, Denied."""

        async def work(tx: Tx) -> str:
            found = await accounts.get(tx, name)
            if found.name == request.caller.name:
                raise Denied("Users cannot remove themselves.")
            await accounts.delete(tx, found)
            await targets.forget(tx, "users", found.name)
            await projects.forget(tx, "users", found.name)
            return found.name

        return await self._changes.make(request, "user.delete", name.lower(), work)

    async def _change_of(self, stated: UserFields) -> Change:
        """Return the change that a body asks for but for the profile, its password hashed. Raises Invalid, TooMany."""
        if stated.status is not None and stated.status.lower() not in _STATUSES:
            raise Invalid("The status must be enabled or disabled.")
        if stated.password:
            self._policies.passwords().check(stated.password)
        return Change(
            email=stated.email,
            password_hash=await self._passwords.hash(stated.password) if stated.password else None,
            admin=stated.admin,
            disabled=None if stated.status is None else _STATUSES[stated.status.lower()],
            groups=None if stated.groups is None else tuple(stated.groups),
        )


def shown(account: Account) -> dict[str, Any]:
    """Return the fields that the Access API shows of a user."""
    return {
        "username": account.name,
        "email": account.email,
        "groups": list(account.groups),
        "realm": account.realm,
        "status": account.status,
        "admin": account.admin,
        "effective_admin": account.is_admin,
        **msgspec.structs.asdict(account.profile),
    }


def _profile(stated: UserFields, before: Profile) -> Profile:
    said = {field: getattr(stated, field) for field in Profile.__struct_fields__}
    return msgspec.structs.replace(before, **{field: value for field, value in said.items() if value is not None})


def _complete(stated: UserFields) -> None:
    if not stated.email:
        raise Invalid("The email address of a user must be stated.")
    if not stated.password and not stated.internal_password_disabled:
        raise Invalid("The password of a user must be stated, unless its internal password is disabled.")


def _changeable(name: str) -> None:
    """Who asks without credentials is not somebody that could log in."""
    if name == ANONYMOUS_NAME:
        raise Invalid("The user 'anonymous' cannot be changed.")
