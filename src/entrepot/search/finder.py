"""The searches that are older than AQL: conditions on items, with answers judged and streamed alike (reference 13)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from entrepot.access.actions import Action
from entrepot.metadata.database import Database
from entrepot.metadata.items import Item, read_item
from entrepot.metadata.properties import value_hash
from entrepot.metadata.sql import ITEM, Statement
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository
from entrepot.search.aql.binds import Binds
from entrepot.search.aql.repositories import Known

_COLUMNS: Final = ", ".join(f"i.{column}" for column in ITEM)
_ANONYMOUS: Final = 1000  # results for who is nobody in particular
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was found."""

    repository: Repository
    item: Item


class Finder:
    """Find items by conditions. One per process."""

    def __init__(self, database: Database, repositories: Callable[[], Iterable[Repository]]) -> None:
        self._database = database
        self._repositories = repositories

    def binds(self) -> Binds:
        """Return where the parameters of conditions are collected."""
        return Binds(self._database.engine)

    async def find(
        self, granted: Granted, conditions: Sequence[str], binds: Binds, *, repos: Sequence[str] = (), order: str = "",
        keep: Callable[[Hit], bool] | None = None,
    ) -> AsyncGenerator[Hit, None]:  # fmt: skip
        """Yield the items that meet all conditions (over the alias `i`), that the caller may read, and that `keep` lets pass.

        `repos` are keys as clients name them, virtual ones stand for their members; none: all but reserved ones.
        """
        known = Known(granted, self._repositories())
        ids = known.readable(hidden=bool(repos))
        if repos:
            wanted = {
                repo_id for key in repos for repo_id in (*known.meant("$eq", key), *known.meant("$eq", f"{key}-cache"))
            }
            ids = [repo_id for repo_id in ids if repo_id in wanted]
        if not ids:
            return
        where = " AND ".join([*conditions, f"+i.repo_id {binds.add(ids)}"])
        text = f"SELECT i.repo_id, {_COLUMNS} FROM item i WHERE {where}{f' ORDER BY {order}' if order else ''}"
        left = _ANONYMOUS if granted.caller.is_anonymous else -1
        stream = self._database.stream(Statement(text), seconds=_SECONDS, **binds.values)
        async with aclosing(stream):
            async for batch in stream:
                for row in batch:
                    repository, item = known.by_id[row[0]], read_item(row[1:])
                    if not granted.may(Action.READ, repository, item.path, folder=not item.is_file):
                        continue
                    hit = Hit(repository, item)
                    if keep is not None and not keep(hit):
                        continue
                    yield hit
                    left -= 1
                    if left == 0:
                        return


def with_property(binds: Binds, key: str, values: Sequence[str]) -> list[str]:
    """Return the conditions that an item has all these values under a key; one that is empty or `*` asks for the key."""
    found = []
    for value in values or [""]:
        wild = set("*?") & set(key)
        told = [binds.like("p.key", key) if wild else f"p.key = {binds.add(key)}"]
        if value not in {"", "*"}:
            if set("*?") & set(value):
                told.append(binds.like("p.value", value))
            else:
                told += [f"p.value_hash = {binds.add(value_hash(value))}", f"p.value = {binds.add(value)}"]
        found.append(f"i.id IN (SELECT p.item_id FROM prop p WHERE {' AND '.join(told)})")
    return found
