"""The repositories of a query: which ids a criterion on `repo` means, and which may be looked into (reference 7.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import translate
from re import compile as expression
from typing import Final

from entrepot.access.actions import Action
from entrepot.access.decide import decides_all
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository
from entrepot.search.aql.binds import folded
from entrepot.search.aql.syntax import Comparator

_REMOTE: Final = "-cache"


def shown(repository: Repository) -> str:
    """Return the key that results carry: what a remote repository keeps is in its cache."""
    return f"{repository.key}{_REMOTE}" if repository.is_remote else repository.key


class Known:
    """The live repositories, as one query sees them."""

    def __init__(self, granted: Granted, repositories: Iterable[Repository]) -> None:
        everything = [*repositories]
        self._virtual = [one for one in everything if one.is_virtual]
        self._by_key = {one.key: one for one in everything}
        self._granted = granted
        self.physical = [one for one in everything if not one.is_virtual]
        self.by_id = {one.id: one for one in self.physical}

    def by_key(self, key: str) -> Repository | None:
        """Return a repository by its key."""
        return self._by_key.get(key)

    def whole(self) -> list[int]:
        """Return those of which the caller may read everything."""
        return [one.id for one in self.physical if self._granted.throughout(Action.READ, one, "")]

    def everything(self) -> bool:
        """Whether the caller has the right to read all of every repository, whatever patterns a repository has."""
        caller, rules = self._granted.caller, self._granted.rules
        return all(decides_all(caller, Action.READ, one.facts, "", rules) is True for one in self.physical)

    def readable(self, *, hidden: bool) -> list[int]:
        """Return those of which the caller may read anything; reserved ones only with `hidden`."""
        return [
            one.id
            for one in self.physical
            if (hidden or not one.facts.reserved) and self._granted.may_by_right(Action.READ, one, "", folder=True)
        ]

    def meant(self, comparator: Comparator, value: str | None) -> list[int]:
        """Return the ids of the repositories for which a criterion holds; a virtual one stands for its members."""
        if value is None:
            return [] if comparator == "$eq" else [one.id for one in self.physical]
        if comparator in {"$ne", "$nmatch"}:
            inner: Comparator = "$eq" if comparator == "$ne" else "$match"
            out = set(self.meant(inner, value))
            return [one.id for one in self.physical if one.id not in out]
        fits = _test(comparator, value)
        found = {one.id for one in self.physical if fits(shown(one))}
        for virtual in self._virtual:
            if fits(virtual.key):
                found.update(self._by_key[key].id for key in virtual.members if key in self._by_key)
        return sorted(found)

    def virtuals_of(self, repository: Repository, path: str) -> list[str]:
        """Return the keys of the virtual repositories that show a file, as far as the caller may read it there."""
        if not self._granted.may(Action.READ, repository, path):
            return []
        return sorted(one.key for one in self._virtual if repository.key in one.members)


def _test(comparator: Comparator, value: str) -> Callable[[str], bool]:
    match comparator:
        case "$eq":
            return value.__eq__
        case "$eqic":
            return lambda key: folded(key) == folded(value)
        case "$match":
            return _matching(value)
        case "$matchic":
            matches = _matching(folded(value))
            return lambda key: matches(folded(key))
        case "$gt":
            return lambda key: key > value
        case "$gte":
            return lambda key: key >= value
        case "$lt":
            return lambda key: key < value
    return lambda key: key <= value


def _matching(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a key fits a pattern of `*` and `?`, in which a bracket is a bracket."""
    found = expression(translate(pattern.replace("[", "[[]")))
    return lambda key: found.match(key) is not None
