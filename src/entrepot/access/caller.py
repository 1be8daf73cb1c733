"""Who asks: an identity, the groups that count for it, and the ceiling of the credential that it came with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from entrepot.access.actions import Action
from entrepot.access.scopes import UNLIMITED, Ceiling

How = Literal["anonymous", "basic", "encrypted", "session", "jwt", "docker", "reference", "api-key"]


CATALOG = "registry:catalog"
"""What a Docker token is asked for that lists images; no repository can have this name."""


@dataclass(frozen=True, slots=True)
class DockerAccess:
    """One repository, or `CATALOG`, that a Docker token was asked for, by the name that its client used."""

    name: str
    actions: Action


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Equal callers may do equal things, so it can be a key of caches.

    `groups` are those whose rights count: an account's present ones, or what a narrower credential leaves of them.
    """

    name: str
    user_id: int | None
    groups: frozenset[str] = frozenset()
    is_admin: bool = False  # of the identity; whether it acts as an administrator: `may_administer`
    is_anonymous: bool = False
    ceiling: Ceiling = UNLIMITED
    token_id: str | None = None
    how: How = "basic"
    own_rights: bool = True  # False: what targets grant to the name does not count, only what they grant to groups
    access: tuple[DockerAccess, ...] | None = None  # of a Docker token: all that it may be used for; None: of no other

    @property
    def is_whole(self) -> bool:
        """Whether the credential carries all that its owner may do: what is less leaves nothing that outlasts it."""
        return self.ceiling.admin and self.how != "docker"

    @property
    def may_administer(self) -> bool:
        """Whether it acts with an administrator's rights: the user has them, and the credential carries them."""
        return self.is_admin and self.is_whole

    @property
    def granted_name(self) -> str | None:
        """The name under which permission targets grant to it; None when its name grants nothing.

        A name tells users apart only while an account stands behind it, so a token for a subject without one gains nothing
        when a user of that name comes along.
        """
        return self.name if self.own_rights and (self.user_id is not None or self.is_anonymous) else None

    def is_bound_to(self, name: str, action: Action) -> bool:
        """Whether a Docker token was bought for an action on an image, or for reading `CATALOG`; others are for everything.

        `name` is the image with its repository's key. Clients of the sub-domain and port methods know it without. To be
        asked for the image that a request addresses; whatever else it touches is judged by identity.
        """
        if self.access is None:
            return True
        short = name.partition("/")[2]
        missing = int(action)  # plain numbers: the operators of flags cost a microsecond each
        for entry in self.access:
            if entry.name in (name, short):
                missing &= ~int(entry.actions)
        return not missing

    def by_identity(self) -> Caller:
        """Return the caller without what a Docker token is bound to: for the source of a mount."""
        return replace(self, access=None) if self.access is not None else self


ANONYMOUS = Caller("anonymous", None, is_anonymous=True, how="anonymous")
