"""What a credential may at most do: token scopes as a value, and the ceiling that they make.

A scope is text of entries separated by spaces (reference C7). A ceiling never adds rights: `decide` asks it first, then the
rules. Ceilings of a chain of credentials (a Docker token bought with an access token) are laid upon each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from entrepot.access.actions import SCOPE_LETTERS, Action, mask
from entrepot.access.patterns import PatternSet
from entrepot.errors import Invalid

MAX_SCOPE = 500  # characters, as upstream

_ENTRY = re.compile(r'(?:[^\s"]|"[^"]*")+')
_GROUPS = re.compile(r"(?:applied-permissions/groups|member-of-groups):(.+)")
_ROLES = re.compile(r"applied-permissions/roles:([^:]+):(.+)")
_ADMIN = re.compile(r"(?:jfrt|jfac)@[^:\s]+:admin")
_ARTIFACT = re.compile(r"artifact:([^/:]+)(?:/(.*))?:([^:]+)")
_SYSTEM = re.compile(r"system:[a-z/-]+:[a-z,*]+")


class ScopeInvalid(Invalid):
    """The scope is not valid: {entry}"""


@dataclass(frozen=True, slots=True)
class ArtifactScope:
    """`artifact:<repository>[/<path pattern>]:<actions>`."""

    repository: str
    patterns: PatternSet
    actions: Action

    def allows(self, action: Action, key: str, path: str, *, folder: bool) -> bool:
        """Whether it covers the action there."""
        if action & ~self.actions or self.repository not in ("*", key):
            return False
        return self.patterns.accepts(path, folder=folder, start=folder)


@dataclass(frozen=True, slots=True)
class Scope:
    """A token's scope. All fields together are a union."""

    text: str
    user: bool = False  # whatever the user may do at the time
    admin: bool = False
    groups: frozenset[str] = frozenset()  # what these groups may do
    all_groups: bool = False  # what the user's groups may do
    roles: tuple[tuple[str, str], ...] = ()
    artifacts: tuple[ArtifactScope, ...] = ()
    system: frozenset[str] = frozenset()


def parse_scope(text: str) -> Scope:
    """Read a scope. Raises ScopeInvalid."""
    if len(text) > MAX_SCOPE:
        raise ScopeInvalid(f"A scope has at most {MAX_SCOPE} characters.")
    scope = Scope(text)
    for entry in _ENTRY.findall(text):
        scope = _with(scope, entry)
    if scope == Scope(text):
        raise ScopeInvalid(entry=ascii(text[:100]))
    return scope


def _with(scope: Scope, entry: str) -> Scope:
    if entry == "applied-permissions/user":
        return replace(scope, user=True)
    if entry == "applied-permissions/admin" or _ADMIN.fullmatch(entry):
        return replace(scope, admin=True)
    if entry == "api:*":
        return replace(scope, system=scope.system | {entry})
    if found := _GROUPS.fullmatch(entry):
        names = _names(found[1])
        return replace(scope, all_groups=True) if names == {"*"} else replace(scope, groups=scope.groups | names)
    if found := _ROLES.fullmatch(entry):
        return replace(scope, roles=(*scope.roles, *((found[1], role) for role in sorted(_names(found[2])))))
    if found := _ARTIFACT.fullmatch(entry):
        actions = mask(found[3].split(","), SCOPE_LETTERS)
        one = ArtifactScope(found[1], PatternSet.of(found[2] or "**"), actions)
        return replace(scope, artifacts=(*scope.artifacts, one))
    if _SYSTEM.fullmatch(entry):
        return replace(scope, system=scope.system | {entry})
    raise ScopeInvalid(entry=ascii(entry[:100]))


def _names(text: str) -> frozenset[str]:
    return frozenset(name for part in text.split(",") if (name := part.strip().strip('"')))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a credential may do: every limit must have an entry that allows it. No limits: no ceiling."""

    limits: tuple[tuple[ArtifactScope, ...], ...] = ()
    admin: bool = True  # whether an administrator may administer with it; content is bound by the limits alone

    def allows(self, action: Action, key: str, path: str, *, folder: bool = False) -> bool:
        """Whether an action on a path of a repository stays below."""
        return all(any(entry.allows(action, key, path, folder=folder) for entry in limit) for limit in self.limits)

    def narrow(self, other: Ceiling) -> Ceiling:
        """Return both ceilings laid upon each other."""
        return Ceiling(self.limits + other.limits, self.admin and other.admin)


UNLIMITED = Ceiling()


def ceiling_of(scope: Scope) -> Ceiling:
    """Return the ceiling of a scope; groups and the user's own rights are the caller's principals, not a limit here."""
    if scope.admin:
        return UNLIMITED
    if scope.user or scope.groups or scope.all_groups or scope.roles:
        return Ceiling((), admin=scope.user)
    return Ceiling((scope.artifacts,), admin=False)
