"""What the roles of projects grant, as permission targets, which the one decision judges with all others.

A repository is in the environments that it states, else in DEV; a role grants in the repositories of its environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from entrepot.access.actions import EVERY_ACTION, Action
from entrepot.access.permissions import Covered, PermissionTarget, Section
from entrepot.access.scopes import role_group
from entrepot.auth.projects import Project, Shared, role_of
from entrepot.auth.roles import DEV, KINDS, PREDEFINED, Role


class Located(msgspec.Struct, frozen=True):
    """A repository as far as projects are concerned."""

    key: str
    project: str = ""
    environments: tuple[str, ...] = ()
    shared: Shared | None = None  # with all projects


Locate = Callable[[], Iterable[Located]]


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
        sections = {kind: _section(keys, role.mask(kind) & most, users, groups) for _, kind in KINDS}
        if keys:
            yield PermissionTarget(f"{project.project_key}/{role.name}", sections)


def _section(keys: Iterable[str], mask: Action, users: Iterable[str], groups: Iterable[str]) -> Section:
    if not mask:
        return Section()
    return Section(dict.fromkeys(keys, Covered()), dict.fromkeys(users, mask), dict.fromkeys(groups, mask))


def _is_in(one: Located, role: Role) -> bool:
    return role.type == "ADMIN" or not set(one.environments or (DEV,)).isdisjoint(role.environments)
