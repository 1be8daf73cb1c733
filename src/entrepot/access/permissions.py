"""Permission targets, and the rules that they make: compiled once per change, asked many times per request.

Purely additive: whoever holds an action by any target that covers the repository and accepts the path has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from entrepot.access.actions import NOTHING, Action
from entrepot.access.patterns import PatternSet

ANY, ANY_LOCAL, ANY_REMOTE, ANY_DISTRIBUTION = "ANY", "ANY LOCAL", "ANY REMOTE", "ANY DISTRIBUTION"
_CACHE = "-cache"
_OUTSIDE_ANY = frozenset({"buildinfo", "releasebundles"})  # have sections of their own
_HELD = 4096  # (principals, repository) pairs whose grants are kept sorted out


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """What the decision knows of a repository. An unknown key is judged as a local one that nobody listed."""

    key: str
    rclass: str  # local, remote, virtual, federated, distribution
    package_type: str = ""
    reserved: bool = False  # administrators only: trash, support bundles


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
    """A named set of grants. Sections by resource type: artifact, build, release_bundle, destination, pipeline_source."""

    name: str
    sections: Mapping[str, Section] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Grant:
    patterns: PatternSet
    users_and_groups: Mapping[str, Action]

    def held_by(self, principals: frozenset[str]) -> Action:
        held = NOTHING
        for principal in principals:
            held |= self.users_and_groups.get(principal, NOTHING)
        return held


class Rules:
    """What all targets together grant. Immutable; built anew when a target changes."""

    def __init__(self, targets: Iterable[PermissionTarget] = (), *, anonymous: bool = False) -> None:
        self.anonymous = anonymous  # whether anonymous callers are let in at all
        by_target: dict[str, list[_Grant]] = {}
        for target in targets:
            section = target.sections.get("artifact")
            if section is None:
                continue
            who = MappingProxyType(
                {f"u:{name}": held for name, held in section.users.items()}
                | {f"g:{name}": held for name, held in section.groups.items()}
            )
            for key, covered in section.targets.items():
                grant = _Grant(PatternSet.of(covered.includes, covered.excludes), who)
                by_target.setdefault(key, []).append(grant)
        self._by_target = by_target
        self._held = lru_cache(maxsize=_HELD)(self._sorted_out)

    def allow(
        self,
        principals: frozenset[str],
        action: Action,
        repository: RepositoryFacts,
        path: str,
        *,
        folder: bool = False,
    ) -> bool:
        """Whether some target grants the action on the path; a folder may be read and made on the way to such a path."""
        start = folder and action in (Action.READ, Action.DEPLOY)
        return any(
            held & action and patterns.accepts(path, folder=folder, start=start)
            for patterns, held in self._held(principals, repository)
        )

    def allow_all(
        self, principals: frozenset[str], action: Action, repository: RepositoryFacts, folder: str
    ) -> bool | None:
        """Return True when everything below the folder is granted, False when nothing is, None when each must be judged."""
        grants = [patterns for patterns, held in self._held(principals, repository) if held & action]
        if any(patterns.covers(folder) for patterns in grants):
            return True
        if not any(patterns.accepts(folder, folder=True, start=True) for patterns in grants):
            return False
        return None

    def _sorted_out(
        self, principals: frozenset[str], repository: RepositoryFacts
    ) -> tuple[tuple[PatternSet, Action], ...]:
        """Return what these principals hold on a repository, wide patterns first."""
        grants = [grant for key in _covering(repository) for grant in self._by_target.get(key, ())]
        held = [(grant.patterns, grant.held_by(principals)) for grant in grants]
        return tuple(sorted((one for one in held if one[1]), key=lambda one: not one[0].everything))


def _covering(repository: RepositoryFacts) -> list[str]:
    keys = [repository.key]
    if repository.reserved or repository.package_type in _OUTSIDE_ANY:
        return keys
    if repository.rclass == "remote":
        return [*keys, f"{repository.key}{_CACHE}", ANY, ANY_REMOTE]  # targets may name what it keeps
    if repository.rclass in {"distribution", "releaseBundles"}:
        return [*keys, ANY_DISTRIBUTION]
    return [*keys, ANY, ANY_LOCAL]
