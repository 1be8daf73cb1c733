"""Values of rows as results print them (reference 9)."""

from __future__ import annotations

from typing import Any

from entrepot.clock import iso
from entrepot.search.aql.domains import Field
from entrepot.search.aql.repositories import Known, shown


def printed(one: Field, value: Any, known: Known) -> Any:
    """Return what a result says of a column's value; None: nothing."""
    if value is None:
        return None
    match one.kind:
        case "date":
            return iso(value)
        case "type":
            return "file" if value else "folder"
        case "repo":
            repository = known.by_id.get(value) if isinstance(value, int) else known.by_key(value)
            return shown(repository) if repository is not None else None
        case "int" | "long":
            return int(value)
    return value
