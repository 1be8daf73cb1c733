"""Changes to who may do what: one transaction with its audit row, announced before it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from entrepot.auth.audit import Actor, record
from entrepot.auth.epochs import Epochs
from entrepot.configuration.documents import Documents, Entry, Sections, read_all
from entrepot.messages import Request
from entrepot.metadata.database import Database, T, Tx


class Changes:
    """Carries out what a request changes."""

    def __init__(self, database: Database, epochs: Epochs) -> None:
        self.database = database
        self._epochs = epochs

    async def make(
        self,
        request: Request,
        action: str,
        subject: str,
        work: Callable[[Tx], Awaitable[T]],
        *,
        detail: str | None = None,
    ) -> T:
        """Run the work in one transaction; `action` and `subject` go to the audit trail. Raises what the work raises."""

        async def body(tx: Tx) -> T:
            result = await work(tx)
            await record(tx, actor(request), action, subject, detail=detail)
            return result

        return await self._epochs.change(self.database, "security", body)


async def configure(
    request: Request, documents: Documents, changed: Callable[[Sections], Sequence[Entry]]
) -> Sequence[Entry]:
    """Store what `changed` makes of the documents as they are, all or none, each with its audit row; return it."""

    async def work(tx: Tx) -> Sequence[Entry]:
        made = changed(await read_all(tx))
        await documents.store(tx, made)
        for one in made:
            verb = "delete" if one.body is None else "update"
            subject = f"{one.section}/{one.key}" if one.key else one.section
            await record(tx, actor(request), f"configuration.{verb}", subject)
        return made

    return await documents.change(work)


def actor(request: Request) -> Actor:
    """Return who is written down for a request."""
    return Actor(request.caller.name, request.address)
