"""A query as one statement: the rows of its own domain, each with what is printed, judged and nested by (reference 7, 15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from entrepot.errors import Invalid
from entrepot.metadata.sql import Statement
from entrepot.search.aql.binds import Binds
from entrepot.search.aql.conditions import ALWAYS, NEVER, Conditions, together
from entrepot.search.aql.domains import DOMAINS, OWNERS, SEEN, Domain, Field
from entrepot.search.aql.parser import main_fields
from entrepot.search.aql.repositories import Known
from entrepot.search.aql.syntax import Compound, Criterion, Path, Query, leaves

_ROOT: Final = "r"
_TABLES: Final = 40  # that walks may join: SQLite joins 64 in all
_JOINED: Final = 8  # properties that are joined


@dataclass(slots=True)
class Joins:
    """The rows that a statement binds beside those of its domain: one for each walk, whoever speaks of it.

    A row that the caller may not see is not joined at all, so nothing that a query asks can tell it from one that is not there.
    """

    root: Domain
    seen: Mapping[str, str] = field(default_factory=dict)  # domain to what its rows must meet
    judged: Path = ()  # the walk to the row by which each row is judged, or filtered, anyhow
    made: dict[Path, tuple[str, Domain]] = field(default_factory=dict)
    clauses: list[str] = field(default_factory=list)
    tables: int = 0

    def alias(self, path: Path) -> tuple[str, Domain]:
        """Return the alias and domain of the row that a walk leads to; one that comes back to the start is that row itself.

        Raises Invalid when all walks together are too long.
        """
        if not path:
            return _ROOT, self.root
        if path in self.made:
            return self.made[path]
        before, domain = self.alias(path[:-1])
        target, clause = domain.relations[path[-1]]
        if target == self.root.name:
            self.made[path] = _ROOT, self.root
        else:
            self.tables += clause.count(" JOIN ")
            if self.tables > _TABLES:
                raise Invalid(f"The query looks into more than {_TABLES} related tables; ask for less at once.")
            name = f"j{len(self.made)}"
            self.clauses.append(clause.format(a=before, b=name) + self._seen(path, name, target))
            self.made[path] = name, DOMAINS[target]
        return self.made[path]

    def _seen(self, path: Path, name: str, target: str) -> str:
        if target not in self.seen or path == self.judged:
            return ""
        return " AND " + self.seen[target].replace("{b}", name)

    @property
    def multiplies(self) -> bool:
        """Whether a row of the domain may come more than once."""
        return any(alias != _ROOT and domain.name != "stat" for alias, domain in self.made.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement, its parameters, and what its columns are."""

    statement: Statement
    binds: Binds
    fields: tuple[Field, ...]  # one column each, from the first on
    judged: bool  # four more columns: repository, folder, name and kind of the item that decides who may see the row
    identified: bool  # the last column: the row's id, to nest by
    pushed: bool  # offset and limit are in the statement


def plan(query: Query, known: Known, engine: str) -> Plan:
    """Write the statement of a query for its caller."""
    binds = Binds(engine)
    joins = Joins(query.domain, seen(known, binds), OWNERS.get(query.domain.name, ()))
    conditions = Conditions(
        query.domain, binds, alias=joins.alias, repositories=known.meant, by_names=_names_everything(query)
    )
    where = []
    for part in _formula(query).parts:
        if len(joins.clauses) < _JOINED and isinstance(part, Criterion) and _is_one_property(part, query.domain):
            joins.clauses.append(conditions.joined(part, len(joins.clauses)))
        else:
            where.append(conditions.of(part))
    where += [conditions.of(one) for one in _owning_keys(query)]
    judged = _visibility(query, known, binds, joins, where)
    fields = tuple(one for one in main_fields(query.domain, query.includes) if one.kind != "virtual")
    wants_virtual = any(one.kind == "virtual" for one in main_fields(query.domain, query.includes))
    identified = any(one.path for one in query.includes)
    by_key = any(one.kind == "repo" for one in query.sort)
    columns = [_column(one, binds, by_key=by_key) for one in fields]
    owner = joins.alias(OWNERS[query.domain.name])[0] if judged or wants_virtual else _ROOT
    if judged or wants_virtual:
        columns += [f"{owner}.repo_id", f"{owner}.path", f"{owner}.name", f"{owner}.kind"]
    if identified:
        columns.append(query.domain.id.format(a=_ROOT))
    unique = (query.distinct or joins.multiplies) and not _tells_apart(
        fields, identified=identified, judged=judged, joins=joins
    )
    pushed = not judged
    text = (
        f"SELECT {'DISTINCT ' if unique else ''}{', '.join(columns)} FROM {query.domain.table} {_ROOT} "
        f"{' '.join(joins.clauses)} WHERE {together('$and', where)}"
        f"{_order(query, fields, unique=unique)}{_page(query, binds) if pushed else ''}"
    )
    return Plan(Statement(text), binds, fields, judged or wants_virtual, identified, pushed)


