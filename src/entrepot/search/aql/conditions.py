"""Criteria as SQL conditions over aliases, for either engine (reference 6, 7, 15.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from entrepot.errors import Invalid
from entrepot.metadata.properties import value_hash
from entrepot.search.aql.binds import Binds, folded
from entrepot.search.aql.domains import Domain, Field
from entrepot.search.aql.syntax import Comparator, Compound, Criterion, leaves
from entrepot.search.aql.values import ANY_TYPE

_ORDER: Final = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_POSITIVE: Final[Mapping[Comparator, Comparator]] = {"$ne": "$eq", "$nmatch": "$match"}
_CHAIN: Final = 50
NEVER: Final = "1 = 0"
ALWAYS: Final = "1 = 1"


class Conditions:
    """Write conditions. `alias` gives the alias of the row that a walk leads to; `repositories` the ids that a criterion means."""

    def __init__(
        self,
        domain: Domain,
        binds: Binds,
        *,
        alias: Callable[[tuple[str, ...]], tuple[str, Domain]],
        repositories: Callable[[Comparator, str | None], Iterable[int]],
        by_names: bool = False,
    ) -> None:
        self._filter = "+" if by_names else ""  # before a column: it filters, and is no reason to go by its index
        self._domain = domain
        self._binds = binds
        self._alias = alias
        self._repositories = repositories

    def of(self, part: Criterion | Compound) -> str:
        """Return the condition for a part of the formula."""
        if isinstance(part, Criterion):
            return self._criterion(part)
        if part.operator == "$msp":
            return self._one_row(part)
        return together(part.operator, [self.of(one) for one in _deepest_first(part)])

    def _criterion(self, one: Criterion) -> str:
        if one.key is not None:
            return self._property(one)
        assert one.field is not None
        if one.path and one.path[-1] == "property":
            return self._any_property(one)
        alias, _ = self._alias(one.path)
        return self.compare(alias, one.field, one.comparator, one.value)

    def compare(self, alias: str, field_: Field, comparator: Comparator, value: str | int | bytes | None) -> str:
        """Return the comparison of a field of one row."""
        if field_.kind == "repo":
            assert value is None or isinstance(value, str)
            return f"{self._filter}{alias}.repo_id {self._binds.add([*self._repositories(comparator, value)])}"
        if field_.kind == "type":
            return self._type(alias, comparator, value)
        if field_.kind == "hex":
            return self._checksum(alias, field_, comparator, value)
        column = field_.column.format(a=alias)
        if value is None:
            return f"{column} IS {'NOT ' if comparator == '$ne' else ''}NULL"
        if field_.kind != "text":
            return self._number(column, comparator, value, nullable=field_.nullable)
        assert isinstance(value, str)
        return self._text(column, comparator, value, nullable=field_.nullable)

    def _text(self, column: str, comparator: Comparator, value: str, *, nullable: bool) -> str:
        binds = self._binds
        match comparator:
            case "$eq":
                return f"{column} = {binds.add(value)}"
            case "$ne":
                told = f"{column} <> {binds.add(value)}"
                return f"({told} OR {column} IS NULL)" if nullable else told
            case "$match" | "$matchic":
                return binds.like(column, value, fold=comparator == "$matchic")
            case "$nmatch":
                return f"(NOT ({binds.like(column, value)}) OR {column} IS NULL)"
            case "$eqic":
                return f"{binds.folded(column)} = {binds.add(folded(value))}"
        return f"{column} {_ORDER[comparator]} {binds.add(value)}"

    def _number(self, column: str, comparator: Comparator, value: str | int | bytes, *, nullable: bool) -> str:
        told = self._binds.add(value)
        match comparator:
            case "$eq" | "$match" | "$eqic" | "$matchic":
                return f"{column} = {told}"
            case "$ne":
                return f"({column} <> {told} OR {column} IS NULL)" if nullable else f"{column} <> {told}"
            case "$nmatch":
                return f"({column} <> {told} OR {column} IS NULL)"
        return f"{column} {_ORDER[comparator]} {told}"

    def _type(self, alias: str, comparator: Comparator, value: str | int | bytes | None) -> str:
        if value == ANY_TYPE:
            return ALWAYS
        if value is None:
            return NEVER if comparator == "$eq" else ALWAYS
        return self._number(f"{alias}.kind", comparator, value, nullable=False)

    def _checksum(self, alias: str, field_: Field, comparator: Comparator, value: str | int | bytes | None) -> str:
        """Compare a checksum, which is kept as bytes: with the blob of an item, or in the row itself."""
        assert value is None or isinstance(value, str)
        of_item = "{a}" not in field_.column
        column = field_.column if of_item else field_.column.format(a=alias)
        if value is None:
            tested = f"{alias}.blob_id" if of_item else column
            return f"{tested} IS {'NOT ' if comparator == '$ne' else ''}NULL"
        raw = _raw(value)
        if comparator in {"$eq", "$match"} and raw is not None:
            told = f"{column} = {self._binds.add(raw)}"
        elif comparator == "$eq":
            return NEVER
        else:
            wanted = _POSITIVE.get(comparator, comparator)
            told = self._text(self._binds.hexed(column), wanted, value, nullable=False)
        inside = f"{alias}.blob_id IN (SELECT id FROM blob WHERE {told})" if of_item else f"({told})"
        if comparator in {"$ne", "$nmatch"}:
            absent = f"{alias}.blob_id" if of_item else column
            return f"(NOT {inside} OR {absent} IS NULL)"
        return inside

    # --- properties ---------------------------------------------------------------------------------------------------

    def _property(self, one: Criterion) -> str:
        alias, domain = self._alias(one.path)
        if domain.property_table is None:  # in a domain of properties: of this very row
            return self._row(alias, one)
        table, owner = domain.property_table
        owned = domain.id.format(a=alias)
        inner = self._positive(one)
        if one.is_negative:
            return f"NOT EXISTS (SELECT 1 FROM {table} p WHERE p.{owner} = {owned} AND {inner})"
        return f"{owned} IN (SELECT p.{owner} FROM {table} p WHERE {inner})"

    def joined(self, one: Criterion, number: int) -> str:
        """Return the join that leaves only rows with one value of one property."""
        alias, domain = self._alias(one.path)
        assert domain.property_table is not None
        table, owner = domain.property_table
        name = f"q{number}"
        return f"JOIN {table} {name} ON {name}.{owner} = {domain.id.format(a=alias)} AND {self._row(name, one)}"

    def _any_property(self, one: Criterion) -> str:
        """A criterion on `property.key` or `property.value`: of any property, each on its own."""
        assert one.field is not None
        alias, domain = self._alias(one.path[:-1])
        assert domain.property_table is not None
        table, owner = domain.property_table
        owned = domain.id.format(a=alias)
        comparator = _POSITIVE.get(one.comparator, one.comparator)
        inner = self.compare("p", one.field, comparator, one.value)
        if one.is_negative:
            return f"NOT EXISTS (SELECT 1 FROM {table} p WHERE p.{owner} = {owned} AND {inner})"
        return f"{owned} IN (SELECT p.{owner} FROM {table} p WHERE {inner})"

    def _positive(self, one: Criterion) -> str:
        """Return the condition on a property row that a criterion asks for, or whose opposite it does."""
        key = "" if one.key == "*" else f"p.key = {self._binds.add(one.key)}"
        if one.value == "*" and one.comparator in {"$eq", "$ne", "$match", "$nmatch"}:
            return key or ALWAYS
        told = self._value("p", one)
        return f"{key} AND {told}" if key else told

    def _value(self, alias: str, one: Criterion) -> str:
        if one.value is None:
            return f"{alias}.value IS NULL"
        assert isinstance(one.value, str)
        wanted = _POSITIVE.get(one.comparator, one.comparator)
        if wanted == "$eq" or (wanted == "$match" and not set("*?") & set(one.value)):
            hashed = self._binds.add(value_hash(one.value))
            return f"{alias}.value_hash = {hashed} AND {alias}.value = {self._binds.add(one.value)}"
        return self._text(f"{alias}.value", wanted, one.value, nullable=False)

    def _one_row(self, compound: Compound) -> str:
        """`$msp`: one property row meets all of it; an item without properties meets what is only negative."""
        properties = [one for one in leaves(compound) if one.key is not None or one.path[-1:] == ("property",)]
        if not properties:
            return self.of(Compound("$and", compound.parts))
        paths = {one.path if one.key is not None else one.path[:-1] for one in properties}
        if len(paths) > 1:
            raise Invalid("Within $msp all properties are of one row, so the walks to them must be the same.")
        alias, domain = self._alias(paths.pop())
        if domain.property_table is None:
            return self._within(compound, alias)
        table, owner = domain.property_table
        owned = domain.id.format(a=alias)
        found = f"EXISTS (SELECT 1 FROM {table} p WHERE p.{owner} = {owned} AND {self._within(compound, 'p')})"
        if all(one.is_negative for one in properties):
            return f"({found} OR NOT EXISTS (SELECT 1 FROM {table} p WHERE p.{owner} = {owned}))"
        return found

    def _within(self, part: Criterion | Compound, alias: str) -> str:
        if isinstance(part, Compound):
            return together(part.operator, [self._within(one, alias) for one in _deepest_first(part)])
        if part.key is not None:
            return self._row(alias, part)
        if part.path[-1:] == ("property",):
            assert part.field is not None
            return self.compare(alias, part.field, part.comparator, part.value)
        return self._criterion(part)

    def _row(self, alias: str, one: Criterion) -> str:
        """Return what a criterion says of one property row."""
        key = "" if one.key == "*" else f"{alias}.key = {self._binds.add(one.key)}"
        exists = one.value == "*" and one.comparator in {"$eq", "$ne", "$match", "$nmatch"}
        told = " AND ".join(filter(None, (key, "" if exists else self._value(alias, one)))) or ALWAYS
        return f"NOT ({told})" if one.is_negative else f"({told})"


def together(operator: str, conditions: Sequence[str]) -> str:
    """Return conditions as one, the first apart from the rest, and these in chains: SQLite takes no tree a thousand deep."""
    word = " OR " if operator == "$or" else " AND "

    def chain(some: Sequence[str]) -> str:
        return f"({word.join(some)})" if len(some) > 1 else "".join(some)

    rest = conditions[1:]
    if len(rest) > _CHAIN:
        rest = [chain(rest[place : place + _CHAIN]) for place in range(0, len(rest), _CHAIN)]
    return chain([part for part in (*conditions[:1], chain(rest)) if part]) or ALWAYS


def _deepest_first(part: Compound) -> Sequence[Criterion | Compound]:
    """Return the parts in an order in which few brackets are open behind something: SQLite's parser takes some thirty."""
    return sorted(part.parts, key=_depth, reverse=True)


def _depth(part: Criterion | Compound) -> int:
    return 0 if isinstance(part, Criterion) else 1 + max(map(_depth, part.parts), default=0)


def _raw(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text.strip() == text else None
    except ValueError:
        return None
