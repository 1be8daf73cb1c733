"""The one access decision: pure and total. Everything that a caller gets to see or change has passed through here.

What the identity may do (everything for an administrator, else what the rules grant to its name and groups), and of
that what each scope of the credential's ceiling leaves. A reserved repository is for those who may administer, and what
comes into it comes by itself: nobody deploys there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from entrepot.access.actions import EVERY_ACTION, Action
from entrepot.access.caller import Caller
from entrepot.access.coverage import EVERYWHERE, NOWHERE, Coverage, Span
from entrepot.access.patterns import PatternSet, Place
from entrepot.access.permissions import RepositoryFacts, Rules
from entrepot.access.scopes import Scope

__all__ = ["RepositoryFacts", "Verdict", "decide", "decides_all"]

_ALL = int(EVERY_ACTION)
_RESERVED = Coverage(((PatternSet(), int(EVERY_ACTION & ~Action.DEPLOY)),))


class Verdict(enum.Enum):
    """The outcome of a decision."""

    ALLOWED = "allowed"
    LOGIN = "login"  # anonymous, and refused: 401 with a challenge, whether or not the thing exists
    DENIED = "denied"
    OUT_OF_SCOPE = "out of scope"  # the identity may, but not with this credential


def decide(
    caller: Caller, action: Action, repository: RepositoryFacts, path: str, *, rules: Rules, folder: bool = False
) -> Verdict:
    """Judge one action, or several of which all are needed, on one path.

    The path is relative to the repository, without a leading slash; the root is empty. A folder may be read, and made,
    by whoever may do so with anything that could lie below it.
    """
    place, need = Place.of(path), int(action)
    if not need or _of_identity(caller, repository, rules).at(place, need, folder=folder) != need:
        return Verdict.LOGIN if caller.is_anonymous else Verdict.DENIED

    def measure(coverage: Coverage) -> Span:
        allowed = coverage.at(place, need, folder=folder)
        return allowed, allowed

    if caller.ceiling.scopes and need & ~_of_ceiling(caller, repository, rules, measure)[0]:
        return Verdict.LOGIN if caller.is_anonymous else Verdict.OUT_OF_SCOPE
    return Verdict.ALLOWED


def decides_all(caller: Caller, action: Action, repository: RepositoryFacts, folder: str, rules: Rules) -> bool | None:
    """Judge everything below a folder at once: True all allowed, False nothing, None: each path needs a decision."""
    need = int(action)

    def measure(coverage: Coverage) -> Span:
        return coverage.below(folder)

    sure, possible = measure(_of_identity(caller, repository, rules))
    if caller.ceiling.scopes:
        left = _of_ceiling(caller, repository, rules, measure)
        sure, possible = sure & left[0], possible & left[1]
    if not need or need & ~possible:
        return False
    return None if need & ~sure else True


def _of_identity(caller: Caller, repository: RepositoryFacts, rules: Rules) -> Coverage:
    if repository.reserved:
        return _RESERVED if caller.may_administer else NOWHERE
    if caller.is_admin:
        return EVERYWHERE
    if caller.is_anonymous and not rules.anonymous:
        return NOWHERE
    return rules.coverage(caller.granted_name, caller.groups, repository)


def _of_ceiling(caller: Caller, repository: RepositoryFacts, rules: Rules, measure: Callable[[Coverage], Span]) -> Span:
    """Return what all scopes leave; the entries of each add up."""
    sure = possible = _ALL
    for scope in caller.ceiling.scopes:
        surely = maybe = 0
        for coverage in _of_scope(scope, caller, repository, rules):
            one, other = measure(coverage)
            surely, maybe = surely | one, maybe | other
        sure, possible = sure & surely, possible & maybe
    return sure, possible


def _of_scope(scope: Scope, caller: Caller, repository: RepositoryFacts, rules: Rules) -> list[Coverage]:
    if scope.whole:
        return [EVERYWHERE]
    found = scope.over(repository.names)
    if groups := scope.groups_of(caller.groups):
        found.append(rules.coverage(None, groups, repository))
    return found
