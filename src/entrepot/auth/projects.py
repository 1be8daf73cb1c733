"""Projects: repositories that belong together, members, and roles that say what members may do there (reference 10.6).

A project is one row, so that every change of it sees the whole. What its roles grant becomes permission targets of its
own kind (`targets_of`), judged with all others by the one decision. A repository is in the environments that it states,
else in DEV; a role grants in the repositories of its environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from entrepot.access.actions import EVERY_ACTION, NOTHING, Action
from entrepot.access.permissions import ARTIFACT, BUILD, RELEASE_BUNDLE, Covered, PermissionTarget, Section
from entrepot.access.scopes import role_group
from entrepot.auth import token_rows
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.metadata.database import Duplicate, Reads, Tx
from entrepot.metadata.sql import sql

DEV, PROD = "DEV", "PROD"
GLOBAL_ROLES: Final = "globalRoles"  # a section of the configuration
ENVIRONMENTS: Final = "environments"  # likewise
_GIB: Final = 1 << 30

_BY_KEY = sql("SELECT body FROM project WHERE key = :key {update}")
_KEEP = sql("SELECT key FROM project WHERE key = :key {share}")
_ALL = sql("SELECT key, body FROM project WHERE key > :after ORDER BY key LIMIT 1000")
_INSERT = sql("INSERT INTO project (key, body, modified) VALUES (:key, :body, {now})")
_UPDATE = sql("UPDATE project SET body = :body, modified = {now} WHERE key = :key")
_DELETE = sql("DELETE FROM project WHERE key = :key")
_REPOSITORIES = sql("SELECT key FROM repository WHERE project_key = :key AND deleted IS NULL ORDER BY key")

Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9\-]{1,31}$")]
Short = Annotated[str, msgspec.Meta(max_length=1024)]
_READS: Final = ("READ_REPOSITORY", "READ_BUILD", "READ_RELEASE_BUNDLE")
_WORDS: Final[Mapping[str, Action]] = {
    "READ": Action.READ, "ANNOTATE": Action.ANNOTATE, "DEPLOY": Action.DEPLOY, "DEPLOY_CACHE": Action.DEPLOY,
    "CREATE": Action.DEPLOY, "DELETE": Action.DELETE, "DELETE_OVERWRITE": Action.DELETE, "MANAGE_XRAY_MD": Action.SCAN,
    "DISTRIBUTE": Action.DISTRIBUTE, "MANAGE": Action.MANAGE, "PROMOTE": Action.DEPLOY,
}  # fmt: skip
_KINDS: Final = (("_REPOSITORY", ARTIFACT), ("_BUILD", BUILD), ("_RELEASE_BUNDLE", RELEASE_BUNDLE))
MANAGE_MEMBERS: Final = "MANAGE_MEMBERS"


class Privileges(msgspec.Struct, frozen=True):
    """What project administrators may do."""

    manage_members: bool = True
    manage_resources: bool = True
    index_resources: bool = True


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What its holders may do, where."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[^\x00/\\:|?*\"<>]{1,64}$")]
    description: Short = ""
    type: Literal["ADMIN", "PREDEFINED", "CUSTOM", "CUSTOM_GLOBAL"] = "CUSTOM"
    environments: list[Short] = []
    actions: list[Short] = []

    def mask(self, kind: str) -> Action:
        """Return what it grants on a kind of resource."""
        if self.type == "ADMIN":
            return EVERY_ACTION
        found = NOTHING
        for word in self.actions:
            for suffix, of in _KINDS:
                if of == kind and word.endswith(suffix):
                    found |= _WORDS.get(word.removesuffix(suffix), NOTHING)
        return found


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


class RoleExists(Conflict):
    """The role '{name}' exists already."""


ADMIN_ROLE: Final = "Project Admin"
PREDEFINED: Final[Mapping[str, Role]] = {
    role.name: role
    for role in (
        Role(name=ADMIN_ROLE, type="ADMIN", environments=[DEV, PROD], actions=[MANAGE_MEMBERS]),
        Role(name="Developer", type="PREDEFINED", environments=[DEV], actions=[
            *_READS, "ANNOTATE_REPOSITORY", "DEPLOY_CACHE_REPOSITORY", "DELETE_OVERWRITE_REPOSITORY", "ANNOTATE_BUILD",
            "DEPLOY_BUILD", "DELETE_BUILD", "CREATE_RELEASE_BUNDLE", "ANNOTATE_RELEASE_BUNDLE", "DELETE_RELEASE_BUNDLE",
        ]),
        Role(name="Contributor", type="PREDEFINED", environments=[DEV], actions=[
            *_READS, "ANNOTATE_REPOSITORY", "DEPLOY_CACHE_REPOSITORY", "ANNOTATE_BUILD", "DEPLOY_BUILD",
        ]),
        Role(name="Viewer", type="PREDEFINED", environments=[DEV, PROD], actions=[*_READS]),
        Role(name="Release Manager", type="PREDEFINED", environments=[DEV, PROD], actions=[
            *_READS, "ANNOTATE_REPOSITORY", "DEPLOY_CACHE_REPOSITORY", "CREATE_RELEASE_BUNDLE",
            "ANNOTATE_RELEASE_BUNDLE", "DELETE_RELEASE_BUNDLE", "DISTRIBUTE_RELEASE_BUNDLE",
        ]),
        Role(name="Security Manager", type="PREDEFINED", environments=[DEV, PROD], actions=[
            *_READS, "MANAGE_XRAY_MD_REPOSITORY", "MANAGE_XRAY_MD_BUILD", "MANAGE_XRAY_MD_RELEASE_BUNDLE",
        ]),
        Role(name="Application Admin", type="PREDEFINED", environments=[DEV, PROD], actions=[*_READS]),
    )
}  # fmt: skip


class Located(msgspec.Struct, frozen=True):
    """A repository as far as projects are concerned."""

    key: str
    project: str = ""
    environments: tuple[str, ...] = ()
    shared: Shared | None = None  # with all projects


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


def targets_of(
    projects: Iterable[Project], repositories: Iterable[Located], global_roles: Mapping[str, Role]
) -> Iterator[PermissionTarget]:
    """Return what the roles of projects grant, as permission targets; each role is also a group that tokens can name."""
    located = list(repositories)
    for project in projects:
        names = {*PREDEFINED, *project.roles, *global_roles}
        for name in sorted(names):
            role = role_of(project, name, global_roles)
            if role is not None:
                yield from _granted(project, role, located)


def _granted(project: Project, role: Role, located: list[Located]) -> Iterator[PermissionTarget]:
    users = [user for user, roles in project.users.items() if role.name in roles]
    groups = [group for group, roles in project.groups.items() if role.name in roles]
    groups.append(role_group(project.project_key, role.name))
    there = {one.key: one for one in located if _is_in(one, role)}
    own = {one.key for one in there.values() if one.project == project.project_key}
    shared = [(one.key, one.shared) for one in there.values() if one.shared and one.project != project.project_key]
    shared += [(key, how) for key, how in project.shared.items() if key in there]
    for keys, most in (
        (own, EVERY_ACTION),
        # What a project manages it may grant by targets of its own, which would outlast the sharing.
        ({key for key, how in shared if not how.read_only}, EVERY_ACTION & ~Action.MANAGE),
        ({key for key, how in shared if how.read_only}, Action.READ),
    ):
        sections = {kind: _section(keys, role.mask(kind) & most, users, groups) for _, kind in _KINDS}
        if keys:
            yield PermissionTarget(f"{project.project_key}/{role.name}", sections)


def _section(keys: Iterable[str], mask: Action, users: Iterable[str], groups: Iterable[str]) -> Section:
    if not mask:
        return Section()
    return Section(dict.fromkeys(keys, Covered()), dict.fromkeys(users, mask), dict.fromkeys(groups, mask))


def _is_in(one: Located, role: Role) -> bool:
    return role.type == "ADMIN" or not set(one.environments or (DEV,)).isdisjoint(role.environments)


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


Locate = Callable[[], Iterable[Located]]


def _packed(project: Project) -> str:
    return msgspec.json.encode(project).decode()


def shown(project: Project) -> dict[str, Any]:
    """Return the fields that clients see of a project."""
    told: dict[str, Any] = msgspec.to_builtins(project)
    for field in ("roles", "users", "groups", "environments", "shared"):
        del told[field]
    quota = project.storage_quota_bytes
    return told | {"storage_quota_bytes": int(quota)}
