"""People of outside sources as accounts here: made at the first login, kept in step with what their source says.

Only groups of the source's realm follow it: they were imported from there, and say in their attributes of which entry
(`ldapGroupName=..;groupsStrategy=..;groupDn=..`). Memberships of all other groups are administered here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from entrepot.auth import accounts, groups, projects, targets
from entrepot.auth.accounts import Account, AccountExists, Change
from entrepot.auth.audit import Actor, record
from entrepot.auth.directory import names
from entrepot.auth.epochs import Epochs
from entrepot.auth.outside import Person
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import sql

_IMPORTED = sql("SELECT name, profile FROM team WHERE realm = :realm ORDER BY name")
_KNOWN_AS = sql("SELECT realm, external_id FROM account WHERE id = :id")
_ADOPT = sql("UPDATE account SET realm = :realm, external_id = :external_id WHERE id = :id")
_EMAIL = sql("UPDATE account SET email = :email WHERE id = :id AND email = ''")
_DN: Final = "groupdn"
_ID: Final = re.compile(r"(?:^|:)((?:entryuuid|objectguid|nsuniqueid):[0-9a-f]+)$")


@dataclass(frozen=True, slots=True)
class _Need:
    """What has to change so that an account is as its source says."""

    adopt: bool
    replace: bool  # the name belongs to another person now, who must get nothing of what the former one had
    email: bool
    join: tuple[str, ...]
    leave: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.adopt or self.email or bool(self.join or self.leave)


class Admissions:
    """See the module (`outside.Admission`)."""

    def __init__(self, database: Database, epochs: Epochs) -> None:
        self._database = database
        self._epochs = epochs

    async def admit(self, person: Person) -> Account | frozenset[str]:
        """See Admission. Raises DatabaseUnavailable."""
        account = await accounts.find(self._database, person.name)
        if account is None:
            if not person.create:
                return await self._transient(person)
            account = await self._create(person)
        if await _need(self._database, account, person):
            return await self._epochs.change(self._database, "security", lambda tx: _synchronise(tx, person))
        return account

    async def drop(self, account: Account) -> None:
        """See Admission. Raises DatabaseUnavailable."""
        imported = {name for name, _ in await self._database.rows(_IMPORTED, realm=account.realm)}
        gone = sorted(imported & set(account.groups))
        if not gone:
            return

        async def work(tx: Tx) -> None:
            await groups.leave(tx, account.id, gone)
            await record(tx, Actor(account.realm, ""), "user.groups", account.name, detail=f"remove {' '.join(gone)}")

        await self._epochs.change(self._database, "security", work)

    async def _create(self, person: Person) -> Account:
        async def work(tx: Tx) -> Account:
            found = await accounts.find(tx, person.name)
            return await _first(tx, person) if found is None else found

        try:
            return await self._epochs.change(self._database, "security", work)
        except AccountExists:
            return await accounts.get(self._database, person.name)

    async def _transient(self, person: Person) -> frozenset[str]:
        rows = await self._database.rows(_IMPORTED, realm=person.realm)
        joined = await groups.joined_by_all(self._database)
        return frozenset(joined) | {name for name, profile in rows if _is_in(person, name, profile)}


async def _first(tx: Tx, person: Person, *, disabled: bool = False) -> Account:
    """Make the account of a person, who is in no imported group yet."""
    profile = accounts.Profile(internal_password_disabled=True, profile_updatable=person.profile_updatable)
    change = Change(email=person.email, profile=profile, disabled=disabled)
    made = await accounts.create(tx, person.name, change, realm=person.realm)
    await tx.execute(_ADOPT, id=made.id, realm=person.realm, external_id=person.unique)
    await record(tx, Actor(person.realm, ""), "user.create", made.name, detail="at the first login")
    return made


async def _replaced(tx: Tx, former: Account, person: Person) -> Account:
    """Put a new account in the place of one whose name another person has now; a disabled one stays disabled."""
    await accounts.delete(tx, former)
    await targets.forget(tx, "users", former.name)
    await projects.forget(tx, "users", former.name)
    await record(tx, Actor(person.realm, ""), "user.delete", former.name, detail="another person has its name")
    return await _first(tx, person, disabled=former.disabled)


async def _synchronise(tx: Tx, person: Person) -> Account:
    account = await accounts.get(tx, person.name)
    need = await _need(tx, account, person)
    if need.replace:
        account = await _replaced(tx, account, person)
        need = await _need(tx, account, person)
    if need.adopt:
        await tx.execute(_ADOPT, id=account.id, realm=person.realm, external_id=person.unique)
    if need.email:
        await tx.execute(_EMAIL, id=account.id, email=person.email)
    await groups.leave(tx, account.id, need.leave)
    await groups.join(tx, account.id, need.join)
    if need.join or need.leave or need.adopt:
        said = f"add {' '.join(need.join)} remove {' '.join(need.leave)}"
        await record(tx, Actor(person.realm, ""), "user.groups", account.name, detail=said)
    return await accounts.get(tx, person.name)


async def _need(reads: Reads, account: Account, person: Person) -> _Need:
    rows = await reads.rows(_IMPORTED, realm=person.realm)
    known = await reads.row(_KNOWN_AS, id=account.id)
    realm, unique = (known[0], known[1] or "") if known else ("", "")
    another = _is_another(unique, person.unique)
    wanted = {name for name, profile in rows if _is_in(person, name, profile)}
    held = {name for name, _ in rows} & set(account.groups)
    return _Need(
        adopt=realm != person.realm or another or _is_news(unique, person.unique),
        replace=realm == person.realm and another,
        email=bool(person.email) and not account.email,
        join=tuple(sorted(wanted - held)),
        leave=tuple(sorted(held - wanted)),
    )


def _is_another(stored: str, told: str) -> bool:
    """Whether an account was somebody else's. A name where there is an id at other times does not prove that.

    Nor does an id of another kind: whoever moves from OpenLDAP to Active Directory keeps the people.
    """
    before, now = _entry_id(stored), _entry_id(told)
    if before and now:
        return before != now and _kind(before) == _kind(now)
    return not (before or now) and bool(stored and told) and stored != told


def _is_news(stored: str, told: str) -> bool:
    """Whether what a source tells of an entry says more than what is stored."""
    before, now = _entry_id(stored), _entry_id(told)
    return bool(told) and told != stored and (not before or (bool(now) and _kind(before) != _kind(now)))


def _entry_id(unique: str) -> str:
    """Return the id of a directory's entry, which once was stored after the key of a setting; empty for anything else."""
    found = _ID.search(unique)
    return found[1] if found else ""


def _kind(entry_id: str) -> str:
    return entry_id.partition(":")[0]


def _is_in(person: Person, name: str, profile: str) -> bool:
    """Whether an imported group is one that the person's source puts it in."""
    attributes = attributes_of(msgspec.json.decode(profile, type=groups.Profile).realm_attributes)
    dn = attributes.get(_DN, "")
    if dn and person.group_entries:
        try:
            return names.normal(dn) in person.group_entries
        except names.BadName:
            return False
    return attributes.get("ldapgroupname", name).casefold() in person.groups


def attributes_of(text: str) -> dict[str, str]:
    """Read the attributes of an imported group: pairs separated by semicolons, names without regard to case."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}
