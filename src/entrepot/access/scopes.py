"""What a credential may at most do: token scopes as a value, and the ceiling that they make.

A scope is text of entries with spaces between (reference C7), which add up:

    applied-permissions/user               whatever the user may do at the time
    applied-permissions/admin              likewise, and jfrt@<id>:admin
    applied-permissions/groups:a,"b c"     what these groups may do at the time; likewise member-of-groups:a,b
    member-of-groups:*                     what the user's groups may do
    applied-permissions/roles:<project>:r  what these roles of a project may do at the time
    artifact:<repository>[/<path>]:r,w     actions on a path and all below it, or on what an Ant pattern fits; * is any
    system:<what>:r                        a door of the system's own, not content
    api:*                                  nothing by itself; every token may use the API

A ceiling adds no rights. Each of its scopes must allow what is done, so a chain of credentials (a Docker token bought
with an access token) is a ceiling of several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from entrepot.access.actions import SCOPE_LETTERS, Action, mask
from entrepot.access.coverage import Coverage
from entrepot.access.patterns import PatternSet
from entrepot.errors import Invalid

MAX_SCOPE = 500  # characters, as upstream

_ENTRY = re.compile(r'(?:[^\s"]|"[^"]*")+')
_NAME = re.compile(r'"([^"]*)"|([^",]+)')
_NAMES = re.compile(r'(?:"[^"]+"|[^",]+)(?:,(?:"[^"]+"|[^",]+))*')
_GROUPS = re.compile(r"(?:applied-permissions/groups|member-of-groups):(.+)", re.DOTALL)
_ROLES = re.compile(r"applied-permissions/roles:([^:]+):(.+)", re.DOTALL)
_ADMIN = re.compile(r"(?:jfrt|jfac)@[^:\s]+:admin")
_ARTIFACT = re.compile(r"artifact:([^/:,]+)(?:/([^,]*))?:([^:/]+)")
_SYSTEM = re.compile(r"(system:[a-z/_-]+):([a-z,]+|\*)")


class ScopeInvalid(Invalid):
    """The scope is not valid: {entry}"""


@dataclass(frozen=True, slots=True)
class ArtifactScope:
    """`artifact:<repository>[/<path>]:<actions>`."""

    repository: str
    patterns: PatternSet
    actions: Action
    coverage: Coverage = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "coverage", Coverage(((self.patterns, int(self.actions)),)))


@dataclass(frozen=True, slots=True)
class Scope:
    """A token's scope, its text kept as it came. All fields together are a union."""

    text: str
    user: bool = False  # whatever the user may do
    admin: bool = False
    groups: frozenset[str] = frozenset()  # what these groups may do; lower-case
    all_groups: bool = False  # what the user's groups may do
    roles: tuple[tuple[str, str], ...] = ()  # project and role
    artifacts: tuple[ArtifactScope, ...] = ()
    system: frozenset[str] = frozenset()  # `system:<what>:<letter>` each

    @property
    def whole(self) -> bool:
        """Whether it leaves its owner all rights."""
        return self.user or self.admin

    def groups_of(self, groups: frozenset[str]) -> frozenset[str]:
        """Return those of the owner's groups that count, and what stands for roles of projects."""
        return (groups if self.all_groups else self.groups & groups) | self.role_groups

    @property
    def role_groups(self) -> frozenset[str]:
        """What stands for its roles of projects in the rules."""
        return frozenset(role_group(*role) for role in self.roles)

    def over(self, names: Collection[str]) -> list[Coverage]:
        """Return what its entries for artifacts cover in a repository of these names."""
        return [one.coverage for one in self.artifacts if one.repository == "*" or one.repository in names]


def parse_scope(text: str) -> Scope:
    """Read a scope. Raises ScopeInvalid for anything in it that is not understood, and when nothing is in it."""
    if len(text) > MAX_SCOPE:
        raise ScopeInvalid(f"A scope has at most {MAX_SCOPE} characters.")
    entries = _ENTRY.findall(text)
    if not entries or _ENTRY.sub("", text).strip():
        raise ScopeInvalid(entry=ascii(text[:100]))
    scope = Scope(text)
    for entry in entries:
        scope = _with(scope, entry)
    return scope


