"""Directory servers and their groups by REST (reference C10): the documents of the descriptor, spelled with underscores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from entrepot.auth.directory.fixed import spelled
from entrepot.auth.directory.settings import (
    GROUPS,
    SETTINGS,
    GroupSetting,
    LdapSetting,
    check_group_setting,
    check_setting,
)
from entrepot.configuration.documents import Documents
from entrepot.configuration.secrets import is_secret
from entrepot.messages import Row
from entrepot.rest.security.bodies import converted
from entrepot.rest.security.collection_api import Body, Collection, CollectionApi

_LDAP: Final = "/access/api/v1/ldap"
_HUMP: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")

T = TypeVar("T", bound=msgspec.Struct)


def rows(documents: Documents) -> tuple[Row, ...]:
    """Return the rows of both collections."""
    servers = Collection(
        f"{_LDAP}/settings", SETTINGS, "LDAP setting", "key", "ldap.settings",
        lambda stated, held: msgspec.to_builtins(check_setting(_read(stated, held, LdapSetting))), _shown,
    )  # fmt: skip
    groups = Collection(
        f"{_LDAP}/groups", GROUPS, "LDAP group setting", "name", "ldap.groups",
        lambda stated, held: msgspec.to_builtins(check_group_setting(_read(stated, held, GroupSetting))), _shown,
    )  # fmt: skip
    return CollectionApi(documents, servers).rows() + CollectionApi(documents, groups).rows()


def _read(stated: Mapping[str, Any], held: Mapping[str, Any], kind: type[T]) -> T:
    return converted(_kept(spelled(stated), held), kind)


def _kept(stated: Body, held: Mapping[str, Any]) -> Body:
    """Return a body with the secrets that it does not state as they were: nobody who reads it back has them."""
    found = dict(stated)
    for name, value in held.items():
        if is_secret(name) and not found.get(name):
            found[name] = value
        elif isinstance(value, Mapping) and isinstance(found.get(name), Mapping):
            found[name] = _kept(found[name], value)
    return found


def _shown(document: Mapping[str, Any]) -> Body:
    found: Body = {}
    for name, value in document.items():
        if not is_secret(name):
            found[_HUMP.sub(lambda hump: f"_{hump[1].lower()}", name)] = (
                _shown(value) if isinstance(value, Mapping) else value
            )
    return found
