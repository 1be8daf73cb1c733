"""Who asks: an identity, the groups that count for it, and the ceiling of the credential that it came with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from entrepot.access.actions import NOTHING, Action
from entrepot.access.scopes import UNLIMITED, Ceiling

How = Literal["anonymous", "basic", "jwt", "docker", "reference", "api-key"]


@dataclass(frozen=True, slots=True)
class DockerAccess:
    """One repository that a Docker token was asked for, by the name that its client used."""

    name: str
    actions: Action


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Equal callers may do equal things, so it can be a key of caches."""

    name: str
    user_id: int | None
    groups: frozenset[str] = frozenset()
    is_admin: bool = False
    is_anonymous: bool = False
    ceiling: Ceiling = UNLIMITED
    token_id: str | None = None
    how: How = "basic"
    own_rights: bool = True  # False: a token that carries the rights of groups only
    access: tuple[DockerAccess, ...] = ()  # of a Docker token: what it is bound to; empty: not bound

    @property
    def may_administer(self) -> bool:
        """Whether it acts with an administrator's rights: the user has them, and the credential carries them."""
        return self.is_admin and self.ceiling.admin and self.how != "docker"

    @property
    def principals(self) -> frozenset[str]:
        """The names that permission targets grant to: `u:<user>`, `g:<group>`."""
        groups = frozenset(f"g:{group}" for group in self.groups)
        return groups | {f"u:{self.name}"} if self.own_rights else groups

    def is_bound_to(self, name: str, action: Action) -> bool:
        """Whether a Docker token was bought for an action on an image; any other credential is bound to nothing.

        `name` is the image with its repository's key. Clients of the sub-domain and port methods know it without.
        """
        if not self.access:
            return True
        short = name.partition("/")[2]
        held = NOTHING
        for entry in self.access:
            if entry.name in (name, short):
                held |= entry.actions
        return action & held == action

    def by_identity(self) -> Caller:
        """Return the caller without what a Docker token is bound to: for the source of a mount."""
        return replace(self, access=()) if self.access else self


ANONYMOUS = Caller("anonymous", None, is_anonymous=True, how="anonymous")
