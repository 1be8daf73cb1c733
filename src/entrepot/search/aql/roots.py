"""The roots of repositories as rows of `items`: folders at path `.` with the name `.`, which our tree has no rows for (reference 7.4).

They are few, and nothing is related to them, so a formula is worked out for each of them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from re import compile as expression
from typing import Any, Final

from entrepot.metadata.database import Reads
from entrepot.metadata.sql import sql
from entrepot.search.aql.domains import Field
from entrepot.search.aql.printing import printed
from entrepot.search.aql.repositories import Known
from entrepot.search.aql.syntax import Comparator, Compound, Criterion, Query, leaves
from entrepot.search.aql.values import ANY_TYPE

_CREATED = sql("SELECT id, created FROM repository WHERE id {any:ids}")
_FIXED: Final[dict[str, Any]] = {
    "path": ".", "name": ".", "type": 0, "size": 0, "depth": 0, "created_by": "", "modified_by": "", "id": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Root:
    """A root that was found: by the names of its fields what it is sorted by, and what results say of it."""

    values: Mapping[str, Any]
    printed: dict[str, Any]


async def roots(reads: Reads, query: Query, known: Known, *, hidden: bool, fields: Sequence[Field]) -> list[Root]:
    """Return the roots that a query finds among the repositories that its caller may read."""
    if query.domain.name != "item" or any(one.keys for one in query.includes) or not _asks_for_folders(query):
        return []
    ids = known.readable(hidden=hidden)
    created = dict(map(tuple, await reads.rows(_CREATED, ids=ids))) if ids else {}
    found = []
    for repo_id in ids:
        at = created.get(repo_id, 0)
        values = {**_FIXED, "repo": repo_id, "created": at, "modified": at, "updated": at}
        if _holds(query.criteria, values, known):
            row = ((one.key, printed(one, values.get(one.name), known)) for one in fields)
            told = {key: value for key, value in row if value not in {None, ""}}
            found.append(Root({**values, "repo": known.by_id[repo_id].key}, told))
    return found


def _asks_for_folders(query: Query) -> bool:
    return any(one.field is not None and one.field.kind == "type" and not one.path for one in leaves(query.criteria))


def _holds(part: Criterion | Compound, values: dict[str, Any], known: Known) -> bool:
    if isinstance(part, Criterion):
        return _criterion(part, values, known)
    told = (_holds(one, values, known) for one in part.parts)
    return any(told) if part.operator == "$or" else all(told)


def _criterion(one: Criterion, values: dict[str, Any], known: Known) -> bool:
    if one.key is not None or (one.path and one.path[-1] == "property"):
        return one.is_negative  # there are no properties
    assert one.field is not None
    if one.path or one.field.name not in values:  # nothing is related, and there are no checksums
        return one.comparator == "$eq" if one.value is None else one.is_negative and one.field.nullable
    if one.field.kind == "repo":
        return values["repo"] in known.meant(one.comparator, one.value if isinstance(one.value, str) else None)
    if one.value in {None, ANY_TYPE}:
        return one.value == ANY_TYPE or one.comparator == "$ne"
    return _compare(values[one.field.name], one.comparator, one.value)


def _compare(held: Any, comparator: Comparator, value: Any) -> bool:
    match comparator:
        case "$eq":
            return bool(held == value)
        case "$ne":
            return bool(held != value)
        case "$gt":
            return bool(held > value)
        case "$gte":
            return bool(held >= value)
        case "$lt":
            return bool(held < value)
        case "$lte":
            return bool(held <= value)
    fits = expression(translate(str(value).replace("[", "[[]"))).match(str(held)) is not None
    return fits is (comparator != "$nmatch")
