"""Properties of items, set, changed and removed; with `recursive` on all that is below, step by step (reference 7.12, 7.13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

from entrepot.access.actions import Action
from entrepot.artifacts.address import checked, gathered
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.storage import Place
from entrepot.errors import Invalid
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.eventlog import Change, record
from entrepot.metadata.items import Item
from entrepot.metadata.properties import properties_of, replace_properties
from entrepot.metadata.sql import sql
from entrepot.repositories.granted import Granted, where

Properties = dict[str, list[str]]
Edit = Callable[[Properties], Properties]

_STEP: Final = 200  # items of one transaction
_LOCK = sql("SELECT id FROM item WHERE id = :id {update}")
_TOUCH = sql("UPDATE item SET updated = {now} WHERE id = :id")


class Annotate:
    """Change properties. One per process."""

    def __init__(self, database: Database, branches: Branches) -> None:
        self._database = database
        self._branches = branches

    async def change(self, granted: Granted, place: Place, path: str, edit: Edit, *, recursive: bool) -> None:
        """Give an item, and with `recursive` what may be annotated below it, the properties that `edit` makes of its own.

        The place is one where the caller may annotate: `Storage.place` judged it for that.
        """
        items = [] if place.item is None else [place.item]
        if recursive and place.is_folder:
            async for item in self._branches.below(place.repository.id, path):
                if granted.may_by_right(Action.ANNOTATE, place.repository, item.path, folder=not item.is_file):
                    items.append(item)
                if len(items) >= _STEP:
                    await self._step(granted, place, items, edit)
                    items = []
        await self._step(granted, place, items, edit)

    async def _step(self, granted: Granted, place: Place, items: Sequence[Item], edit: Edit) -> None:
        async def work(tx: Tx) -> None:
            changes = []
            for item in items:
                if await tx.row(_LOCK, id=item.id) is None:
                    continue
                before = await properties_of(tx, item.id)
                after = edit({key: [*values] for key, values in before.items()})
                if after != before:
                    await replace_properties(tx, item.id, after)
                    await tx.execute(_TOUCH, id=item.id)
                    told = item.path if item.is_file else f"{item.path}/"
                    changes.append(Change("properties", told, {"properties": before}, {"properties": after}))
            await record(tx, where(granted, place.repository), changes)

        if items:
            await self._database.transact(work)


def setting(properties: Mapping[str, list[str]]) -> Edit:
    """Replace the values of the named keys."""
    wanted = checked(dict(properties))
    return lambda held: {**held, **wanted}


def removing(keys: Sequence[str]) -> Edit:
    """Remove the named keys."""
    gone = frozenset(keys)
    return lambda held: {key: values for key, values in held.items() if key not in gone}


def clearing(_: Properties) -> Properties:
    """Remove all."""
    return {}


def merging(patch: Mapping[str, Any]) -> Edit:
    """Apply a JSON merge patch (RFC 7386): null removes a key, text or a list of texts replaces it. Raises Invalid."""
    wanted: Properties = {}
    gone: set[str] = set()
    for key, value in patch.items():
        if value is None:
            gone.add(key)
        elif isinstance(value, str):
            wanted[key] = [value]
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            wanted[key] = list(dict.fromkeys(value))
        else:
            raise Invalid(f"The property {key[:255]} must be a string, a list of strings, or null.")
    checked(wanted)
    return lambda held: {**{key: values for key, values in held.items() if key not in gone}, **wanted}


def parse_properties(text: str) -> Properties:
    """Read `k=v1,v2;k2=v3`, where `|` divides like `;`, and a backslash takes the meaning from what follows. Raises Invalid."""
    return _named(gathered(_pairs(text)))


def parse_encoded_properties(raw: str) -> Properties:
    """Read the same of a query that was not decoded: what is encoded in it divides nothing. Raises Invalid.

    JFrog's Java client writes so, and ends each pair with `;`. Others encode the marks that divide, too.
    """
    return _named(gathered(_pairs(raw, _decoded)))


def _pairs(text: str, decoded: Callable[[str], str] = str) -> Iterator[tuple[str, str]]:
    for pair in filter(str.strip, _split(text, ";|")):
        key, *rest = _split(pair, "=", most=1)
        name = decoded(_plain(key)).strip()
        for value in _split(rest[0], ",") if rest else [""]:
            yield name, decoded(_plain(value))


def _named(found: Properties) -> Properties:
    if not found:
        raise Invalid("The parameter 'properties' names no property: k=v1,v2;k2=v3.")
    return checked(found)


def _decoded(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("The parameter 'properties' is not UTF-8.") from None


def _split(text: str, marks: str, *, most: int = -1) -> list[str]:
    """Split at marks that have no backslash before them."""
    parts: list[str] = []
    start = place = 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] in marks and (most < 0 or len(parts) < most):
            parts.append(text[start:place])
            start = place + 1
        place += 1
    return [*parts, text[start:]]


def _plain(text: str) -> str:
    """Return a text without the backslashes that protected a mark."""
    plain, place = [], 0
    while place < len(text):
        if text[place] == "\\" and text[place + 1 : place + 2] in tuple(",|=;\\"):
            place += 1
        plain.append(text[place])
        place += 1
    return "".join(plain)
