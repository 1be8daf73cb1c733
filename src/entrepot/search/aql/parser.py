"""From text to a checked query, by recursive descent; criteria are never read as JSON, for keys may come twice (reference 2-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast, get_args

from entrepot.errors import Invalid
from entrepot.search.aql import values
from entrepot.search.aql.domains import DOMAINS, ENTRIES, Domain, Field
from entrepot.search.aql.fields import included, reference, why_unknown
from entrepot.search.aql.reader import Reader
from entrepot.search.aql.syntax import Comparator, Compound, Criterion, Include, Path, Query, leaves

MAX_TEXT: Final = 64 << 10  # characters
MAX_DEPTH: Final = 64
MAX_CRITERIA: Final = 2000
MAX_INCLUDES: Final = 50
_COMPARATORS: Final[dict[str, Comparator]] = {name: name for name in get_args(Comparator)}
_COMPOUNDS: Final = ("$and", "$or", "$msp")
_ORDERED: Final = ("include", "sort", "offset", "limit")


def parse(text: str, now: int) -> Query:
    """Return the query. `now` is the time, in milliseconds, that times ago are counted from. Raises SyntaxFault, Invalid."""
    if len(text) > MAX_TEXT:
        raise Invalid(f"AQL query is too long; please reduce the query length to less than {MAX_TEXT} chars")
    return _Parser(Reader(text), now).query()


class _Parser:
    def __init__(self, reader: Reader, now: int) -> None:
        self._reader = reader
        self._now = now
        self._count = 0
        self._domain = DOMAINS["item"]

    def query(self) -> Query:
        reader = self._reader
        reader.skip()
        start = reader.place
        entry, _, action = reader.word().rpartition(".")
        if not entry:  # blanks around the dot
            entry = action
            reader.need(".")
            action = reader.word()
        if entry not in ENTRIES:
            reader.fail(start)
        if action != "find":
            reader.fail(reader.place - len(action))
        self._domain = DOMAINS[ENTRIES[entry]]
        if not self._domain.fields:
            raise Invalid(f"The domain {entry} has no fields of its own: look for what it is related to.")
        criteria = self._criteria()
        modifiers = self._modifiers()
        if not reader.ended():
            reader.fail()
        return self._assembled(criteria, modifiers)

    # --- criteria -----------------------------------------------------------------------------------------------------

    def _criteria(self) -> Compound:
        reader, parts = self._reader, []
        reader.need("(")
        if not reader.at(")"):
            parts += self._object(1)
            while reader.take(","):
                parts += self._object(1)
        reader.need(")")
        return Compound("$and", tuple(parts))

    def _object(self, depth: int) -> list[Criterion | Compound]:
        if depth > MAX_DEPTH:
            raise Invalid(f"The query is nested more than {MAX_DEPTH} deep.")
        reader = self._reader
        reader.need("{")
        members: list[Criterion | Compound] = []
        if reader.take("}"):
            return members
        members.append(self._member(depth))
        while reader.take(","):
            members.append(self._member(depth))
        reader.need("}")
        return members

    def _member(self, depth: int) -> Criterion | Compound:
        self._count += 1
        if self._count > MAX_CRITERIA:
            raise Invalid(f"The query has more than {MAX_CRITERIA} criteria.")
        reader = self._reader
        reader.skip()
        start = reader.place + 1
        name = reader.string()
        if name in _COMPOUNDS:
            reader.need(":")
            return self._compound(name, depth)
        found = reference(self._domain, name)
        if found is None:
            reader.unknown(start, why_unknown(self._domain, name))
        reader.need(":")
        comparator, value = self._comparison()
        path, field, key = found
        return _criterion(path, field, key, comparator, value, self._now)

    def _compound(self, operator: str, depth: int) -> Compound:
        """Read an array of objects, whose members all count for the operator, whichever object they are in."""
        reader, parts = self._reader, []
        reader.need("[")
        parts += self._object(depth + 1)
        while reader.take(","):
            parts += self._object(depth + 1)
        reader.need("]")
        return Compound(operator, tuple(parts))  # type: ignore[arg-type]

    def _comparison(self) -> tuple[Comparator, str | None]:
        reader = self._reader
        if not reader.take("{"):
            return "$eq", self._value()
        reader.skip()
        start = reader.place + 1
        name = reader.string().lower()
        if name not in _COMPARATORS:
            reader.unknown(start, f"there is no comparator '{name[:20]}'")
        reader.need(":")
        value = self._value()
        reader.need("}")
        return _COMPARATORS[name], value

    def _value(self) -> str | None:
        reader = self._reader
        if reader.at('"'):
            return reader.string()
        for word in ("null", "NULL"):
            if reader.take(word):
                return None
        return reader.number()

    # --- modifiers ----------------------------------------------------------------------------------------------------

    def _modifiers(self) -> dict[str, object]:
        reader = self._reader
        found: dict[str, object] = {}
        last = -1
        readers: dict[str, Callable[[], object]] = {
            "include": self._include, "sort": self._sort, "offset": self._whole, "limit": self._whole,
            "transitive": lambda: True, "distinct": self._truth,
        }  # fmt: skip
        while not reader.ended():
            reader.need(".")
            reader.skip()
            start = reader.place
            name = reader.word()
            if name not in readers or name in found:
                reader.fail(start)
            if name in _ORDERED:
                if _ORDERED.index(name) < last:
                    reader.fail(start)
                last = _ORDERED.index(name)
            reader.need("(")
            found[name] = readers[name]()
            reader.need(")")
        return found

    def _include(self) -> list[Include]:
        reader = self._reader
        found = []
        for name, start in self._strings():
            one = included(self._domain, name)
            if one is None:
                reader.unknown(start, why_unknown(self._domain, name))
            found.append(one)
        if len(found) > MAX_INCLUDES:
            raise Invalid(f"At most {MAX_INCLUDES} fields can be included.")
        return found

    def _strings(self) -> list[tuple[str, int]]:
        reader = self._reader
        found = []
        while True:
            reader.skip()
            start = reader.place + 1
            found.append((reader.string(), start))
            if not reader.take(","):
                return found

    def _sort(self) -> tuple[bool, list[tuple[str, int]]]:
        reader = self._reader
        reader.need("{")
        reader.skip()
        start = reader.place + 1
        direction = reader.string()
        if direction not in {"$asc", "$desc"}:
            reader.fail(start)
        reader.need(":")
        reader.need("[")
        names = self._strings()
        reader.need("]")
        reader.need("}")
        return direction == "$desc", names

    def _whole(self) -> int:
        start = self._reader.place
        text = self._reader.number()
        if "." in text or len(text) > 18:
            self._reader.fail(start)
        return int(text)

    def _truth(self) -> bool:
        start = self._reader.place
        word = self._reader.word()
        if word not in {"true", "false"}:
            self._reader.fail(start)
        return word == "true"

    # --- all of it ----------------------------------------------------------------------------------------------------

    def _assembled(self, criteria: Compound, modifiers: dict[str, object]) -> Query:
        includes = cast("list[Include]", modifiers.get("include", []))
        descending, names = cast("tuple[bool, list[tuple[str, int]]]", modifiers.get("sort", (False, [])))
        sort = self._sorted(includes, names)
        if "transitive" in modifiers:
            self._check_transitive(criteria, includes, modifiers)
        limit, offset = cast("int | None", modifiers.get("limit")), cast("int", modifiers.get("offset", 0))
        return Query(
            self._domain,
            criteria,
            tuple(includes),
            sort,
            descending,
            max(offset, 0),
            None if limit is None or limit < 0 else limit,
            modifiers.get("distinct") is not False,
        )

    def _check_transitive(self, criteria: Compound, includes: list[Include], modifiers: dict[str, object]) -> None:
        """Raise Invalid unless another server can be asked the same of one of its repositories."""
        if self._domain.name != "item":
            raise Invalid("Only the items domain can be used with transitive.")
        if "sort" in modifiers or "offset" in modifiers:
            raise Invalid("The sort and offset of a query cannot be used with transitive.")
        named = [one for one in leaves(criteria) if one.field is not None and one.field.kind == "repo"]
        if len({one.value for one in named}) != 1 or any(one.path or one.comparator != "$eq" for one in named):
            raise Invalid("A query with transitive has to name one repository, with $eq.")
        if any(one.path not in {(), ("property",)} for one in includes):
            raise Invalid("Only fields of items and properties can be included with transitive.")

    def _sorted(self, includes: list[Include], names: list[tuple[str, int]]) -> tuple[Field, ...]:
        """Return the fields to sort by. Those of other domains are accepted, and have no effect."""
        own = [one for one in main_fields(self._domain, includes) if one.kind != "virtual"]
        found: list[tuple[Path, Field]] = []
        for name, start in names:
            meant = reference(self._domain, name)
            if meant is None:
                self._reader.unknown(start, why_unknown(self._domain, name))
            path, field, _ = meant
            if field is None or (not path and field not in own) or (path and all(one.path != path for one in includes)):
                raise Invalid("Only the result fields are allowed to use in the sort section.")
            if (path, field) in found:
                raise Invalid("Duplicate fields, all the fields in the sort section should be unique.")
            found.append((path, field))
        return tuple(field for path, field in found if not path)


def main_fields(domain: Domain, includes: list[Include] | tuple[Include, ...]) -> tuple[Field, ...]:
    """Return the fields of the query's own domain that its result holds."""
    named = [one for one in includes if not one.path and (one.fields or one.everything)]
    if not named:
        return tuple(field for field in domain.fields.values() if field.shown)
    if any(one.everything for one in named):
        return tuple(field for field in domain.fields.values() if field.printed)
    return tuple(dict.fromkeys(field for one in named for field in one.fields))


def _criterion(
    path: tuple[str, ...], field: Field | None, key: str | None, comparator: Comparator, value: str | None, now: int
) -> Criterion:
    if value is None and comparator not in {"$eq", "$ne"}:
        raise Invalid("Illegal syntax the 'null' values are allowed to use only with equals and not equals operators.")
    if field is None or value is None:
        if comparator in {"$before", "$last"}:
            raise Invalid(f"The comparator {comparator} is for dates only.")
        return Criterion(path, field, key, comparator, value)
    if comparator in {"$before", "$last"}:
        if field.kind != "date":
            raise Invalid(f"The comparator {comparator} is for dates only.")
        return Criterion(path, field, None, "$lt" if comparator == "$before" else "$gt", values.ago(value, now))
    return Criterion(path, field, None, comparator, _typed(field, value))


def _typed(field: Field, value: str) -> str | int | None:
    match field.kind:
        case "date":
            return values.moment(value)
        case "int" | "long":
            return values.whole(value, field.kind)
        case "type":
            return values.file_type(value)
        case "virtual":
            raise Invalid("The field virtual_repos can be included only, not searched by.")
    return value