def _formula(query: Query) -> Compound:
    """Return the criteria with what goes without saying: `items` are files where nothing is said of types."""
    found = leaves(query.criteria)
    parts = [*query.criteria.parts]
    if query.domain.name == "item" and not any(
        one.field is not None and one.field.kind == "type" and not one.path for one in found
    ):
        parts.append(Criterion((), query.domain.fields["type"], None, "$eq", 1))
    return Compound("$and", tuple(parts))


def _is_one_property(one: Criterion, domain: Domain) -> bool:
    """Whether it asks for one property with one value, of the row itself: an item has that at most once, so it can be joined.

    Joined rows come as they are found; those of a condition are all collected before the first row does.
    """
    plain = one.key not in {None, "*"} and one.comparator == "$eq" and one.value not in {None, "*"}
    return plain and not one.path and domain.property_table is not None


def _names_everything(query: Query) -> bool:
    """Whether some part asks for rows of given names only, so that the index of names is the way to them."""

    def names(part: Criterion | Compound) -> bool:
        if isinstance(part, Criterion):
            return part.field is not None and part.field.name == "name" and part.comparator == "$eq" and not part.path
        told = map(names, part.parts)
        return all(told) if part.operator == "$or" else any(told)

    return query.domain.name == "item" and any(
        isinstance(part, Compound) and names(part) for part in query.criteria.parts
    )


def _owning_keys(query: Query) -> list[Compound]:
    """Return what including properties of some keys asks of the rows: to have one of them."""
    return (
        [
            Compound(
                "$or",
                tuple(Criterion(one.path[:-1], None, key, "$eq", "*") for one in query.includes for key in one.keys),
            )
        ]
        if any(one.keys for one in query.includes)
        else []
    )


def asks_for_repository(query: Query) -> bool:
    """Whether a repository is named, so that also reserved ones are looked into."""
    return any(
        one.field is not None and one.field.kind == "repo" and one.comparator == "$eq" for one in leaves(query.criteria)
    )


def seen(known: Known, binds: Binds) -> dict[str, str]:
    """Return what joined rows of each domain must meet: nothing for whoever may read everything."""
    whole = known.whole()
    if len(whole) == len(known.physical):
        return {}
    everything = ALWAYS if known.everything() else NEVER
    bound = binds.add(whole)
    return {name: one.replace("{whole}", bound).replace("{everything}", everything) for name, one in SEEN.items()}


def _visibility(query: Query, known: Known, binds: Binds, joins: Joins, where: list[str]) -> bool:
    """Narrow to what the caller may see; return whether each row still has to be judged."""
    walk = OWNERS.get(query.domain.name)
    whole = known.whole()
    if walk is None:
        if not known.everything():
            where.append(NEVER)
        return False
    alias, owner = joins.alias(walk)
    readable = known.readable(hidden=asks_for_repository(query))
    if owner.name == "build":
        where.append(f"{alias}.repo_id {binds.add([*set(readable) & set(whole)])}")
        return False
    where.append(f"+{alias}.repo_id {binds.add(readable)}")  # +: it filters, and is no reason to go by this column
    return not set(readable) <= set(whole)


def _column(one: Field, binds: Binds, *, by_key: bool = False) -> str:
    if one.kind == "repo" and by_key:
        return f"(SELECT key FROM repository WHERE id = {_ROOT}.repo_id)"
    return binds.column(one, _ROOT)


def _tells_apart(fields: tuple[Field, ...], *, identified: bool, judged: bool, joins: Joins) -> bool:
    """Whether no two rows can be equal, so that nothing has to be made distinct."""
    if joins.multiplies:
        return False
    return identified or judged or {"repo", "path", "name"} <= {one.name for one in fields}


def _order(query: Query, fields: tuple[Field, ...], *, unique: bool) -> str:
    """Return the order that was asked for, and made complete, so that pages never overlap."""
    if not query.sort and not query.offset and query.limit is None:
        return ""
    way = "DESC" if query.descending else "ASC"
    nulls = f" NULLS {'FIRST' if query.descending else 'LAST'}"
    places = [f"{fields.index(one) + 1} {way}{nulls if one.nullable else ''}" for one in query.sort]
    if unique:
        places += [f"{place} {way}" for place, one in enumerate(fields, 1) if one not in query.sort]
    else:
        places.append(f"{query.domain.id.format(a=_ROOT)} {way}")
    return f" ORDER BY {', '.join(places)}"


def _page(query: Query, binds: Binds) -> str:
    text = f" LIMIT {binds.add(query.limit)}" if query.limit is not None else ""
    if query.offset:
        text += ("" if text or binds.engine == "postgresql" else " LIMIT -1") + f" OFFSET {binds.add(query.offset)}"
    return text