def _with(scope: Scope, entry: str) -> Scope:
    if entry == "applied-permissions/user":
        return replace(scope, user=True)
    if entry == "applied-permissions/admin" or _ADMIN.fullmatch(entry):
        return replace(scope, admin=True)
    if entry == "api:*":
        return scope
    if found := _SYSTEM.fullmatch(entry):  # `r,w` and `crud` are both in use
        return replace(scope, system=scope.system | {f"{found[1]}:{letter}" for letter in found[2] if letter != ","})
    if found := _GROUPS.fullmatch(entry):
        if found[1] == "*":
            return replace(scope, all_groups=True)
        return replace(scope, groups=scope.groups | {name.lower() for name in _names(found[1], entry)})
    if found := _ROLES.fullmatch(entry):
        return replace(scope, roles=(*scope.roles, *((found[1], role) for role in _names(found[2], entry))))
    if found := _ARTIFACT.fullmatch(entry):
        actions = mask(found[3].split(","), SCOPE_LETTERS)
        return replace(scope, artifacts=(*scope.artifacts, ArtifactScope(found[1], _region(found[2]), actions)))
    raise ScopeInvalid(entry=ascii(entry[:100]))


def without(text: str, gone: Callable[[str, str], bool]) -> str:
    """Return a scope without the groups and roles that are gone; empty if it is no narrower one then.

    `gone` is asked with a project and a name, folded; the project of a group is "". A scope whose last group or role goes
    would not be bound to groups any more, and could be more than before.
    """
    entries = _ENTRY.findall(text)
    left = [kept for entry in entries if (kept := _entry_without(entry, gone))]
    if left == entries:
        return text
    scope = parse_scope(" ".join(left)) if left else Scope("")
    bound = scope.whole or scope.groups or scope.all_groups or scope.roles
    return scope.text if bound else ""


def named(text: str) -> set[tuple[str, str]]:
    """Return what `without` would ask for: the groups and roles in a scope, as projects and names."""
    return {
        (bound[0], _folded(name)) for entry in _ENTRY.findall(text) if (bound := _bound(entry))
        for name in _NAME.finditer(bound[1]) if name[0] != "*"
    }  # fmt: skip


def _entry_without(entry: str, gone: Callable[[str, str], bool]) -> str:
    bound = _bound(entry)
    if bound is None:
        return entry
    project, names = bound
    left = [name[0] for name in _NAME.finditer(names) if not gone(project, _folded(name))]
    return entry.removesuffix(names) + ",".join(left) if left else ""


def _bound(entry: str) -> tuple[str, str] | None:
    """Return the project and the names in an entry of groups or roles."""
    if found := _GROUPS.fullmatch(entry):
        return "", found[1]
    if found := _ROLES.fullmatch(entry):
        return found[1].lower(), found[2]
    return None


def _folded(name: re.Match[str]) -> str:
    return (name[1] or name[2]).lower()


def role_group(project: str, role: str) -> str:
    """Return the group that stands for a role of a project: no group of people can have such a name."""
    return f"\0{project}\0{role}".lower()


def _names(text: str, entry: str) -> list[str]:
    """Read names with commas between, quoted or not; `*` has a meaning only when it stands alone."""
    names = [quoted or bare for quoted, bare in _NAME.findall(text)]
    if not _NAMES.fullmatch(text) or "*" in names:
        raise ScopeInvalid(entry=ascii(entry[:100]))
    return names


def _region(path: str | None) -> PatternSet:
    """Return what a path of a scope stands for: itself and all below, or what it fits when it is a pattern."""
    path = (path or "").rstrip("/")
    if not path:
        return PatternSet()
    return PatternSet((path,)) if re.search(r"[*?{]", path) else PatternSet((path, f"{path}/**"))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a credential may do: each of its scopes must allow it. None at all: no ceiling."""

    scopes: tuple[Scope, ...] = ()

    @property
    def admin(self) -> bool:
        """Whether it leaves an administrator the rights of one."""
        return all(scope.whole for scope in self.scopes)

    def opens(self, door: str) -> bool:
        """Whether it is a key to a door of the system's, as only administrators hand out: "system:metrics:r"."""
        return bool(self.scopes) and all(door in scope.system for scope in self.scopes)


UNLIMITED = Ceiling()


def ceiling_of(scope: Scope) -> Ceiling:
    """Return the ceiling of a scope."""
    return Ceiling((scope,))
