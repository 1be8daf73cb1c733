"""What files have besides their content: stamps and properties, and the facts that their events tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from entrepot.metadata.database import Tx
from entrepot.metadata.eventlog import Facts
from entrepot.metadata.items import Item, NewFile, Stamps
from entrepot.metadata.properties import replace_all
from entrepot.metadata.sql import Parameter, sql

_STAMP = sql("""
UPDATE item SET created = :created, created_by = :created_by, modified = :modified, modified_by = :modified_by WHERE id = :id
""")
_DIGESTS = sql("SELECT id, sha256 FROM blob WHERE id {any:ids}")


async def dressed(
    tx: Tx, placed: Sequence[tuple[NewFile, Item, Item | None]]
) -> list[tuple[Item, Item | None]]:  # fmt: skip
    """Give files that were placed their stamps and properties, in a few statements for all; return them as they are now."""
    stamped = [(_stamped(item, file.stamps), before) for file, item, before in placed]
    stamps: list[dict[str, Parameter]] = [
        {"id": now.id, "created": now.created, "created_by": now.created_by, "modified": now.modified,
         "modified_by": now.modified_by}
        for (now, _), (file, _, _) in zip(stamped, placed, strict=True) if file.stamps is not None
    ]  # fmt: skip
    if stamps:
        await tx.many(_STAMP, stamps)
    properties = {item.id: file.properties for file, item, _ in placed if file.properties is not None}
    held = [item.id for file, item, before in placed if file.properties is not None and before is not None]
    await replace_all(tx, properties, held=held)
    return stamped


def _stamped(item: Item, stamps: Stamps | None) -> Item:
    if stamps is None:
        return item
    return replace(
        item,
        created=item.created if stamps.created is None else stamps.created,
        created_by=stamps.created_by or item.created_by,
        modified=item.modified if stamps.modified is None else stamps.modified,
        modified_by=stamps.modified_by or item.modified_by,
    )


async def facts_of(tx: Tx, items: Iterable[Item | None]) -> Callable[[Item | None], Facts | None]:
    """Return what tells the facts of each of these items: one look at their blobs for all."""
    blobs = list({item.blob_id for item in items if item is not None and item.blob_id is not None})
    known = {row[0]: row[1].hex() for row in await tx.rows(_DIGESTS, ids=blobs)} if blobs else {}

    def facts(item: Item | None) -> Facts | None:
        if item is None or item.blob_id is None:
            return None
        return {"sha256": known.get(item.blob_id), "size": item.size}

    return facts
