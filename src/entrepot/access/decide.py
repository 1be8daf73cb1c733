"""The one access decision: pure and total. Everything that a caller gets to see or change has passed through here."""

from __future__ import annotations

import enum

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.access.permissions import RepositoryFacts, Rules

__all__ = ["RepositoryFacts", "Verdict", "decide", "decides_all"]


class Verdict(enum.Enum):
    """The outcome of a decision."""

    ALLOWED = "allowed"
    LOGIN = "login"  # anonymous, and refused: 401 with a challenge, whether or not the thing exists
    DENIED = "denied"
    OUT_OF_SCOPE = "out of scope"  # the caller might, but not with this credential


def decide(
    caller: Caller, action: Action, repository: RepositoryFacts, path: str, *, rules: Rules, folder: bool = False
) -> Verdict:
    """Judge one action on one path (relative to the repository, no leading slash; the root is empty).

    The credential's ceiling binds administrators too. A folder may be read, and made, by whoever may do so with anything
    below it.
    """
    if caller.is_anonymous and not rules.anonymous:
        return Verdict.LOGIN
    if not caller.ceiling.allows(action, repository.key, path, folder=folder):
        return Verdict.OUT_OF_SCOPE
    if caller.is_admin:
        return Verdict.ALLOWED
    if not repository.reserved and rules.allow(caller.principals, action, repository, path, folder=folder):
        return Verdict.ALLOWED
    return Verdict.LOGIN if caller.is_anonymous else Verdict.DENIED


def decides_all(caller: Caller, action: Action, repository: RepositoryFacts, folder: str, rules: Rules) -> bool | None:
    """Judge everything below a folder at once: True all allowed, False nothing, None: each path needs a decision."""
    if caller.is_anonymous and not rules.anonymous:
        return False
    if caller.ceiling.limits:
        return None
    if caller.is_admin:
        return True
    if repository.reserved:
        return False
    return rules.allow_all(caller.principals, action, repository, folder)
