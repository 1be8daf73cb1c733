"""The configuration descriptor of Artifactory: changed by YAML (`patches.py`), shown as XML (reference 15).

Elements that exist once are documents; those with keys of their own are one document each. What stands within `security` and
has keys (`ldapSettings` ...) is kept as a section like any other. Secrets are never shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.etree import ElementTree as ET

from entrepot.configuration.documents import Document, Documents, Entry, Section, Sections
from entrepot.configuration.elements import (
    KEYED,
    NOT_IN_XML,
    SCALARS,
    SINGLE,
    WITHIN_SECURITY,
    check_element,
    check_fields,
    check_value,
)
from entrepot.configuration.secrets import is_secret
from entrepot.errors import Invalid

MAX_BYTES: Final = 1 << 18
_NAMESPACE: Final = "http://artifactory.jfrog.org/xsd/3.1.20"
GENERAL: Final = "general"  # the section of the elements that are single values
_ABSENT: Final = frozenset({"mailServer", "xrayConfig"})
_LISTED: Final[Mapping[str, tuple[str, str]]] = {
    "properties": ("property", "name"),
    "predefinedValues": ("predefinedValue", "value"),
}
"""Maps whose keys XML has as fields of the elements, which all have one name."""
_ITEMS: Final[Mapping[str, str]] = {"excludedRepositories": "repositoryRef"}
"""Lists whose elements XML puts into one of the list's name."""


def entries(patch: Mapping[str, Any], held: Sections) -> list[Entry]:
    """Return the documents as a patch leaves those that are held; null removes. Raises Invalid for unknown elements."""
    found: list[Entry] = []
    general: dict[str, Any] = {}
    for name, value in patch.items():
        check_element(name)
        if name in SCALARS:
            check_value(name, value)
            general[name] = value
        elif name in KEYED:
            found += _keyed(name, KEYED[name][1], value, held.get(name, {}))
        elif name == "security":
            rest = dict(_map(name, value))
            check_fields(name, rest)
            for inner in WITHIN_SECURITY:
                if inner in rest:
                    found += _keyed(inner, WITHIN_SECURITY[inner][1], rest.pop(inner), held.get(inner, {}))
            if rest:
                found.append(Entry(name, "", _merged(_one(held, name), rest)))
        else:
            body = None if value is None else _map(name, value)
            check_fields(name, body or {})
            found.append(Entry(name, "", None if body is None else _merged(_one(held, name), body)))
    if general:
        found.append(Entry(GENERAL, "", _merged(_one(held, GENERAL), general)))
    return found


def render(documents: Documents, repositories: Iterable[tuple[str, str]]) -> bytes:
    """Return the descriptor as XML; `repositories` are keys with their class."""
    root = ET.Element("config", {"xmlns": _NAMESPACE})
    general = documents.one(GENERAL)
    for name in SCALARS:
        if name in general:
            ET.SubElement(root, name).text = _text(general[name])
    _render_single(root, documents)
    for name, (one, key) in KEYED.items():
        _fill_keyed(ET.SubElement(root, name), one, key, documents.section(name))
    listed = [*repositories]
    for rclass in ("local", "remote", "virtual", "federated"):
        group = ET.SubElement(root, f"{rclass}Repositories")
        for repository, kind in listed:
            if kind == rclass:
                ET.SubElement(ET.SubElement(group, f"{rclass}Repository"), "key").text = repository
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + body


def _render_single(root: ET.Element, documents: Documents) -> None:
    for name in SINGLE:
        if name in _ABSENT and not documents.one(name):
            continue  # clients look whether it is there
        element = ET.SubElement(root, name)
        _fill(element, documents.one(name))
        if name == "security":
            for inner, (one, key) in WITHIN_SECURITY.items():
                _fill_keyed(ET.SubElement(element, inner), one, key, documents.section(inner))


def _one(held: Sections, section: str) -> Document:
    return held.get(section, {}).get("", {})


def _keyed(section: str, key_name: str, value: Any, held: Section) -> list[Entry]:
    if value is None:
        return [Entry(section, key, None) for key in held]
    found = []
    for key, body in _map(section, value).items():
        if body is None:
            found.append(Entry(section, key, None))
        else:
            before = {**held.get(key, {}), key_name: key}
            found.append(Entry(section, key, _merged(before, _map(f"{section}.{key}", body))))
    return found


def _merged(held: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(held)
    for name, value in patch.items():
        check_value(name, value)
        if value is None:
            new.pop(name, None)
        elif isinstance(value, dict):
            check_fields(name, value)
            inner = new.get(name)
            new[name] = _merged(inner if isinstance(inner, dict) else {}, _map(name, value))
        else:
            new[name] = value
    return new


def _map(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) and len(key) <= 255 for key in value):
        raise Invalid(f"The element {name[:100]} must be a map.")
    return value


def _fill_keyed(parent: ET.Element, one: str, key_name: str, section: Mapping[str, Any]) -> None:
    for key, body in section.items():
        if not isinstance(body, Mapping):  # kept by an older version
            continue
        _fill(ET.SubElement(parent, one), {key_name: key, **body})


def _fill(element: ET.Element, body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if is_secret(name) or not name.isidentifier():
            continue
        if isinstance(value, dict) and name in _LISTED:
            one, key_name = _LISTED[name]
            _fill_keyed(ET.SubElement(element, name), one, key_name, value)
        elif isinstance(value, dict):
            _fill(ET.SubElement(element, name), value)
        elif name in _ITEMS:
            _fill(ET.SubElement(element, name), {_ITEMS[name]: value})
        else:
            for one in value if isinstance(value, list) else [value]:
                ET.SubElement(element, name).text = _text(one)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "".join(c for c in str(value) if c in "\t\n\r" or (c >= " " and c not in NOT_IN_XML))
