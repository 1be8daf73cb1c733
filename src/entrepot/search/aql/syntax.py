"""A query as a tree: what the parser gives and the compiler takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from entrepot.search.aql.domains import Domain, Field

Comparator = Literal[
    "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$match", "$nmatch", "$before", "$last", "$eqic", "$matchic"
]
Path = tuple[str, ...]  # relations, from the query's domain on


@dataclass(frozen=True, slots=True)
class Criterion:
    """One comparison: of a field of the row that `path` leads to, or of its property `key` (`*`: any key)."""

    path: Path
    field: Field | None
    key: str | None
    comparator: Comparator
    value: str | int | bytes | None  # of the field's kind; dates in milliseconds

    @property
    def is_negative(self) -> bool:
        """Whether it says what must not be."""
        return self.comparator in {"$ne", "$nmatch"}


@dataclass(frozen=True, slots=True)
class Compound:
    """Several criteria together. `$msp`: all of its properties are of one row."""

    operator: Literal["$and", "$or", "$msp"]
    parts: tuple[Criterion | Compound, ...]


@dataclass(frozen=True, slots=True)
class Include:
    """What a result holds of one domain: its fields (empty: none by name), all of them, or properties of some keys."""

    path: Path
    fields: tuple[Field, ...] = ()
    everything: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query, checked."""

    domain: Domain
    criteria: Compound
    includes: tuple[Include, ...] = ()
    sort: tuple[Field, ...] = ()
    descending: bool = False
    offset: int = 0
    limit: int | None = None
    distinct: bool = True


def leaves(part: Criterion | Compound) -> list[Criterion]:
    """Return all criteria of a formula, in order."""
    return [part] if isinstance(part, Criterion) else [leaf for one in part.parts for leaf in leaves(one)]
