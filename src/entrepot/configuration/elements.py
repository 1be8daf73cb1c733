"""The elements of the configuration descriptor that there are, and which of them do something here (reference 15)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from entrepot.errors import Invalid

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
        "buildGlobalBasicReadAllowed", "buildGlobalBasicReadForAnonymous", "ldapSettings", "ldapGroupSettings", "samlSettings",
        "oauthSettings", "httpSsoSettings", "crowdSettings", "sshServerSettings", "accessClientSettings", "signingKeysSettings",
    }),
    "passwordSettings": frozenset({"encryptionPolicy", "expirationPolicy", "resetPolicy"}),
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
})  # fmt: skip


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


def without_effect(patch: Mapping[str, Any]) -> list[str]:
    """Return what of a patch is kept and shown, and does nothing here."""
    idle = [name for name in patch if name not in _EFFECTIVE]
    security = patch.get("security")
    inner = security if isinstance(security, Mapping) else {}
    return idle + [f"security.{name}" for name in inner if name not in _EFFECTIVE_IN_SECURITY]


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else f" It has {', '.join(sorted(known))}."
