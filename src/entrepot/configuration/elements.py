"""The elements of the configuration descriptor that there are, and which of them do something here (reference 15)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from entrepot.errors import Invalid
from entrepot.slips import meant

SCALARS: Final = ("serverName", "offlineMode", "fileUploadMaxSizeMb", "dateFormat", "urlBase")
SINGLE: Final = (
    "mailServer", "security", "indexer", "gcConfig", "cleanupConfig", "virtualCacheCleanupConfig", "quotaConfig",
    "folderDownloadConfig", "trashcanConfig", "xrayConfig", "retentionSettings",
)  # fmt: skip
KEYED: Final[Mapping[str, tuple[str, str]]] = {
    "proxies": ("proxy", "key"), "propertySets": ("propertySet", "name"), "repoLayouts": ("repoLayout", "name"),
    "backups": ("backup", "key"), "reverseProxies": ("reverseProxy", "key"),
}  # fmt: skip
"""By the name of the section, that of one element and of its field that is the key."""
WITHIN_SECURITY: Final[Mapping[str, tuple[str, str]]] = {
    "ldapSettings": ("ldapSetting", "key"), "ldapGroupSettings": ("ldapGroupSetting", "name"),
}  # fmt: skip

_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "security": frozenset({
        "anonAccessEnabled", "anonAccessToBuildInfosDisabled", "hideUnauthorizedResources", "passwordSettings", "userLockPolicy",
        "basicAuthenticationEnabled", "buildGlobalBasicReadAllowed", "buildGlobalBasicReadForAnonymous", "ldapSettings",
        "ldapGroupSettings", "samlSettings",
        "oauthSettings", "httpSsoSettings", "crowdSettings", "sshServerSettings", "accessClientSettings", "signingKeysSettings",
    }),
    "passwordSettings": frozenset({"encryptionPolicy", "expirationPolicy", "resetPolicy"}),
    "expirationPolicy": frozenset({"enabled", "passwordMaxAge", "notifyByEmail", "currentPasswordValidFor"}),
    "userLockPolicy": frozenset({"enabled", "loginAttempts"}),
    "trashcanConfig": frozenset({"enabled", "allowPermDeletes", "retentionPeriodDays"}),
    "folderDownloadConfig": frozenset({
        "enabled", "enabledForAnonymous", "maxDownloadSizeMb", "maxFiles", "maxConcurrentRequests",
    }),
    "quotaConfig": frozenset({"enabled", "diskSpaceLimitPercentage", "diskSpaceWarningPercentage"}),
}  # fmt: skip
"""Of elements that do something here, all that they have: a name that is misspelt must not look as if it were in force."""
_EFFECTIVE: Final = frozenset(
    {"security", "trashcanConfig", "folderDownloadConfig", "quotaConfig", "repoLayouts", "urlBase"}
)
_EFFECTIVE_IN_SECURITY: Final = frozenset({
    "anonAccessEnabled", "hideUnauthorizedResources", "passwordSettings", "userLockPolicy", "ldapSettings", "ldapGroupSettings",
    "basicAuthenticationEnabled",
})  # fmt: skip
_FLAGS: Final = frozenset({
    "anonAccessEnabled", "hideUnauthorizedResources", "basicAuthenticationEnabled", "enabled", "enabledForAnonymous",
    "allowPermDeletes", "offlineMode", "notifyByEmail",
})  # fmt: skip
_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "retentionPeriodDays": (0, 36_500), "maxDownloadSizeMb": (0, 1 << 40), "maxFiles": (0, 1 << 40),
    "maxConcurrentRequests": (0, 1 << 20), "diskSpaceLimitPercentage": (0, 100), "diskSpaceWarningPercentage": (0, 100),
    "passwordMaxAge": (1, 36_500), "loginAttempts": (1, 100),
}  # fmt: skip
ENCRYPTION_POLICIES: Final = ("SUPPORTED", "REQUIRED", "UNSUPPORTED")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"encryptionPolicy": ENCRYPTION_POLICIES}
_MAPS: Final = frozenset({"passwordSettings", "expirationPolicy", "userLockPolicy", "search", "properties"})
_OF_MAPS: Final = frozenset({"properties", "predefinedValues"})
_URL: Final = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(/[A-Za-z0-9._~/-]*)?")
_LONGEST: Final = 1 << 18  # characters of a text
_LARGEST: Final = 1 << 53
NOT_IN_XML: Final = frozenset({"\ufffe", "\uffff"})


def check_element(name: str) -> None:
    """Raise Invalid when the descriptor has no such element."""
    known = {*SCALARS, *SINGLE, *KEYED}
    if name not in known:
        hint = (
            " Repositories are configured by api/repositories."
            if name.endswith("Repositories")
            else _meant(name, known)
        )
        raise Invalid(f"The configuration has no element '{name[:100]}'.{hint}")


def check_fields(element: str, names: Collection[str]) -> None:
    """Raise Invalid when the element is known not to have one of the fields."""
    known = _FIELDS.get(element)
    for name in names if known is not None else ():
        if known is not None and name not in known:
            raise Invalid(f"The element {element} has no field '{name[:100]}'.{_meant(name, known)}")


def check_value(name: str, value: Any) -> None:
    """Raise Invalid when a field is of a kind that it cannot be; null is none of them, it removes."""
    if value is None:
        return
    if name in _FLAGS and not isinstance(value, bool):
        raise Invalid(f"The element {name} must be true or false.")
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Invalid(f"The element {name} must be a whole number from {least} to {most}.")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise Invalid(f"The element {name} must be one of {', '.join(_CHOICES[name])}.")
    if name in _MAPS and not isinstance(value, dict):
        raise Invalid(f"The element {name} must be a map.")
    if name in _OF_MAPS and isinstance(value, dict) and not all(isinstance(one, dict | None) for one in value.values()):
        raise Invalid(f"What the element {name} holds must be maps, as {{one: {{}}}}.")
    if name in SCALARS and isinstance(value, (dict, list)):
        raise Invalid(f"The element {name} must be a single value.")
    if name == "urlBase":
        check_url(str(value))


def check_url(text: str) -> None:
    """Raise Invalid for what is no base URL; an empty one is that of each request."""
    if text and not _URL.fullmatch(text):
        raise Invalid(f"'{ascii(text[:200])[1:-1]}' is not a valid URL.")


def plain(value: Any) -> Any:
    """Return what was read from YAML as JSON and XML can hold it: dates become text. Raises Invalid for what neither can."""
    if isinstance(value, dict):
        return {_name(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and not -_LARGEST <= value <= _LARGEST:  # nor what is no number
        raise Invalid("A number of the configuration is too large.")
    if isinstance(value, (int, float)):
        return value
    return _text(str(value))


def _name(key: Any) -> str:
    if not isinstance(key, str) or len(key) > 255:
        raise Invalid("The names in a configuration must be texts of at most 255 characters.")
    return _text(key)


def _text(text: str) -> str:
    if len(text) > _LONGEST or any("\ud800" <= c <= "\udfff" for c in text) or not NOT_IN_XML.isdisjoint(text):
        raise Invalid("A text of the configuration is too long, or holds what is no character.")
    return text


def without_effect(patch: Mapping[str, Any]) -> list[str]:
    """Return what of a patch is kept and shown, and does nothing here."""
    idle = [name for name in patch if name not in _EFFECTIVE]
    security = patch.get("security")
    inner = security if isinstance(security, Mapping) else {}
    return idle + [f"security.{name}" for name in inner if name not in _EFFECTIVE_IN_SECURITY]


def _meant(name: str, known: Collection[str]) -> str:
    close = meant(name, known)
    return f" Did you mean {close}?" if close else f" It has {', '.join(sorted(known))}."
