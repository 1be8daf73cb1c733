"""Lost bytes that come in again: the push that brings them mends the blob, although the database says that they are there."""

from __future__ import annotations

import structlog

from entrepot.metadata.blob_rows import Admitted, Arrival, replace
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.versions import bump
from entrepot.repositories.content import Content

log = structlog.get_logger()


async def mend(database: Database, content: Content, admitted: Admitted, arrived: Arrival) -> None:
    """Give a blob the bytes that came, if the store has lost those that made them redundant. To be awaited before the answer.

    What is new costs nothing here. Nobody deletes the lost object: should it turn up, `gc --repair` sees to it.
    """
    if not admitted.before or await content.has(admitted.before):
        return

    async def work(tx: Tx) -> bool:
        await bump(tx, "blobs")  # first, as the inspections do: in another order the two would wait for each other
        return await replace(tx, admitted, arrived)

    mended = await database.transact(work)
    content.forget()
    if mended:
        lost = ", ".join(piece.key for piece in admitted.before[:5])
        log.warning("blob.mended", digest=f"sha256:{arrived.sha256.hex()}", lost=lost)
