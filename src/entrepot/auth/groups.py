"""Groups as rows: values read from the database, and what a transaction does to them. Names are lower-case."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.metadata.database import Duplicate, Reads, Row, Tx
from entrepot.metadata.sql import Statement, sql

_NAME: Final = re.compile(r"""[^/\\:|?*"<>\x00-\x1f\x7f]{1,64}""")

_BY_NAME = sql("SELECT id, uuid, name, realm, external_id, admin, auto_join, profile FROM team WHERE name = :name")
_PAGE = sql("""
SELECT id, uuid, name, realm, external_id, admin, auto_join, profile FROM team
WHERE name > :after ORDER BY name LIMIT :limit
""")
_MEMBERS = sql("""
SELECT account.name FROM membership JOIN account ON account.id = membership.account_id
WHERE membership.team_id = :id ORDER BY account.name
""")
_JOINED_BY_ALL = sql("SELECT name FROM team WHERE auto_join = 1 ORDER BY name")
_KNOWN = sql("SELECT id, name FROM team WHERE name {any:names}")
_ACCOUNTS = sql("SELECT id, name FROM account WHERE name {any:names}")
_JOIN = sql("""
INSERT INTO membership (account_id, team_id) VALUES (:account_id, :team_id)
ON CONFLICT (account_id, team_id) DO NOTHING
""")
_LEAVE_ALL = sql("DELETE FROM membership WHERE account_id = :account_id")
_LEAVE = sql("DELETE FROM membership WHERE account_id = :account_id AND team_id {any:teams}")
_EMPTY = sql("DELETE FROM membership WHERE team_id = :id")
_INSERT = sql("""
INSERT INTO team (uuid, name, realm, external_id, admin, auto_join, profile)
VALUES (:uuid, :name, :realm, :external_id, :admin, :auto_join, :profile)
""")
_UPDATE = sql("""
UPDATE team SET realm = :realm, external_id = :external_id, admin = :admin, auto_join = :auto_join, profile = :profile
WHERE id = :id
""")
_DELETE = sql("DELETE FROM team WHERE id = :id")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that clients set and read back."""

    description: str = ""
    realm_attributes: str = ""
    watch_manager: bool = False
    policy_manager: bool = False
    policy_viewer: bool = False
    reports_manager: bool = False
    manage_resources: bool = False
    manage_webhook: bool = False


PLAIN: Final = Profile()


@dataclass(frozen=True, slots=True)
class Group:
    """One group. `id` 0 and `uuid` "" stand for one that is not stored yet."""

    name: str
    realm: str = "internal"
    external_id: str = ""
    admin: bool = False
    auto_join: bool = False
    profile: Profile = PLAIN
    id: int = 0
    uuid: str = ""


class GroupUnknown(NotFound):
    """Group '{name}' does not exist"""


class GroupExists(Conflict):
    """Group '{name}' already exists"""


def check_name(name: str) -> str:
    """Return a new group's name as it is stored. Raises Invalid."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise Invalid(
            f"'{name[:100]}' is not a valid name for a group: 1 to 64 characters, no spaces around them, none of "
            '/ \\ : | ? * " < >'
        )
    return name.lower()


def check(group: Group) -> Group:
    """Return the group if it may be stored. Raises Invalid."""
    if group.admin and group.auto_join:
        raise Invalid("A group with admin privileges cannot be joined automatically by new users.")
    return group


async def find(reads: Reads, name: str) -> Group | None:
    """Return the group of a name, in any case of letters."""
    row = await reads.row(_BY_NAME, name=name.lower())
    return None if row is None else _group(row)


async def get(reads: Reads, name: str) -> Group:
    """Return the group of a name. Raises GroupUnknown."""
    found = await find(reads, name)
    if found is None:
        raise GroupUnknown(name=name)
    return found


async def page(reads: Reads, *, after: str = "", limit: int = 1000) -> Sequence[Group]:
    """Return the groups whose names come after one, in order."""
    return [_group(row) for row in await reads.rows(_PAGE, after=after, limit=limit)]


async def members(reads: Reads, group: Group) -> list[str]:
    """Return the names of a group's users, in order."""
    return [row[0] for row in await reads.rows(_MEMBERS, id=group.id)]


async def joined_by_all(reads: Reads) -> list[str]:
    """Return the names of the groups that every new user joins."""
    return [row[0] for row in await reads.rows(_JOINED_BY_ALL)]


async def create(tx: Tx, group: Group) -> Group:
    """Add a group. Raises Invalid, GroupExists."""
    name = check_name(group.name)
    check(group)
    try:
        await tx.execute(
            _INSERT,
            uuid=str(uuid.uuid4()),
            name=name,
            realm=group.realm,
            external_id=group.external_id or None,
            admin=int(group.admin),
            auto_join=int(group.auto_join),
            profile=msgspec.json.encode(group.profile).decode(),
        )
    except Duplicate:
        raise GroupExists(name=name) from None
    return await get(tx, name)


async def alter(tx: Tx, group: Group) -> None:
    """Store a group that was read in this transaction, with other fields. Raises Invalid."""
    check(group)
    await tx.execute(
        _UPDATE,
        id=group.id,
        realm=group.realm,
        external_id=group.external_id or None,
        admin=int(group.admin),
        auto_join=int(group.auto_join),
        profile=msgspec.json.encode(group.profile).decode(),
    )


async def delete(tx: Tx, group: Group) -> None:
    """Remove a group with its memberships; what its name was granted is for `targets` and `projects` to forget."""
    await tx.execute(_DELETE, id=group.id)


async def join(tx: Tx, account_id: int, names: Iterable[str]) -> None:
    """Make an account a member of groups. Raises Invalid for an unknown group."""
    for team in await _known(tx, names):
        await tx.execute(_JOIN, account_id=account_id, team_id=team)


async def leave(tx: Tx, account_id: int, names: Iterable[str]) -> None:
    """End an account's membership of groups, where it is a member. Raises Invalid for an unknown group."""
    await tx.execute(_LEAVE, account_id=account_id, teams=await _known(tx, names))


async def leave_all(tx: Tx, account_id: int) -> None:
    """End all memberships of an account."""
    await tx.execute(_LEAVE_ALL, account_id=account_id)


async def set_members(tx: Tx, group: Group, names: Iterable[str]) -> None:
    """Make these users, and no others, the members of a group. Raises Invalid for an unknown user."""
    accounts = await _accounts(tx, names)
    await tx.execute(_EMPTY, id=group.id)
    for account in accounts:
        await tx.execute(_JOIN, account_id=account, team_id=group.id)


async def _known(reads: Reads, names: Iterable[str]) -> list[int]:
    return await _ids(reads, _KNOWN, names, "Group '{name}' does not exist")


async def _accounts(reads: Reads, names: Iterable[str]) -> list[int]:
    return await _ids(reads, _ACCOUNTS, names, "The user: '{name}' doesn't exist")


async def _ids(reads: Reads, statement: Statement, names: Iterable[str], refusal: str) -> list[int]:
    wanted = sorted({name.lower() for name in names})
    found = {name: one for one, name in await reads.rows(statement, names=wanted)}
    for name in wanted:
        if name not in found:
            raise Invalid(refusal, name=name[:100])
    return list(found.values())


def _group(row: Row) -> Group:
    return Group(
        id=row[0],
        uuid=row[1],
        name=row[2],
        realm=row[3],
        external_id=row[4] or "",
        admin=bool(row[5]),
        auto_join=bool(row[6]),
        profile=msgspec.json.decode(row[7], type=Profile),
    )
