"""From an account and a scope to a caller: what a credential makes of its user.

A token never exceeds its owner nor its scope. One for a user follows what the user may do at the time; one for groups
carries the rights of those groups alone, of which its user must be a member (administrators may stand in for any). One
whose subject is no user here was made by an administrator and carries exactly its scope.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from entrepot.access.actions import DOCKER_VERBS, NOTHING, Action
from entrepot.access.caller import ANONYMOUS, Caller, DockerAccess, How
from entrepot.access.scopes import Scope, ceiling_of
from entrepot.auth.accounts import Account
from entrepot.auth.jwt import Entry

USER_SCOPE = "applied-permissions/user"
NO_RIGHTS = "api:*"


@dataclass(frozen=True, slots=True)
class Credential:
    """A caller, and what another credential that is bought with this one must not exceed."""

    caller: Caller
    scope: str = USER_SCOPE
    account: Account | None = None
    expires: int | None = None  # milliseconds; None: never
    parent: str | None = None  # the token that it is
    until: int | None = None  # milliseconds; when whoever vouches for the user has to be asked again; None: nobody does
    key: str | None = None  # the API key that it is, or ends with (`api_keys.ident`)


def of_guest(caller: Caller, until: int) -> Credential:
    """Return the credential of a user without an account here, who has the rights of groups and nothing else.

    What is bought with it says so in its scope, for nothing else will know.
    """
    names = ",".join(f'"{name}"' for name in sorted(caller.groups))
    return Credential(caller, f"applied-permissions/groups:{names}" if names else NO_RIGHTS, until=until)


NOBODY = Credential(ANONYMOUS, "")


def by_password(account: Account, *, how: How = "basic") -> Caller:
    """Return the caller that a user is with all its rights."""
    return Caller(account.name, account.id, frozenset(account.groups), is_admin=account.is_admin, how=how)


def by_token(account: Account | None, name: str, scope: Scope, *, token_id: str | None, how: How) -> Caller:
    """Return the caller that a scope makes of a user; `account` is None for a subject that is no user here."""
    if account is None:
        caller = _transient(name, scope)
    elif scope.user or scope.admin or scope.roles:  # a role is a ceiling over what its owner may do
        caller = by_password(account)
    elif _of_groups(scope):
        caller = _for_groups(account, scope)
    else:
        caller = by_password(account)
    return replace(caller, ceiling=ceiling_of(scope), token_id=token_id, how=how)


def bound_to(caller: Caller, access: Iterable[Entry]) -> Caller:
    """Return the caller bound to what a Docker token was bought for: without entries it only tells who asks."""
    return replace(caller, access=tuple(_docker_access(entry) for entry in access), how="docker")


def anonymous_docker() -> Caller:
    """Return who comes with a Docker token that was given without credentials."""
    return replace(ANONYMOUS, how="docker")


def _transient(name: str, scope: Scope) -> Caller:
    everything = scope.admin or (bool(scope.artifacts) and not (scope.user or _of_groups(scope)))
    groups = frozenset(group.lower() for group in scope.groups) | scope.role_groups
    return Caller(name, None, groups, is_admin=everything, own_rights=False)


def _for_groups(account: Account, scope: Scope) -> Caller:
    groups = frozenset(group.lower() for group in scope.groups)
    if not account.is_admin:
        groups &= frozenset(account.groups)
    if scope.all_groups:
        groups |= frozenset(account.groups)
    return Caller(account.name, account.id, groups, own_rights=False)


def _of_groups(scope: Scope) -> bool:
    return bool(scope.groups or scope.all_groups or scope.roles)


def _docker_access(entry: Entry) -> DockerAccess:
    """A name that no image can have stands for what is not a repository, of which the catalog alone can be used."""
    held = NOTHING
    if entry.type != "repository":
        return DockerAccess(f"{entry.type}:{entry.name}", Action.READ if "*" in entry.actions else held)
    for verb in entry.actions:
        held |= DOCKER_VERBS.get(verb, NOTHING)
    return DockerAccess(entry.name, held)
