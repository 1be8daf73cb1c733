"""Names within a query: which field or property, of which related row, a text means (reference 2, 5, 8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from entrepot.search.aql.domains import DOMAINS, Domain, Field
from entrepot.search.aql.syntax import Include, Path
from entrepot.slips import meant

MAX_HOPS: Final = 64
_SHOWN: Final = 100  # characters of a name that is told
_PROPERTY_DOMAINS: Final = frozenset({"property", "build.property", "module.property"})

Found = tuple[Path, Field | None, str | None]
"""The walk to a row, and its field, or the key of its property."""


def reference(domain: Domain, name: str) -> Found | None:
    """Return what the name of a criterion means; None when it means nothing."""
    walk, at, key = name.partition("@")
    if at:
        return _property(domain, walk, key)
    parts = name.split(".")
    path, reached = _walk(domain, parts[:-1])
    if reached is not None and parts[-1] in reached.fields:
        return path, reached.fields[parts[-1]], None
    if domain.name in _PROPERTY_DOMAINS and name:
        return (), None, name
    return None


def _property(domain: Domain, walk: str, key: str) -> Found | None:
    if not key:
        return None
    if domain.name in _PROPERTY_DOMAINS and not walk:
        return (), None, key
    if walk and not walk.endswith("."):
        return None
    relations = walk[:-1].split(".") if walk else []
    path, reached = _walk(domain, relations)
    if reached is None or reached.property_table is None or "property" in relations:
        return None
    if domain.name in _PROPERTY_DOMAINS and reached.name == "item":
        return None
    return path, None, key


def included(domain: Domain, name: str) -> Include | None:
    """Return what a text in `include` means; None when it means nothing."""
    if name == "*":
        return Include((), everything=True)
    walk, at, key = name.partition("@")
    if at:
        found = _property(domain, walk, key)
        if found is None:
            return None
        if domain.name in _PROPERTY_DOMAINS:
            return Include((), keys=(key,))
        path = (*found[0], "property")
        return Include(path, everything=True) if key == "*" else Include(path, keys=(key,))
    parts = name.split(".")
    if parts[-1] == "*":
        path, reached = _walk(domain, parts[:-1])
        return Include(path, everything=True) if reached is not None and path else None
    path, reached = _walk(domain, parts)
    if reached is not None and path:
        return Include(path, everything=True)
    path, reached = _walk(domain, parts[:-1])
    if reached is not None and parts[-1] in reached.fields:
        field = reached.fields[parts[-1]]
        return Include(path, (field,)) if field.printed else None
    if domain.name in _PROPERTY_DOMAINS and len(parts) == 1 and name:
        return Include((), keys=(name,))
    return None


def why_unknown(domain: Domain, name: str) -> str:
    """Return what is wrong with a name that means nothing, in words for whoever wrote it."""
    walk, at, key = name.partition("@")
    *relations, field = walk.split(".")
    if len(relations) > MAX_HOPS:
        return f"a name has at most {MAX_HOPS} relations"
    here = domain
    for relation in relations:
        if relation not in here.relations:
            return _no_such(here, "relation", relation, here.relations)
        here = DOMAINS[here.relations[relation][0]]
    if at:
        return f"'@{key[:_SHOWN]}' is no property of {here.name}"
    return _no_such(here, "field", field, here.fields)


def _no_such(here: Domain, kind: str, name: str, known: Iterable[str]) -> str:
    close = meant(name.lower(), known)
    return f"{here.name} has no {kind} '{name[:_SHOWN]}'" + (f"; did you mean '{close}'?" if close else "")


def _walk(domain: Domain, relations: list[str]) -> tuple[Path, Domain | None]:
    if len(relations) > MAX_HOPS:
        return (), None
    here = domain
    for relation in relations:
        if relation not in here.relations:
            return (), None
        here = DOMAINS[here.relations[relation][0]]
    return tuple(relations), here


def reached(domain: Domain, path: Path) -> Domain:
    """Return the domain that a walk ends in."""
    for relation in path:
        domain = DOMAINS[domain.relations[relation][0]]
    return domain
