"""Which groups of a directory a user is in, by one of three strategies (reference C10).

STATIC         the entry of the group lists its members, by name or as `memberUid`
DYNAMIC        an attribute of the user lists its groups (`memberOf`, `msds-memberOfTransitive`)
HIERARCHICAL   the name of the user's entry runs through its groups
"""

from __future__ import annotations

from dataclasses import dataclass, field

from entrepot.auth.directory import filters, names, wire
from entrepot.auth.directory.connection import Connection, DirectoryFailed
from entrepot.auth.directory.settings import GroupSetting, LdapSetting
from entrepot.auth.directory.wire import Entry, Search

PAGE = 500  # entries
_MOST = 20_000  # groups


@dataclass(frozen=True, slots=True)
class Held:
    """The groups that a user is in: their names, folded, and where it is known the names of their entries, normalised."""

    names: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()

    def __or__(self, other: Held) -> Held:
        return Held(self.names | other.names, self.entries | other.entries)


NONE = Held()


@dataclass(frozen=True, slots=True)
class Listed:
    """A group of a directory, as an administrator is shown it before it is imported."""

    name: str
    dn: str
    description: str = field(default="")


async def held(connection: Connection, setting: LdapSetting, by: GroupSetting, user: Entry, name: str) -> Held:
    """Return the groups that a user, whose entry is given, is in. Raises DirectoryFailed."""
    if by.strategy == "HIERARCHICAL":
        try:
            return Held(frozenset(value.casefold() for value in names.values_between(user.dn, setting.base)))
        except names.BadName:
            return NONE
    if by.strategy == "DYNAMIC":
        return _listed_by_user(by, user)
    member = filters.escape(user.dn)
    condition = f"({by.group_member_attribute}={member})"
    if ":" in by.group_member_attribute:  # a matching rule, such as that for nested groups of Active Directory
        condition = f"({by.group_member_attribute.rstrip(':')}:={member})"
    elif by.group_member_attribute.lower() == "memberuid":
        condition = f"({by.group_member_attribute}={filters.escape(name)})"
    found = await _groups(connection, setting, by, condition)
    return Held(
        frozenset(value.casefold() for entry in found for value in entry.texts(by.group_name_attribute)),
        frozenset(normal for entry in found if (normal := _normal(entry.dn))),
    )


async def listed(connection: Connection, setting: LdapSetting, by: GroupSetting) -> list[Listed]:
    """Return the groups that there are, for import. Raises DirectoryFailed."""
    found = await _groups(connection, setting, by, "")
    return [
        Listed(entry.text(by.group_name_attribute), entry.dn, entry.text(by.description_attribute))
        for entry in found
        if entry.text(by.group_name_attribute)
    ]


def wanted_of_user(settings: list[GroupSetting]) -> list[str]:
    """Return the attributes of a user's entry that say which groups it is in."""
    return [by.group_member_attribute for by in settings if by.strategy == "DYNAMIC"]


async def _groups(connection: Connection, setting: LdapSetting, by: GroupSetting, condition: str) -> list[Entry]:
    own = by.filter if by.filter.startswith("(") else f"({by.filter})"
    try:
        wanted = filters.encode(f"(&{own}{condition})")
    except filters.BadFilter as error:
        raise DirectoryFailed(f"group settings {by.name}: {error}") from None
    found, ended = await connection.search(
        Search(
            names.join(by.group_base_dn, setting.base),
            wanted,
            "sub" if by.sub_tree else "one",
            [name for name in (by.group_name_attribute, by.description_attribute) if name],
            page=PAGE if setting.paging_support_enabled else 0,
            most=_MOST,
        )
    )
    if ended.code not in {wire.SUCCESS, wire.NO_SUCH_OBJECT, wire.REFERRAL}:
        raise DirectoryFailed(f"the search for groups ended with {ended.code} {ended.message[:200]}".rstrip())
    return found


def _listed_by_user(by: GroupSetting, user: Entry) -> Held:
    """Read `memberOf`: names of entries, whose leaf is the name of the group, or bare names."""
    found, entries = set(), set()
    for value in user.texts(by.group_member_attribute):
        try:
            leaf = names.split(value)[0]
        except names.BadName:
            found.add(value.casefold())
            continue
        entries.add(names.normal(value))
        found |= {text.casefold() for kind, text in leaf if kind.casefold() == by.group_name_attribute.casefold()}
    return Held(frozenset(found), frozenset(entries))


def _normal(dn: str) -> str:
    try:
        return names.normal(dn)
    except names.BadName:
        return ""
