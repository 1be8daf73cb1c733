"""Users as rows: values read from the database, and the changes that a transaction makes to them.

Names are lower-case. An account's `security_epoch` counts up whenever what it was known by must stop to count: a new
password, disabling. Tokens and remembered passwords are bound to account id and epoch, and ids are never reused, so
what belonged to a deleted user does not come back with another one of that name.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from entrepot.auth import admins, api_keys, groups, password_rows, token_rows
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.metadata.database import Duplicate, Reads, Row, Tx
from entrepot.metadata.sql import sql

Status = Literal["enabled", "disabled", "locked"]

ANONYMOUS_NAME: Final = "anonymous"
_RESERVED: Final = frozenset({"_internal", "_system_", "access-admin", "xray"})
_NAME: Final = re.compile(r"[a-z0-9._@-]{1,255}")

_BY_NAME = sql("""
SELECT id, uuid, name, email, password_hash, realm, admin, disabled, security_epoch, profile, last_login,
  password_set, locked
FROM account WHERE name = :name
""")
_BY_ID = sql("""
SELECT id, uuid, name, email, password_hash, realm, admin, disabled, security_epoch, profile, last_login,
  password_set, locked
FROM account WHERE id = :id
""")
_PAGE = sql("""
SELECT name, realm, disabled, locked, CASE WHEN admin = 1 OR EXISTS (
  SELECT 1 FROM membership JOIN team ON team.id = membership.team_id
  WHERE membership.account_id = account.id AND team.admin = 1) THEN 1 ELSE 0 END, email
FROM account WHERE name > :after ORDER BY name LIMIT :limit
""")
_GROUPS_OF = sql("""
SELECT team.name, team.admin FROM membership JOIN team ON team.id = membership.team_id
WHERE membership.account_id = :id ORDER BY team.name
""")
_INSERT = sql("""
INSERT INTO account (uuid, name, email, password_hash, realm, admin, disabled, security_epoch, profile, created,
  password_set)
VALUES (:uuid, :name, :email, :password_hash, :realm, :admin, :disabled, 1, :profile, {now}, {now})
""")
_UPDATE = sql("""
UPDATE account SET email = :email, password_hash = :password_hash, admin = :admin, disabled = :disabled,
  security_epoch = :security_epoch, profile = :profile, locked = :locked,
  password_set = CASE WHEN :renewed = 1 THEN {now} ELSE :password_set END,
  unlocked = CASE WHEN :unlocks = 1 THEN {now} ELSE unlocked END
WHERE id = :id
""")
_DELETE = sql("DELETE FROM account WHERE id = :id")
_REHASH = sql("UPDATE account SET password_hash = :new WHERE id = :id AND password_hash = :old")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that clients set and read back."""

    profile_updatable: bool = True
    disable_ui_access: bool = False
    internal_password_disabled: bool = False
    watch_manager: bool = False
    policy_manager: bool = False
    policy_viewer: bool = False
    reports_manager: bool = False
    manage_resources: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One user."""

    id: int
    uuid: str
    name: str
    email: str
    password_hash: str | None
    realm: str
    admin: bool  # by itself; see `is_admin`
    disabled: bool
    security_epoch: int
    profile: Profile
    last_login: int | None
    groups: tuple[str, ...]  # in alphabetical order
    in_admin_group: bool
    password_set: int | None = None  # milliseconds; 0: it counts as expired; None: before this was written down
    locked: bool = False  # its password does not count until an administrator unlocks it

    @property
    def is_admin(self) -> bool:
        """Whether it administers the platform, by itself or through a group."""
        return self.admin or self.in_admin_group

    @property
    def status(self) -> Status:
        """The word that clients read."""
        return status_of(disabled=self.disabled, locked=self.locked)


@dataclass(frozen=True, slots=True)
class Listed:
    """One user in a list."""

    name: str
    realm: str
    status: Status
    admin: bool  # by itself or through a group
    email: str


def status_of(*, disabled: bool, locked: bool) -> Status:
    """Return the word for it: what an administrator said counts more than what befell."""
    return "disabled" if disabled else "locked" if locked else "enabled"


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of an account; None leaves it as it is."""

    email: str | None = None
    password_hash: str | None = None
    admin: bool | None = None
    disabled: bool | None = None
    profile: Profile | None = None
    groups: tuple[str, ...] | None = None
    locked: bool | None = None
    expired: bool | None = None  # of the password


class AccountUnknown(NotFound):
    """The user: '{name}' doesn't exist"""


class AccountExists(Conflict):
    """User '{name}' already exists"""


def check_name(name: str) -> str:
    """Return a new user's name as it is stored. Raises Invalid."""
    lowered = name.lower()
    if not may_be_name(lowered):
        raise Invalid(
            f"'{name[:100]}' is not a valid user name: it may have lower-case letters, digits and . - _ @, at most 255 of them"
        )
    return lowered


