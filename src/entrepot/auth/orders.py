"""Which tokens a credential may order: never one that could do more, or last longer, than its user with this credential.

Administrators, with a credential that carries all their rights, may order any token for anybody. All others order for
themselves, with a password or a token of their whole rights, what they may do themselves. Any narrower credential orders
nothing. What is ordered with an API key ends with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from entrepot.access.scopes import Scope, parse_scope
from entrepot.auth import accounts
from entrepot.auth.accounts import Account
from entrepot.auth.standing import USER_SCOPE, Credential
from entrepot.auth.tokens import EVERYWHERE, Order
from entrepot.errors import Denied, Invalid, Unauthenticated
from entrepot.metadata.database import Reads

_LONGEST: Final = {"username": 255, "audience": 255, "description": 1024}  # characters
_YEAR: Final = 31_536_000  # seconds
_MOST: Final = 3_153_600_000  # seconds: a century; "never" is said otherwise


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for; empty and None: the default."""

    username: str = ""
    scope: str = ""
    audience: str = ""
    expires_in: int | None = None  # seconds; 0: never
    refreshable: bool = False
    reference: bool = False
    description: str = ""


class ScopeRefused(Denied):
    """The scope '{scope}' is beyond what this credential may pass on."""


async def order_of(reads: Reads, credential: Credential, wish: Wish, *, default_expiry: int, now: int) -> Order:
    """Return the order for a token that is wished for; `now` in milliseconds. Raises Invalid, Denied, Unauthenticated."""
    if credential.caller.is_anonymous:
        raise Unauthenticated
    for field, most in _LONGEST.items():
        if len(getattr(wish, field)) > most:
            raise Invalid(f"The {field} has at most {most} characters.")
    scope = parse_scope(wish.scope or USER_SCOPE)
    name = wish.username.lower() or credential.caller.name
    account = await accounts.find(reads, name)
    expires_in = _lifetime(wish, default_expiry)
    if not credential.caller.may_administer:
        _own(credential, name, scope)
        most = default_expiry or _YEAR
        wanted = most if wish.expires_in is None else expires_in
        expires_in = _own_lifetime(credential, wanted, refreshable=wish.refreshable, most=most, now=now)
    elif account is None and scope.user:
        raise Invalid(f"The user: '{name[:100]}' doesn't exist")
    if account is not None and account.disabled:
        raise Invalid(f"The user: '{name[:100]}' is disabled")
    return Order(
        name,
        None if account is None else account.id,
        0 if account is None else account.security_epoch,
        scope.text,
        audience=wish.audience or EVERYWHERE,
        expires_in=expires_in,
        refreshable=wish.refreshable,
        reference=wish.reference,
        description=wish.description,
        key=credential.key,
    )


def _lifetime(wish: Wish, default: int) -> int | None:
    if wish.expires_in is None:
        return default or None
    if not 0 <= wish.expires_in <= _MOST:
        raise Invalid("expires_in must be a number of seconds, 0 for a token that does not expire.")
    return wish.expires_in or None


def _own(credential: Credential, name: str, scope: Scope) -> None:
    """Raise Denied unless a user may have a token of this scope for itself."""
    account = credential.account
    if account is None or name != account.name:
        raise Denied("Only administrators may create tokens for others.")
    if not parse_scope(credential.scope).user or not _is_within(scope, account):
        raise ScopeRefused(scope=scope.text)


def _own_lifetime(credential: Credential, wanted: int | None, *, refreshable: bool, most: int, now: int) -> int:
    """Return for how many seconds a user may have a token of its own. Raises Denied."""
    if wanted is None or wanted > most:
        raise Denied(f"Only administrators may create tokens that last longer than {most} seconds.")
    if credential.expires is None:
        return wanted
    if refreshable:
        raise Denied("A credential that expires cannot be exchanged for one that can be refreshed.")
    return max(min(wanted, (credential.expires - now) // 1000), 1)


def _is_within(scope: Scope, account: Account) -> bool:
    groups = {group.lower() for group in scope.groups}
    return not (scope.admin or scope.roles or scope.system) and groups <= set(account.groups)
