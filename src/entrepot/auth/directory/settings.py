"""The settings of directory servers and of their groups, as values (reference C10).

They are documents `ldapSettings` and `ldapGroupSettings` with the names of the configuration descriptor. The Access API
spells the same fields with underscores. `startTls` and `caCertificates` are additions of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from entrepot.auth.directory import filters, names
from entrepot.auth.directory.connection import Server
from entrepot.errors import Invalid

SETTINGS = "ldapSettings"
GROUPS = "ldapGroupSettings"
_PORTS = {"ldap": 389, "ldaps": 636}

T = TypeVar("T")
Strategy = Literal["STATIC", "DYNAMIC", "HIERARCHICAL"]
Short = Annotated[str, msgspec.Meta(max_length=1024)]
Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$")]
Attribute = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9.:_-]{0,255}$")]
Perhaps = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z][A-Za-z0-9.:_-]{0,255})?$")]  # empty: none


class UserSearch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the entry of a user is found."""

    search_filter: Short = ""
    search_base: Short = ""  # several are separated by `|`
    search_sub_tree: bool = True
    manager_dn: Short = ""
    manager_password: Annotated[str, msgspec.Meta(max_length=4096)] = ""


class LdapSetting(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One directory server."""

    key: Key
    ldap_url: Short
    enabled: bool = True
    user_dn_pattern: Short = ""
    search: UserSearch | None = None
    auto_create_user: bool = True
    email_attribute: Perhaps = "mail"
    ldap_poisoning_protection: bool = True
    allow_user_to_access_profile: bool = False
    paging_support_enabled: bool = True
    start_tls: bool = False
    ca_certificates: Annotated[str, msgspec.Meta(max_length=1 << 18)] = ""

    @property
    def base(self) -> str:
        """The name below which all is looked for."""
        return unquote(urlsplit(self.ldap_url).path.lstrip("/"))

    def server(self) -> Server:
        """Return where it is. Raises Invalid."""
        url = _split(self.ldap_url)
        secure = url.scheme == "ldaps"
        if secure and self.start_tls:
            raise Invalid("StartTLS is for ldap:// URLs; ldaps:// speaks TLS from the first byte.")
        return Server(url.hostname or "", url.port or _PORTS[url.scheme], secure, self.start_tls, self.ca_certificates)

    def bases(self) -> list[str]:
        """Return the names below which users are searched, each whole."""
        parts = self.search.search_base.split("|") if self.search else []
        return [names.join(part.strip(), self.base) for part in parts] or [self.base]


class GroupSetting(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How groups are found at a server."""

    name: Key
    enabled_ldap: Short = ""  # the key of the server's settings; empty: off
    group_base_dn: Short = ""
    group_name_attribute: Attribute = "cn"
    group_member_attribute: Attribute = "uniqueMember"
    sub_tree: bool = True
    force_attribute_search: bool = False
    filter: Short = "(objectClass=groupOfNames)"
    description_attribute: Perhaps = "description"
    strategy: Strategy = "STATIC"


def read_setting(key: str, body: Mapping[str, Any]) -> LdapSetting:
    """Return the document of a server as settings that can be worked with. Raises Invalid."""
    return check_setting(_converted({**body, "key": key}, LdapSetting))


def read_group_setting(name: str, body: Mapping[str, Any]) -> GroupSetting:
    """Return the document of groups likewise. Raises Invalid."""
    return check_group_setting(_converted({**body, "name": name}, GroupSetting))


def _converted(body: Mapping[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None


def check_setting(setting: LdapSetting) -> LdapSetting:
    """Return settings that can be worked with. Raises Invalid."""
    setting.server()
    has_search = setting.search is not None and bool(setting.search.search_filter)
    if not setting.user_dn_pattern and not has_search:
        raise Invalid("State user_dn_pattern, or search with a search_filter.")
    if setting.user_dn_pattern:
        _has_place(setting.user_dn_pattern, "user_dn_pattern")
    if setting.search is not None and has_search:
        _has_place(setting.search.search_filter, "search_filter")
        _check_filter(setting.search.search_filter.replace("{0}", "x"))
    try:
        for name in (setting.base, setting.user_dn_pattern.replace("{0}", "x"), *setting.bases()):
            names.parse(name)
    except names.BadName as error:
        raise Invalid(f"Not a distinguished name: {error}") from None
    return setting


def check_group_setting(setting: GroupSetting) -> GroupSetting:
    """Return settings that can be worked with. Raises Invalid."""
    _check_filter(setting.filter)
    try:
        names.parse(setting.group_base_dn)
    except names.BadName as error:
        raise Invalid(f"Not a distinguished name: {error}") from None
    return setting


def _has_place(text: str, field: str) -> None:
    if "{0}" not in text:
        raise Invalid(f"The {field} must hold {{0}}, where the user's name goes.")


def _check_filter(text: str) -> None:
    try:
        filters.encode(text)
    except filters.BadFilter as error:
        raise Invalid(f"Not a search filter: {error}") from None


def _split(url: str) -> SplitResult:
    try:
        found = urlsplit(url)
        port_is_fine = found.port is None or found.port > 0
        (found.hostname or "").encode("idna")  # as whoever looks it up will
    except ValueError:
        found, port_is_fine = urlsplit(""), False
    if found.scheme not in _PORTS or not found.hostname or not port_is_fine or found.username:
        raise Invalid("The ldap_url must be ldap://host[:port]/base or ldaps://host[:port]/base.")
    return found
