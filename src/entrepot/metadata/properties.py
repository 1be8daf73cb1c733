"""Properties: one row per value, never JSON, so that search can use an index."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.sql import Parameter, sql

Properties = Mapping[str, Sequence[str]]

_OF_ITEM = sql("SELECT key, value FROM prop WHERE item_id = :item_id ORDER BY id")
_OF_ITEMS = sql("SELECT item_id, key, value FROM prop WHERE item_id {any:ids} ORDER BY id")
_INSERT = sql("INSERT INTO prop (item_id, key, value, value_hash) VALUES (:item_id, :key, :value, :value_hash)")
_CLEAR = sql("DELETE FROM prop WHERE item_id = :item_id")
_CLEAR_ALL = sql("DELETE FROM prop WHERE item_id {any:ids}")


def value_hash(value: str) -> bytes:
    """Return what the index holds of a value: 8 bytes, whatever its length."""
    return hashlib.blake2b(value.encode(), digest_size=8).digest()


async def properties_of(reads: Reads, item_id: int) -> dict[str, list[str]]:
    """Return an item's properties, values in the order in which they were set."""
    found: dict[str, list[str]] = {}
    for key, value in await reads.rows(_OF_ITEM, item_id=item_id):
        found.setdefault(key, []).append(value)
    return found


async def properties_of_all(reads: Reads, item_ids: list[int]) -> dict[int, dict[str, list[str]]]:
    """Return the properties of many items by one look; of those that have any."""
    found: dict[int, dict[str, list[str]]] = {}
    for item_id, key, value in await reads.rows(_OF_ITEMS, ids=item_ids) if item_ids else ():
        found.setdefault(item_id, {}).setdefault(key, []).append(value)
    return found


async def replace_all(tx: Tx, properties: Mapping[int, Properties], *, held: list[int]) -> None:
    """Make these the only properties of items, by id; only those in `held` can have had any."""
    if held:
        await tx.execute(_CLEAR_ALL, ids=held)
    rows = [row for item_id, one in properties.items() for row in _rows(item_id, one)]
    if rows:
        await tx.many(_INSERT, rows)


async def replace_properties(tx: Tx, item_id: int, properties: Properties) -> None:
    """Make these the only properties of an item."""
    await tx.execute(_CLEAR, item_id=item_id)
    await add_properties(tx, item_id, properties)


async def add_properties(tx: Tx, item_id: int, properties: Properties) -> None:
    """Add values to an item that has none under these keys; duplicates within a key are dropped."""
    rows = _rows(item_id, properties)
    if rows:
        await tx.many(_INSERT, rows)


def _rows(item_id: int, properties: Properties) -> list[dict[str, Parameter]]:
    return [
        {"item_id": item_id, "key": key, "value": value, "value_hash": value_hash(value)}
        for key, values in properties.items()
        for value in dict.fromkeys(values)
    ]
