"""Permission targets as the three APIs write them; one store behind all (the Access shape, which tells the most).

    v1      {"name","includesPattern","excludesPattern","repositories":[],"principals":{"users":{"u":["r"]},"groups":{}}}
    v2      {"name","repo":{"include-patterns":[],"exclude-patterns":[],"repositories":[],"actions":{"users":{},"groups":{}}}}
    Access  {"name","resources":{"artifact":{"actions":{...},"targets":{"repo":{"include_patterns":[],"exclude_patterns":[]}}}}}

The stored body is the Access shape as it was sent, so that it comes back word for word; these functions are pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entrepot.access.actions import ACCESS_WORDS, LETTERS, WORDS, Action, mask
from entrepot.access.patterns import PatternSet, split
from entrepot.access.permissions import ANY, ANY_DISTRIBUTION, ANY_LOCAL, ANY_REMOTE, Covered, PermissionTarget, Section
from entrepot.errors import Invalid
from entrepot.slips import check_names

Body = dict[str, Any]

_SECTIONS = {"repo": "artifact", "build": "build", "releaseBundle": "release_bundle"}
_ANYWHERE = frozenset({ANY, ANY_LOCAL, ANY_REMOTE, ANY_DISTRIBUTION})
_BUILDS, _BUILD_INFO = "artifactory-build-info", "-build-info"
_SIDES = ("users", "groups")
_FORBIDDEN = frozenset('/\\:|?*"<>')


class NoSection(Invalid):
    """Permission target request missing repositories, builds and release bundles. Must have at least one."""


def parse(body: Mapping[str, Any]) -> PermissionTarget:
    """Read the Access shape. Raises Invalid with what is wrong."""
    sections = {}
    for kind, resource in _mapping(body.get("resources"), "resources").items():
        stated = _mapping(resource, kind)
        actions = _mapping(stated.get("actions"), "actions")
        targets = {
            str(key): Covered(
                tuple(_texts(_mapping(one, key).get("include_patterns"), ["**"])),
                tuple(_texts(_mapping(one, key).get("exclude_patterns"), [])),
            )
            for key, one in _mapping(stated.get("targets"), "targets").items()
        }
        for covered in targets.values():
            PatternSet.of(covered.includes, covered.excludes)
        sections[kind] = Section(targets, _who(actions, "users"), _who(actions, "groups"))
    if not sections:
        raise NoSection
    return PermissionTarget(check_name(str(body.get("name") or "")), sections)


def check_resource(resource: object) -> None:
    """Raise Invalid for slips in a resource of the Access shape, as it comes in."""
    stated = _mapping(resource, "resource")
    check_names(stated, ("actions", "targets"))
    check_names(_mapping(stated.get("actions"), "actions"), _SIDES)
    for key, one in _mapping(stated.get("targets"), "targets").items():
        check_names(_mapping(one, key), ("include_patterns", "exclude_patterns"))


def check_name(name: str) -> str:
    """Return the name. Raises Invalid."""
    if not 0 < len(name) <= 64 or not _FORBIDDEN.isdisjoint(name) or not name.isprintable():
        raise Invalid(
            f"'{name[:64]}' is not a valid name for a permission target: 1 to 64 printable characters, none of "
            f"{' '.join(sorted(_FORBIDDEN))}"
        )
    return name


def repositories(target: PermissionTarget) -> set[str]:
    """Return the repository keys that it names, without ANY and its kin."""
    section = target.sections.get("artifact")
    return set(section.targets) - _ANYWHERE if section else set()


def principals(target: PermissionTarget) -> tuple[set[str], set[str]]:
    """Return the users and groups that it names."""
    users = {name for section in target.sections.values() for name in section.users}
    groups = {name for section in target.sections.values() for name in section.groups}
    return users, groups


def from_v1(name: str, stated: Mapping[str, Any]) -> Body:
    """Turn v1 into the stored shape. Raises Invalid."""
    check_names(stated, ("name", "includesPattern", "excludesPattern", "repositories", "principals"))
    who = _mapping(stated.get("principals"), "principals")
    check_names(who, _SIDES)
    actions = {
        kind: {principal: _words(letters, LETTERS) for principal, letters in _mapping(who.get(kind), kind).items()}
        for kind in _SIDES
    }
    covered = {
        "include_patterns": split(str(stated.get("includesPattern") or "**")),
        "exclude_patterns": split(str(stated.get("excludesPattern") or "")),
    }
    targets = {str(key): covered for key in dict.fromkeys(_texts(stated.get("repositories"), []))}
    return {"name": name, "resources": {"artifact": {"actions": _without_empty(actions), "targets": targets}}}


def to_v1(body: Body) -> Body:
    """Show the stored shape as v1: its artifact section, patterns merged."""
    resource = _within(body, "resources", "artifact")
    includes, excludes = _merged(resource)
    return {
        "name": body["name"],
        "includesPattern": ",".join(includes) or "**",
        "excludesPattern": ",".join(excludes),
        "repositories": list(_within(resource, "targets")),
        "principals": {
            kind: {who: _back(words, LETTERS) for who, words in _within(resource, "actions", kind).items()}
            for kind in _SIDES
        },
    }


def from_v2(name: str, stated: Mapping[str, Any]) -> Body:
    """Turn v2 into the stored shape; patterns default to everything. Raises Invalid."""
    if stated.get("name", name) != name:
        raise Invalid("The name in the body must equal the one in the path.")
    check_names(stated, ("name", *_SECTIONS))
    resources = {}
    for section, kind in _SECTIONS.items():
        if stated.get(section) is not None:
            resources[kind] = _resource_of_v2(_mapping(stated[section], section), kind)
    if not resources:
        raise NoSection
    return {"name": name, "resources": resources}


def to_v2(body: Body) -> Body:
    """Show the stored shape as v2. Empty users and groups are left out; patterns are always there."""
    shown: Body = {"name": body["name"]}
    for section, kind in _SECTIONS.items():
        if _within(body, "resources").get(kind) is None:
            continue
        resource = _within(body, "resources", kind)
        includes, excludes = _merged(resource)
        actions = {
            who: {name: _back(words, WORDS) for name, words in _within(resource, "actions", who).items()}
            for who in _SIDES
        }
        shown[section] = {
            "include-patterns": includes,
            "exclude-patterns": excludes,
            "repositories": list(_within(resource, "targets")),
            "actions": _without_empty(actions),
        }
    return shown


def _resource_of_v2(stated: Mapping[str, Any], kind: str) -> Body:
    check_names(stated, ("include-patterns", "exclude-patterns", "repositories", "actions"))
    keys = _texts(stated.get("repositories"), [_BUILDS] if kind == "build" else [])
    if kind == "artifact" and _BUILDS in keys:
        raise Invalid(f"'{_BUILDS}' belongs in the section build.")
    if kind == "build" and not all(key in _ANYWHERE or key.endswith(_BUILD_INFO) for key in keys):
        raise Invalid(f"The section build is for repositories of builds, such as '{_BUILDS}'.")
    covered = {
        "include_patterns": _texts(stated.get("include-patterns"), ["**"]),
        "exclude_patterns": _texts(stated.get("exclude-patterns"), []),
    }
    who = _mapping(stated.get("actions"), "actions")
    check_names(who, _SIDES)
    actions = {
        side: {name: _words(words, WORDS) for name, words in _mapping(who.get(side), side).items()} for side in _SIDES
    }
    return {"actions": _without_empty(actions), "targets": dict.fromkeys(keys, covered)}


def _merged(resource: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    found = [_within(resource, "targets", key) for key in _within(resource, "targets")]
    includes = list(dict.fromkeys(text for one in found for text in _texts(one.get("include_patterns"), ["**"])))
    excludes = list(dict.fromkeys(text for one in found for text in _texts(one.get("exclude_patterns"), [])))
    return includes or ["**"], excludes


def _who(actions: Mapping[str, Any], kind: str) -> dict[str, Action]:
    return {
        str(name): mask(_texts(words, []), ACCESS_WORDS) for name, words in _mapping(actions.get(kind), kind).items()
    }


def _words(names: object, table: Mapping[str, Action]) -> list[str]:
    """Translate names of one API to those of Access, in their order."""
    back = {action: word for word, action in ACCESS_WORDS.items()}
    return [back[mask([name], table)] for name in _texts(names, [])]


def _back(words: object, table: Mapping[str, Action]) -> list[str]:
    back = {action: name for name, action in table.items()}
    return [back[ACCESS_WORDS[word]] for word in _texts(words, []) if ACCESS_WORDS.get(word) in back]


def _without_empty(actions: Body) -> Body:
    return {kind: named for kind, named in actions.items() if named}


def _within(body: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return an object within a stored body; what is null or not there is empty, as it was when it was accepted."""
    for name in names:
        body = body.get(name) or {}
    return body


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"The field {str(name)[:64]} must be an object.")
    return value


def _texts(value: object, default: list[str]) -> list[str]:
    if value is None:
        return list(default)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid("Patterns, repositories and actions must be arrays of strings.")
    return list(value)