def may_be_name(name: str) -> bool:
    """Whether an account can have a name, which is in lower case."""
    return _NAME.fullmatch(name) is not None and name not in _RESERVED


async def find(reads: Reads, name: str) -> Account | None:
    """Return the account of a name, in any case of letters."""
    row = await reads.row(_BY_NAME, name=name.lower())
    return None if row is None else await _account(reads, row)


async def find_id(reads: Reads, account_id: int) -> Account | None:
    """Return the account with an id."""
    row = await reads.row(_BY_ID, id=account_id)
    return None if row is None else await _account(reads, row)


async def get(reads: Reads, name: str) -> Account:
    """Return the account of a name. Raises AccountUnknown."""
    found = await find(reads, name)
    if found is None:
        raise AccountUnknown(name=name)
    return found


async def page(reads: Reads, *, after: str = "", limit: int = 1000) -> Sequence[Listed]:
    """Return the accounts whose names come after one, in order."""
    return [
        Listed(row[0], row[1], status_of(disabled=bool(row[2]), locked=bool(row[3])), bool(row[4]), row[5])
        for row in await reads.rows(_PAGE, after=after, limit=limit)
    ]


async def create(tx: Tx, name: str, change: Change, *, realm: str = "internal") -> Account:
    """Add an account, and to every group that all new users join. Raises Invalid, AccountExists."""
    name = check_name(name)
    try:
        await tx.execute(
            _INSERT,
            uuid=str(uuid.uuid4()),
            name=name,
            email=change.email or "",
            password_hash=change.password_hash,
            realm=realm,
            admin=int(change.admin or False),
            disabled=int(change.disabled or False),
            profile=packed(change.profile or Profile()),
        )
    except Duplicate:
        raise AccountExists(name=name) from None
    made = await get(tx, name)
    await groups.join(tx, made.id, [*await groups.joined_by_all(tx), *(change.groups or ())])
    return await get(tx, name)


async def alter(tx: Tx, account: Account, change: Change) -> Account:
    """Change an account, which was read in this transaction. Raises LastAdmin, Invalid for an unknown group."""
    disabled = account.disabled if change.disabled is None else change.disabled
    stops = change.password_hash is not None or (disabled and not account.disabled)
    await tx.execute(
        _UPDATE,
        id=account.id,
        email=account.email if change.email is None else change.email,
        password_hash=account.password_hash if change.password_hash is None else change.password_hash,
        admin=int(account.admin if change.admin is None else change.admin),
        disabled=int(disabled),
        security_epoch=account.security_epoch + int(stops),
        profile=packed(change.profile or account.profile),
        locked=int(account.locked if change.locked is None else change.locked),
        unlocks=int(change.locked is False),
        renewed=int(change.password_hash is not None or change.expired is False),
        password_set=0 if change.expired else account.password_set,
    )
    if change.locked is False:
        await password_rows.forgive(tx, account.id)
    if change.groups is not None:
        await groups.leave_all(tx, account.id)
        await groups.join(tx, account.id, change.groups)
    await admins.keep_one(tx)
    return await get(tx, account.name)


async def delete(tx: Tx, account: Account) -> None:
    """Remove an account with its memberships, tokens, and what its API key bought for others.

    Raises LastAdmin, Invalid for the anonymous user.
    """
    if account.name == ANONYMOUS_NAME:
        raise Invalid("The user 'anonymous' cannot be removed.")
    key = await api_keys.find(tx, account.id)
    await tx.execute(_DELETE, id=account.id)
    if key is not None:
        await token_rows.end(tx, key)
    await admins.keep_one(tx)


async def rehash(tx: Tx, account: Account, new: str) -> None:
    """Store the same password under today's parameters, unless it was changed meanwhile."""
    await tx.execute(_REHASH, id=account.id, old=account.password_hash, new=new)


def packed(value: msgspec.Struct) -> str:
    """Return a profile as it is stored."""
    return msgspec.json.encode(value).decode()


async def _account(reads: Reads, row: Row) -> Account:
    memberships: Iterable[Row] = await reads.rows(_GROUPS_OF, id=row[0])
    joined = tuple((str(name), bool(admin)) for name, admin in memberships)
    return Account(
        id=row[0],
        uuid=row[1],
        name=row[2],
        email=row[3],
        password_hash=row[4],
        realm=row[5],
        admin=bool(row[6]),
        disabled=bool(row[7]),
        security_epoch=row[8],
        profile=msgspec.json.decode(row[9], type=Profile),
        last_login=row[10],
        password_set=row[11],
        locked=bool(row[12]),
        groups=tuple(name for name, _ in joined),
        in_admin_group=any(admin for _, admin in joined),
    )
