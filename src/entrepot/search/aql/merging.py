"""The roots of repositories put among the rows of a statement, where its order has them, so that pages hold each once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from entrepot.search.aql.roots import Root
from entrepot.search.aql.syntax import Query

Values = list[Any]  # of the fields that a query sorts by


class Merging:
    """Merge the rows of one query with the roots that it finds.

    `query` is what the statement is to be of: it begins as many rows earlier as there are roots, for so many of its rows may
    be pushed onto the page by them. Among equals roots are the first, or the last where the order descends.
    """

    def __init__(self, query: Query, roots: Sequence[Root]) -> None:
        self._descending = query.descending
        found = [(_key([root.values.get(field.name) for field in query.sort]), root.printed) for root in roots]
        self._roots = deque(sorted(found, key=lambda one: one[0], reverse=query.descending))
        self._place = max(query.offset - len(roots), 0)  # in the merged order, of what comes next
        self._passing = self._place > 0  # roots before the first row are on pages before this one
        self._first = query.offset
        self._end = None if query.limit is None else query.offset + query.limit
        limit = query.limit and query.limit + query.offset - self._place
        self.query = replace(query, offset=self._place, limit=limit)

    def page(self, rows: Iterable[tuple[Values, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the rows that come next, with the roots among them, as far as they are asked for."""
        told: list[dict[str, Any]] = []
        for values, row in rows:
            before = self._before(_key(values)) if self._roots else []
            if self._passing:
                self._place += len(before)
                before = []
            self._passing = False
            told += self._asked([*before, row])
        return told

    def rest(self) -> list[dict[str, Any]]:
        """Return the roots after the last row."""
        return [] if self._passing else self._asked([row for _, row in self._roots])

    def _before(self, key: Values) -> list[dict[str, Any]]:
        found = []
        while self._roots and (self._roots[0][0] > key if self._descending else self._roots[0][0] <= key):
            found.append(self._roots.popleft()[1])
        return found

    def _asked(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        start = self._place
        self._place += len(rows)
        end = len(rows) if self._end is None else max(self._end - start, 0)
        return rows[max(self._first - start, 0) : end]


def _key(values: Values) -> Values:
    """Return what compares as the database does: NULL is more than anything."""
    return [(value is None, "" if value is None else value) for value in values]
