"""Projects: repositories that belong together, members, and roles that say what members may do there (reference 10.6).

A project is one row, so that every change of it sees the whole. What its roles grant: see `project_targets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from entrepot.auth import token_rows
from entrepot.auth.roles import ADMIN_ROLE, PREDEFINED, Role, Short
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.metadata.database import Duplicate, Reads, Tx
from entrepot.metadata.sql import sql

_GIB: Final = 1 << 30

_BY_KEY = sql("SELECT body FROM project WHERE key = :key {update}")
_KEEP = sql("SELECT key FROM project WHERE key = :key {share}")
_ALL = sql("SELECT key, body FROM project WHERE key > :after ORDER BY key LIMIT 1000")
_INSERT = sql("INSERT INTO project (key, body, modified) VALUES (:key, :body, {now})")
_UPDATE = sql("UPDATE project SET body = :body, modified = {now} WHERE key = :key")
_DELETE = sql("DELETE FROM project WHERE key = :key")
_REPOSITORIES = sql("SELECT key FROM repository WHERE project_key = :key AND deleted IS NULL ORDER BY key")

Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9\-]{1,31}$")]


class Privileges(msgspec.Struct, frozen=True):
    """What project administrators may do."""

    manage_members: bool = True
    manage_resources: bool = True
    index_resources: bool = True


class Shared(msgspec.Struct, frozen=True):
    """A repository of another project (or none) that this one may use."""

    read_only: bool = False


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One project. Members are names with the names of their roles."""

    project_key: Key
    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    description: Short = ""
    admin_privileges: Privileges = Privileges()
    storage_quota_bytes: float = -1
    soft_limit: bool = False
    storage_quota_email_notification: bool = True
    roles: dict[str, Role] = {}
    users: dict[str, list[str]] = {}
    groups: dict[str, list[str]] = {}
    environments: list[str] = []
    shared: dict[str, Shared] = {}


class ProjectUnknown(NotFound):
    """Project '{key}' not found"""


class ProjectInUse(Invalid):
    """project containing resources can't be removed: {key} has {count} repositories, like {first}"""


class ProjectExists(Conflict):
    """Project '{key}' already exists"""


async def find(reads: Reads, key: str) -> Project | None:
    """Return a project; in a transaction it is locked for the change that depends on it."""
    row = await reads.row(_BY_KEY, key=key)
    return None if row is None else msgspec.json.decode(row[0], type=Project)


async def get(reads: Reads, key: str) -> Project:
    """Return a project. Raises ProjectUnknown."""
    found = await find(reads, key)
    if found is None:
        raise ProjectUnknown(key=key[:64])
    return found


async def keep(tx: Tx, key: str) -> None:
    """Keep a project from being deleted until the commit. Raises ProjectUnknown."""
    if await tx.row(_KEEP, key=key) is None:
        raise ProjectUnknown(key=key[:64])


async def all_of_them(reads: Reads) -> list[Project]:
    """Return all projects in order of their keys."""
    found: list[Project] = []
    after = ""
    while rows := await reads.rows(_ALL, after=after):
        found += [msgspec.json.decode(body, type=Project) for _, body in rows]
        after = rows[-1][0]
    return found


async def create(tx: Tx, project: Project) -> None:
    """Add a project. Raises ProjectExists."""
    try:
        await tx.execute(_INSERT, key=project.project_key, body=_packed(project))
    except Duplicate:
        raise ProjectExists(key=project.project_key) from None


async def store(tx: Tx, project: Project) -> None:
    """Replace a project that is there."""
    await tx.execute(_UPDATE, key=project.project_key, body=_packed(project))


async def delete(tx: Tx, key: str) -> None:
    """Remove a project, its roles in tokens too. Raises ProjectUnknown, ProjectInUse."""
    if not await tx.execute(_DELETE, key=key):
        raise ProjectUnknown(key=key[:64])
    if used := await tx.rows(_REPOSITORIES, key=key):
        raise ProjectInUse(key=key, count=len(used), first=used[0][0])
    await token_rows.forget_project(tx, key)


async def forget(tx: Tx, kind: str, name: str) -> None:
    """Take a deleted user or group out of all projects; `kind` is `users` or `groups`."""
    for project in await all_of_them(tx):
        members: dict[str, list[str]] = getattr(project, kind)
        if name in members:
            left = {member: roles for member, roles in members.items() if member != name}
            await store(tx, msgspec.structs.replace(project, **{kind: left}))


async def forget_role(tx: Tx, name: str) -> None:
    """Take a deleted role of all projects from its holders, but where the project has one of its own of that name."""
    own: set[str] = set()
    for project in await all_of_them(tx):
        if name in project.roles:
            own.add(project.project_key)
        elif (left := _without_holders(project, name)) != project:
            await store(tx, left)
    await token_rows.forget_role(tx, name, lambda project: project not in own)


async def without_role(tx: Tx, project: Project, name: str) -> Project:
    """Return the project without a role of its own, which nobody holds any more, nor any token."""
    await token_rows.forget_role(tx, name, lambda key: key == project.project_key)
    rest = {one: role for one, role in project.roles.items() if one != name}
    return msgspec.structs.replace(_without_holders(project, name), roles=rest)


def _without_holders(project: Project, name: str) -> Project:
    users, groups = (
        {member: [role for role in roles if role != name] for member, roles in members.items()}
        for members in (project.users, project.groups)
    )
    return msgspec.structs.replace(project, users=users, groups=groups)


def role_of(project: Project, name: str, global_roles: Mapping[str, Role]) -> Role | None:
    """Return a role by its name: predefined, the project's own, or a global one."""
    return PREDEFINED.get(name) or project.roles.get(name) or global_roles.get(name)


async def forget_repository(tx: Tx, key: str) -> None:
    """Share a repository that is deleted with nobody, so that a new one of its name is shared with nobody either."""
    for project in await all_of_them(tx):
        if key in project.shared:
            left = {one: how for one, how in project.shared.items() if one != key}
            await store(tx, msgspec.structs.replace(project, shared=left))


def administers(project: Project, name: str, groups: Iterable[str]) -> bool:
    """Whether somebody administers a project, by itself or through a group."""
    of_groups = any(ADMIN_ROLE in project.groups.get(group, ()) for group in groups)
    return of_groups or ADMIN_ROLE in project.users.get(name, ())


def quota_is_valid(project: Project) -> bool:
    """Whether the quota is none, or at least a gibibyte."""
    return project.storage_quota_bytes == -1 or project.storage_quota_bytes >= _GIB


def _packed(project: Project) -> str:
    return msgspec.json.encode(project).decode()


def shown(project: Project) -> dict[str, Any]:
    """Return the fields that clients see of a project."""
    told: dict[str, Any] = msgspec.to_builtins(project)
    for field in ("roles", "users", "groups", "environments", "shared"):
        del told[field]
    quota = project.storage_quota_bytes
    return told | {"storage_quota_bytes": int(quota)}
