"""Making and changing repository configurations from what clients send (reference 6.1, 6.9, 6.11)."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from entrepot.access.patterns import PatternSet
from entrepot.errors import Invalid
from entrepot.paths import RepoKey
from entrepot.repositories.fields import ALL, BY_NAME, LAYOUTS, Field, belonging
from entrepot.repositories.located import SHARED
from entrepot.slips import slips

Known = Callable[[str], Mapping[str, Any] | None]
"""Look up the configuration of a live repository by key."""

_IDENTITY = ("key", "rclass", "packageType")
_MAX_NUMBER = 2**53
_ALIASES = {"yum": "rpm"}
_KNOWN = frozenset({*BY_NAME, *_IDENTITY, "type"})


def create(key: str, body: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Return a complete configuration for a new repository. Raises Invalid with the reason."""
    stated = body.get("key", key)
    if stated != key:
        raise Invalid(f"The repository key in the body ('{str(stated)[:64]}') must equal the one in the path.")
    rclass = str(body.get("rclass") or body.get("type") or "").lower()
    if rclass not in ALL:
        raise Invalid("The field rclass must be one of local, remote, virtual, federated.")
    package_type = _package_type(body.get("packageType"))
    RepoKey(key).check_new(rclass, package_type)
    config: dict[str, Any] = {"key": key, "rclass": rclass, "packageType": package_type}
    for field in belonging(rclass, package_type):
        config[field.name] = copy.deepcopy(field.default)
    config["repoLayoutRef"] = LAYOUTS[package_type]
    if package_type == "maven":
        config["suppressPomConsistencyChecks"] = False
    return _checked(_merged(config, body), known)


def misspelt(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields that no repository has and that are nearly one of ours, with that one.

    They are passed over as all that nobody knows is: clients send fields of other products, too.
    """
    return list(slips(body, _KNOWN))


def update(config: Mapping[str, Any], body: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Return the configuration with the fields that are present replaced. Raises Invalid."""
    for name in _IDENTITY:
        stated = body.get(name)
        if stated is None:
            continue
        normal = _package_type(stated) if name == "packageType" else str(stated)
        if normal.lower() != str(config[name]).lower():
            raise Invalid(f"The field {name} of a repository cannot be changed.")
    kept = {name: value for name, value in body.items() if not _means_unchanged(name, value)}
    return _checked(_merged(dict(config), kept), known)


def replaced(before: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new configuration in the place of one, with what is not for clients of repositories to set."""
    return {**config, SHARED: before[SHARED]} if SHARED in before else dict(config)


def render(config: Mapping[str, Any], *, full: bool) -> dict[str, Any]:
    """Return what GET answers; without `full` only what any reader may know. Passwords never come back."""
    if full:
        shown = dict(config)
        shown.pop(SHARED, None)
        if shown.get("password"):
            shown["password"] = "**********"
        return shown
    names = (
        "key",
        "rclass",
        "packageType",
        "description",
        "url",
        "repoLayoutRef",
        "repositories",
        "defaultDeploymentRepo",
    )
    return {name: config[name] for name in names if name in config}


def _means_unchanged(name: str, value: object) -> bool:
    return name == "pomRepositoryReferencesCleanupPolicy" and value == ""


def _package_type(stated: object) -> str:
    name = str(stated or "generic").lower()
    name = _ALIASES.get(name, name)
    if name not in LAYOUTS:
        raise Invalid(f"'{name[:64]}' is not a known package type.")
    return name


def _merged(config: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in body.items():
        field = BY_NAME.get(name)
        if field is not None and name not in _IDENTITY and not (value is None and field.default is not None):
            config[name] = _coerced(field, value)
    return config


def _coerced(field: Field, value: Any) -> Any:
    """Return the value in the field's type; scalars may come as text. Raises Invalid."""
    kind = field.kind
    if value is None or type(value) is kind:
        if isinstance(value, int) and not -_MAX_NUMBER < value < _MAX_NUMBER:
            raise Invalid(f"The field {field.name} is out of range.")
        return value
    if kind is bool and str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    if kind is int and isinstance(value, (str, float)) and not isinstance(value, bool):
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if _WHOLE.fullmatch(text):
            return int(text)
    if kind is list and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise Invalid(f"The field {field.name} must be of type {_NAMES[kind]}.")


_WHOLE = re.compile(r"-?[0-9]{1,15}")
_NAMES = {str: "string", bool: "boolean", int: "number", list: "array", dict: "object"}


def _checked(config: dict[str, Any], known: Known) -> dict[str, Any]:
    PatternSet.of(config["includesPattern"], config["excludesPattern"])
    for name in ("maxUniqueTags", "dockerTagRetention", "maxUniqueSnapshots"):
        if int(config.get(name, 0)) < 0:
            raise Invalid(f"The field {name} must not be negative.")
    if config["rclass"] == "remote" and not str(config["url"]).startswith(("http://", "https://")):
        raise Invalid("A remote repository needs a url that begins with http:// or https://.")
    if config.get("dockerApiVersion", "V2") not in {"V1", "V2"}:
        raise Invalid("The field dockerApiVersion must be V1 or V2.")
    if config["rclass"] == "virtual":
        _check_members(config, known)
    return config


def _check_members(config: Mapping[str, Any], known: Known) -> None:
    for member in config["repositories"]:
        found = known(str(member))
        if found is None or member == config["key"]:
            raise Invalid(f"The virtual repository refers to a repository that does not exist: '{str(member)[:64]}'.")
        if found["packageType"] not in {config["packageType"], "generic"}:  # which fits everywhere (jfrog-client-go)
            raise Invalid(f"The member '{member}' has another package type ({found['packageType']}).")
    target = config["defaultDeploymentRepo"]
    if not target:
        return
    found = known(str(target))
    if target not in config["repositories"] or found is None or found["rclass"] not in {"local", "federated"}:
        raise Invalid("The defaultDeploymentRepo must be a local member of the virtual repository.")
