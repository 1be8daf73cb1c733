"""Directory servers and their groups that the settings of the node state: before those of REST, which cannot change them.

    [ldap.servers.corp]
    ldap_url = "ldaps://ldap.example.org/dc=example,dc=org"
    user_dn_pattern = "uid={0},ou=people"

Fields have the names of the Access API. Here nothing is passed over: a field that nobody knows is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from entrepot.auth.directory.settings import (
    GROUPS,
    SETTINGS,
    GroupSetting,
    LdapSetting,
    UserSearch,
    check_group_setting,
    check_setting,
)
from entrepot.errors import Invalid
from entrepot.settings import Settings

_BAR: Final = re.compile(r"_([a-z0-9])")

Fixed = Mapping[str, Mapping[str, Any]]
"""Section of the descriptor -> key -> document."""

T = TypeVar("T", bound=msgspec.Struct)


def spelled(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of the Access API as the descriptor names them: `ldap_url` is `ldapUrl`."""
    return {
        _BAR.sub(lambda place: place[1].upper(), name): spelled(value) if isinstance(value, Mapping) else value
        for name, value in stated.items()
    }


def fixed(settings: Settings) -> Fixed:
    """Return the documents that the settings state. Raises Invalid, which names the setting."""
    servers = "" if settings.ldap_servers is None else settings.ldap_servers.reveal()
    groups = "" if settings.ldap_groups is None else settings.ldap_groups.reveal()
    return {
        SETTINGS: _documents("ldap.servers", servers, "key", LdapSetting, check_setting),
        GROUPS: _documents("ldap.groups", groups, "name", GroupSetting, check_group_setting),
    }


def _documents(setting: str, text: str, word: str, kind: type[T], check: Callable[[T], T]) -> dict[str, Any]:
    found = {}
    for key, body in (msgspec.json.decode(text) if text else {}).items():
        document = {**spelled(body), word: key}
        try:
            _known(document, kind)
            found[key] = msgspec.to_builtins(check(msgspec.convert(document, kind)))
        except (msgspec.ValidationError, Invalid) as error:
            raise Invalid(f"{setting}.{key}: {error}") from None
    return found


def _known(document: Mapping[str, Any], kind: type[msgspec.Struct]) -> None:
    for name, value in document.items():
        if name not in kind.__struct_encode_fields__:
            raise Invalid(f"there is no field '{re.sub('([A-Z])', lambda hump: '_' + hump[1].lower(), name)[:100]}'")
        if name == "search" and isinstance(value, Mapping):
            _known(value, UserSearch)
