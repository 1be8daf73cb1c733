"""Related rows within the rows of a result: artifacts within items, modules within those, and so on (reference 8.2, 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from entrepot.metadata.database import Database
from entrepot.metadata.sql import Statement
from entrepot.search.aql.binds import Binds
from entrepot.search.aql.conditions import Conditions
from entrepot.search.aql.domains import Domain, Field
from entrepot.search.aql.fields import reached
from entrepot.search.aql.plan import Joins, seen
from entrepot.search.aql.printing import printed
from entrepot.search.aql.repositories import Known
from entrepot.search.aql.syntax import Compound, Criterion, Path, Query

_SECONDS: Final = 60.0
_MOST: Final = 200_000  # related rows of one batch
_NO_STATISTICS: Final = {"downloads": 0, "remote_downloads": 0}


@dataclass(slots=True)
class _Level:
    """What is included of the rows that one walk leads to."""

    domain: Domain
    fields: list[Field] = field(default_factory=list)
    everything: bool = False
    keys: set[str] = field(default_factory=set)

    def columns(self) -> list[Field]:
        if self.everything:
            return [one for one in self.domain.fields.values() if one.printed and one.kind != "virtual"]
        if self.keys:
            return [self.domain.fields["key"], self.domain.fields["value"]]
        return self.fields


@dataclass(slots=True)
class _Branch:
    """The related rows of one row: values and branches of their own, by id."""

    values: dict[str, Any] = field(default_factory=dict)
    below: dict[str, dict[Any, _Branch]] = field(default_factory=dict)


class Nesting:
    """Fetch what a query includes of other domains, for batches of its rows."""

    def __init__(self, database: Database, query: Query, known: Known) -> None:
        self._database = database
        self._query = query
        self._known = known
        self._levels: dict[Path, _Level] = {}
        for one in query.includes:
            if one.path:
                level = self._level(one.path)
                level.fields += one.fields
                level.everything |= one.everything
                level.keys.update(one.keys)

    def _level(self, path: Path) -> _Level:
        for end in range(1, len(path) + 1):
            here = path[:end]
            if here not in self._levels:
                self._levels[here] = _Level(reached(self._query.domain, here))
        return self._levels[path]

    async def of(self, ids: Sequence[Any]) -> dict[Any, dict[str, Any]]:
        """Return the arrays of related rows for each id."""
        roots: dict[Any, _Branch] = {one: _Branch() for one in ids}
        ends = [
            path
            for path in self._levels
            if not any(other[: len(path)] == path for other in self._levels if other != path)
        ]
        for path in ends:
            await self._fetch(path, ids, roots)
        return {one: self._told(branch, ()) for one, branch in roots.items()}

    async def _fetch(self, path: Path, ids: Sequence[Any], roots: Mapping[Any, _Branch]) -> None:
        binds = Binds(self._database.engine)
        joins = Joins(self._query.domain, seen(self._known, binds))
        steps = [path[:end] for end in range(1, len(path) + 1)]
        columns = [self._query.domain.id.format(a="r")]
        for step in steps:
            alias, domain = joins.alias(step)
            columns.append(domain.id.format(a=alias))
            columns += [binds.column(one, alias) for one in self._levels[step].columns()]
        where = [f"{columns[0]} {binds.add([*ids])}", *self._narrowed(path, joins, binds)]
        text = (
            f"SELECT {', '.join(columns)} FROM {self._query.domain.table} r {' '.join(joins.clauses)} "
            f"WHERE {' AND '.join(where)} ORDER BY {', '.join(str(one + 1) for one in self._id_places(steps))} LIMIT {_MOST}"
        )
        for row in await self._database.scan(Statement(text), seconds=_SECONDS, **binds.values):
            self._place(roots[row[0]], row, steps)

    def _id_places(self, steps: Sequence[Path]) -> Iterable[int]:
        place = 0
        yield place
        for step in steps:
            place += 1
            yield place
            place += len(self._levels[step].columns())

    def _narrowed(self, path: Path, joins: Joins, binds: Binds) -> Iterable[str]:
        """Yield the criteria that related rows have to meet, as those that were found through them did."""
        conditions = Conditions(self._query.domain, binds, alias=joins.alias, repositories=self._known.meant)
        for one in _surely(self._query.criteria):
            if one.key is None and one.path and one.path[-1] != "property" and path[: len(one.path)] == one.path:
                yield conditions.of(one)
        level = self._levels[path]
        alias, _ = joins.alias(path)
        if level.keys and not level.everything:
            yield f"{alias}.key {binds.add(sorted(level.keys))}"

    def _place(self, branch: _Branch, row: Sequence[Any], steps: Sequence[Path]) -> None:
        place = 1
        for step in steps:
            columns = self._levels[step].columns()
            if row[place] is None:
                return
            found = branch.below.setdefault(step[-1], {}).setdefault(row[place], _Branch())
            for number, one in enumerate(columns, place + 1):
                value = printed(one, row[number], self._known)
                if value is not None:
                    found.values[one.key] = value
            branch = found
            place += len(columns) + 1

    def _told(self, branch: _Branch, path: Path) -> dict[str, Any]:
        told = dict(branch.values)
        for here, level in self._levels.items():
            if len(here) != len(path) + 1 or here[: len(path)] != path:
                continue
            rows = [self._told(one, here) for one in branch.below.get(here[-1], {}).values()]
            unique = [row for number, row in enumerate(rows) if row not in rows[:number]] if len(rows) < 1000 else rows
            if not unique and level.domain.name == "stat" and level.everything:
                unique = [dict(_NO_STATISTICS)]
            if unique:
                told[level.domain.array] = unique
        return told


def _surely(part: Compound) -> Iterable[Criterion]:
    """Yield the criteria that hold for every row that is found."""
    for one in part.parts:
        if isinstance(one, Criterion):
            yield one
        elif one.operator == "$and" or (one.operator == "$or" and len(one.parts) == 1):
            yield from _surely(one)
