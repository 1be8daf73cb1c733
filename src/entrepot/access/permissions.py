"""Permission targets, and the rules that they make: compiled once per change, asked many times per request.

Purely additive: whoever holds an action by any target that covers the repository and accepts the path has it. A target
holds for the repositories that it names, a remote one by its key or as `<key>-cache`, and for the classes ANY (all but
virtual ones), ANY LOCAL, ANY REMOTE and ANY DISTRIBUTION. Repositories of build-info and of release bundles have
sections of their own, where ANY means all of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from entrepot.access.actions import NOTHING, Action
from entrepot.access.coverage import NOWHERE, Coverage
from entrepot.access.patterns import PatternSet, Place

ANY, ANY_LOCAL, ANY_REMOTE, ANY_DISTRIBUTION = "ANY", "ANY LOCAL", "ANY REMOTE", "ANY DISTRIBUTION"
ARTIFACT, BUILD, RELEASE_BUNDLE = "artifact", "build", "release_bundle"
RESOURCE_TYPES: Final = (ARTIFACT, BUILD, RELEASE_BUNDLE, "destination", "pipeline_source")
CACHE: Final = "-cache"

_SECTION_OF: Final = {"buildinfo": BUILD, "releasebundles": RELEASE_BUNDLE}  # by package type; all others: artifact
_CLASSES_OF: Final = {
    "local": (ANY, ANY_LOCAL),
    "federated": (ANY, ANY_LOCAL),
    "remote": (ANY, ANY_REMOTE),
    "distribution": (ANY, ANY_DISTRIBUTION),
}
_MOST_HELD: Final = 50_000  # (caller, repositories) pairs whose coverage is remembered
_MOST_PATTERNS: Final = 500_000  # patterns in all that is remembered


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """What the decision knows of a repository. An unknown key is judged as a local one that nobody listed."""

    key: str
    rclass: str  # local, remote, virtual, federated, distribution
    package_type: str = ""
    reserved: bool = False  # administrators only: trash, support bundles

    @property
    def names(self) -> tuple[str, ...]:
        """What targets and scopes may call it: what a remote repository keeps is also known as `<key>-cache`."""
        if self.rclass != "remote":
            return (self.key,)
        key = self.key.removesuffix(CACHE)
        return key, f"{key}{CACHE}"


@dataclass(frozen=True, slots=True)
class Covered:
    """The patterns of one target repository (or ANY ...) within a section, as they were written."""

    includes: tuple[str, ...] = ("**",)
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """The rights over one type of resource: what it covers, and who may do what there."""

    targets: Mapping[str, Covered] = field(default_factory=dict)
    users: Mapping[str, Action] = field(default_factory=dict)
    groups: Mapping[str, Action] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PermissionTarget:
    """A named set of grants: sections by resource type (`RESOURCE_TYPES`), the Access v3 shape."""

    name: str
    sections: Mapping[str, Section] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Grant:
    """What one target grants on one of the repositories that it names."""

    number: int
    patterns: PatternSet
    users: Mapping[str, int]
    groups: Mapping[str, int]

    def held_by(self, user: str | None, groups: frozenset[str]) -> int:
        held = self.users.get(user, 0) if user is not None else 0
        if not groups.isdisjoint(self.groups):
            for group, mask in self.groups.items():
                if group in groups:
                    held |= mask
        return held


@dataclass(frozen=True, slots=True)
class Principals:
    """Who may do something."""

    users: Mapping[str, Action]
    groups: Mapping[str, Action]


class Rules:
    """What all targets together grant, as of one version of the configuration; build it anew when a target changes.

    Coverages are worked out when they are first asked for and shared by all callers who hold the same grants. What is
    remembered is bounded: when it is full, it starts over. May be asked from several threads.
    """

    def __init__(self, targets: Iterable[PermissionTarget] = (), *, anonymous: bool = False) -> None:
        """Raises PatternInvalid."""
        self.anonymous = anonymous  # whether anonymous callers are let in at all
        self._grants: dict[str, dict[str, list[_Grant]]] = {}
        self._held: dict[tuple[object, ...], Coverage] = {}
        self._shared: dict[tuple[tuple[int, int], ...], Coverage] = {}
        self._patterns = 0
        number = 0
        for target in targets:
            for kind, section in target.sections.items():
                users, groups = _masks(section.users), _masks(section.groups)
                for key, covered in section.targets.items():
                    number += 1
                    grant = _Grant(number, _pattern_set(covered), users, groups)
                    self._grants.setdefault(kind, {}).setdefault(key, []).append(grant)

    def coverage(self, user: str | None, groups: frozenset[str], repository: RepositoryFacts) -> Coverage:
        """Return what a user (None: of no name) who counts for these groups may do where in a repository."""
        if repository.rclass == "virtual":  # its members are judged instead
            return NOWHERE
        kind = _SECTION_OF.get(repository.package_type.lower(), ARTIFACT)
        listed = self._grants.get(kind)
        if listed is None:
            return NOWHERE
        # Keys that no target names share one entry, so asking for names at random cannot fill the memory.
        keys = tuple(key for key in (*repository.names, *_CLASSES_OF.get(repository.rclass, ())) if key in listed)
        asked = (user, groups, kind, keys)
        found = self._held.get(asked)
        if found is None:
            found = self._work_out(user, groups, [grant for key in keys for grant in listed[key]])
            self._held[asked] = found
        return found

    def principals(self, repository: RepositoryFacts, path: str, *, folder: bool = False) -> Principals:
        """Return who may do what at a path by these targets: users, and groups; administrators stand above them."""
        kind, place = _SECTION_OF.get(repository.package_type.lower(), ARTIFACT), Place.of(path)
        users: dict[str, Action] = {}
        groups: dict[str, Action] = {}
        listed = self._grants.get(kind, {})
        for key in (*repository.names, *_CLASSES_OF.get(repository.rclass, ())):
            for grant in listed.get(key, ()):
                for held, found in ((grant.users, users), (grant.groups, groups)):
                    for name, mask in held.items():
                        allowed = Coverage(((grant.patterns, mask),)).at(place, mask, folder=folder)
                        found[name] = found.get(name, NOTHING) | Action(allowed)
        return Principals(*({name: held for name, held in sorted(found.items()) if held and "\0" not in name}
                            for found in (users, groups)))  # fmt: skip

    def _work_out(self, user: str | None, groups: frozenset[str], grants: list[_Grant]) -> Coverage:
        held = [(grant, mask) for grant in grants if (mask := grant.held_by(user, groups))]
        same = tuple((grant.number, mask) for grant, mask in held)
        if len(self._held) >= _MOST_HELD or self._patterns >= _MOST_PATTERNS:
            self._held.clear()
            self._shared.clear()
            self._patterns = 0
        found = self._shared.get(same)
        if found is None:
            found = Coverage((grant.patterns, mask) for grant, mask in held)
            self._shared[same] = found
            self._patterns += found.patterns
        return found


@lru_cache(maxsize=16384)
def _pattern_set(covered: Covered) -> PatternSet:
    """Compile patterns once, however often the rules are built anew."""
    return PatternSet(covered.includes, covered.excludes)


def _masks(granted: Mapping[str, Action]) -> dict[str, int]:
    return {name: int(actions) for name, actions in granted.items()}
