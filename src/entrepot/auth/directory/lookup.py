"""Logins and look-ups at one directory server (reference C10).

A user proves its password by a bind as its own entry. That entry is named by a pattern, or found by a search as the
manager. Later, without a password, the entry is looked up again to see whether the user is still there and in which groups.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from entrepot.auth.directory import filters, groups, names, wire
from entrepot.auth.directory.connection import Connection, DirectoryFailed, connected
from entrepot.auth.directory.groups import NONE, Held, Listed, wanted_of_user
from entrepot.auth.directory.settings import GroupSetting, LdapSetting
from entrepot.auth.directory.wire import Entry, Search

_SECONDS: Final = 10.0  # for a look-up or login at one server, connecting included
_IMPORT_SECONDS: Final = 25.0
_REFUSED: Final = {
    wire.INVALID_CREDENTIALS, wire.NO_SUCH_OBJECT, wire.INVALID_DN, wire.INAPPROPRIATE_AUTHENTICATION, wire.UNWILLING,
}  # fmt: skip
_IDS: Final = ("entryUUID", "objectGUID", "nsUniqueId")  # what an entry keeps, and another of that name has not
_OFF: Final = ("userAccountControl", "nsAccountLock", "pwdAccountLockedTime")
_DISABLED: Final = 2  # in userAccountControl (MS-ADTS 2.2.16)
_ANYTHING: Final = filters.encode("(objectClass=*)")


@dataclass(frozen=True, slots=True)
class Found:
    """A user as a directory knows it."""

    dn: str
    unique: str  # stays the same for as long as it is the same user
    email: str
    held: Held
    setting: LdapSetting


@dataclass(frozen=True, slots=True)
class Directory:
    """One server with the groups that are looked for there; `setting` holds the manager's password as it is."""

    setting: LdapSetting
    groups: Sequence[GroupSetting] = ()

    async def login(self, name: str, password: str) -> Found | None:
        """Return the user that the password is right for; None when there is none. Raises DirectoryFailed."""
        if not password or "\0" in password:
            return None
        async with connected(self.setting.server(), _SECONDS) as connection:
            async for dn, entry in self._entries(connection, name):
                if await self._proved(connection, dn, password):
                    return await self._logged_in(connection, dn, entry, name)
            return None

    async def look_up(self, name: str) -> Found | None:
        """Return a user without its password; None when it is not there or disabled. Raises DirectoryFailed."""
        async with connected(self.setting.server(), _SECONDS) as connection:
            async for dn, entry in self._entries(connection, name):
                if entry is None:
                    await self._as_manager(connection)
                    entry = await self._read(connection, dn, strict=True)  # noqa: PLW2901 - the same one, now read
                if entry is not None:
                    return None if _is_off(entry) else await self._found(connection, entry, name)
            return None

    async def groups_of(self, by: GroupSetting) -> list[Listed]:
        """Return the groups that can be imported. Raises DirectoryFailed."""
        async with connected(self.setting.server(), _IMPORT_SECONDS) as connection:
            await self._as_manager(connection)
            return await groups.listed(connection, self.setting, by)

    async def _entries(self, connection: Connection, name: str) -> AsyncIterator[tuple[str, Entry | None]]:
        """Yield what may be a user's entry: its name, and where it was searched for the entry itself."""
        if self.setting.user_dn_pattern:
            pattern = self.setting.user_dn_pattern.replace("{0}", names.escape(name))
            yield names.join(pattern, self.setting.base), None
        if self.setting.search is not None and self.setting.search.search_filter:
            await self._as_manager(connection)
            found = await self._search(connection, name)
            if found is not None:
                yield found.dn, found

    async def _logged_in(self, connection: Connection, dn: str, entry: Entry | None, name: str) -> Found | None:
        """Return what the directory says of a user who has just proved its password."""
        if entry is None:
            entry = await self._read(connection, dn) or Entry(dn, {})  # with the user's own rights
        else:
            await self._as_manager(connection)
        return None if _is_off(entry) else await self._found(connection, entry, name)

    async def _search(self, connection: Connection, name: str) -> Entry | None:
        search = self.setting.search
        assert search is not None
        wanted = filters.encode(search.search_filter.replace("{0}", filters.escape(name)))
        for base in self.setting.bases():
            found, ended = await connection.search(
                Search(base, wanted, "sub" if search.search_sub_tree else "one", self._attributes(), most=2)
            )
            if ended.code not in {wire.SUCCESS, wire.SIZE_LIMIT, wire.NO_SUCH_OBJECT, wire.REFERRAL}:
                raise _failed("the search for users", ended)
            if len(found) > 1:
                raise DirectoryFailed("the search for users finds several entries for one name")
            if found:
                return found[0]
        return None

    async def _as_manager(self, connection: Connection) -> None:
        """Bind as the manager; as nobody where none is stated."""
        search = self.setting.search
        dn, password = (search.manager_dn, search.manager_password) if search else ("", "")
        ended = await connection.bind(dn, password if dn else "")
        if ended.code != wire.SUCCESS:
            raise _failed("the manager's login", ended)

    async def _proved(self, connection: Connection, dn: str, password: str) -> bool:
        ended = await connection.bind(dn, password)
        if ended.code == wire.SUCCESS:
            return True
        if ended.code in _REFUSED:
            return False
        raise _failed("the login", ended)

    async def _read(self, connection: Connection, dn: str, *, strict: bool = False) -> Entry | None:
        """Return the entry of a name. Raises DirectoryFailed if `strict` and it may not be read."""
        found, ended = await connection.search(Search(dn, _ANYTHING, "base", self._attributes(), most=1))
        if strict and ended.code == wire.INSUFFICIENT_ACCESS:
            raise _failed("the search for users", ended)
        return found[0] if found and ended.code in {wire.SUCCESS, wire.SIZE_LIMIT} else None

    async def _found(self, connection: Connection, entry: Entry, name: str) -> Found:
        held = NONE
        for by in self.groups:
            held |= await groups.held(connection, self.setting, by, entry, name)
        email = entry.text(self.setting.email_attribute) if self.setting.email_attribute else ""
        return Found(entry.dn, _unique(entry), email[:255], held, self.setting)

    def _attributes(self) -> list[str]:
        mail = [self.setting.email_attribute] if self.setting.email_attribute else []
        return [*mail, *_IDS, *_OFF, *wanted_of_user(list(self.groups))]


def _unique(entry: Entry) -> str:
    for name in _IDS:
        values = entry.attributes.get(name.lower())
        if values:
            return f"{name.lower()}:{values[0].hex()}"[:255]
    try:
        return f"dn:{names.normal(entry.dn)}"[:255]
    except names.BadName:
        return ""


def _is_off(entry: Entry) -> bool:
    """Whether the directory has closed the account: Active Directory, 389 and OpenLDAP each say so in their way."""
    control = entry.text("userAccountControl")
    if control.lstrip("-").isdigit() and int(control) & _DISABLED:
        return True
    return entry.text("nsAccountLock").lower() == "true" or entry.text("pwdAccountLockedTime") == "000001010000Z"


def _failed(what: str, ended: wire.Outcome) -> DirectoryFailed:
    return DirectoryFailed(f"{what} ended with {ended.code} {ended.message[:200]}".rstrip())
