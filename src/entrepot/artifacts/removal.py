"""Deleting, and the trash can from which it can be undone (reference 7.9, 7.16).

What is deleted from a local repository moves to `auto-trashcan/<repository>/<path>` with properties that say where it came
from, unless the trash can is switched off. Only administrators see it. What was in there for `retentionPeriodDays` goes, and
so does what is in the way of something that is deleted later: a file of the same path, or where a folder is now.
"""

from __future__ import annotations

from collections.abc import Callable

from entrepot.access.actions import Action
from entrepot.artifacts.address import Address, fits
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.deploy import Rejected
from entrepot.artifacts.journeys import Journey, Journeys
from entrepot.configuration.documents import Documents
from entrepot.errors import Conflict, Denied, Invalid, NotFound
from entrepot.metadata.database import Database
from entrepot.metadata.items import Item, find
from entrepot.metadata.properties import properties_of
from entrepot.paths import path_fault
from entrepot.repositories.catalog import TRASH_KEY
from entrepot.repositories.granted import Granted, where
from entrepot.repositories.repository import Repository

Refusal = Callable[[Item], str | None]
"""Gives the reason why an item must stay where it is, or None."""


class NothingToDelete(NotFound):
    """Could not locate artifact '{key}:{path}' (Nothing to delete)."""


class TagsAreImmutable(Conflict):
    """The tags of the repository '{key}' are immutable: nothing in it is deleted, moved or replaced."""


class NotAllRestored(Conflict):
    """{restored} files were restored, and {left} stay in the trash can: {reason}"""


def refuse_immutable(repository: Repository) -> None:
    """Raise TagsAreImmutable where images stay as they were pushed, whatever way leads to them."""
    if repository.flag("immutableTags"):
        raise TagsAreImmutable(key=repository.key)


class Removal:
    """Delete items, empty and restore the trash. One per process."""

    def __init__(
        self,
        database: Database,
        branches: Branches,
        journeys: Journeys,
        *,
        find_repository: Callable[[str], Repository | None],
        documents: Documents,
    ) -> None:
        self._database = database
        self._branches = branches
        self._journeys = journeys
        self._repository = find_repository
        self._documents = documents

    async def remove(self, granted: Granted, address: Address) -> None:
        """Delete an item with all below it, as far as its properties meet the conditions. Raises NothingToDelete, Denied."""
        path = address.path.text
        for repository in granted.physical:
            item = await find(self._database, repository.id, path) if path else None
            if path and item is None:
                continue
            if (
                item is not None
                and address.matrix
                and not fits(address.matrix, await properties_of(self._database, item.id))
            ):
                continue
            refuse_immutable(repository)
            refusal = _refusal(granted, repository, path)
            if refusal is not None and not await self._all_may_go(repository, path, item, refusal):
                raise Denied(_not_permitted(granted, repository, path))
            await self._take_away(granted, repository, path, refusal or (lambda _: None))
            return
        raise NothingToDelete(key=granted.key, path=path)

    async def empty(self, granted: Granted, path: str = "") -> int:
        """Remove what is in the trash, or below a path of it, for good."""
        trash = self._trash()
        if path and await find(self._database, trash.id, path) is None:
            raise NotFound(f"Unable to find '{path}' in the trash can.")
        return await self._branches.remove(where(granted, trash), path)

    async def restore(self, granted: Granted, path: str, to: str) -> int:
        """Bring back what was deleted: to where it was, or to another `repository/path`.

        Raises NotFound, Invalid, and NotAllRestored where something must stay in the trash can.
        """
        trash = self._trash()
        item = await find(self._database, trash.id, path)
        if not path or item is None:
            raise NotFound(f"Unable to find '{path}' in the trash can.")
        key, _, rest = (to or path).strip("/").partition("/")
        target = self._repository(key)
        if target is None or not target.is_local or target.facts.reserved:
            raise Invalid(f"There is no local repository '{key}' to restore to.")
        journey = Journey(
            where(granted, trash),
            path,
            where(granted, target),
            rest,
            moving=True,
            refusal=lambda item, path, there: _not_restored(target, item, path, there),
            drops="trash.",
        )
        count = await self._journeys.carry(journey)
        if count.left_out:
            raise NotAllRestored(restored=count.files, left=count.left_out, reason=count.reasons[0])
        return count.files + count.folders

    async def _all_may_go(self, repository: Repository, path: str, item: Item | None, refusal: Refusal) -> bool:
        """Whether everything below may be deleted: all goes or nothing."""
        if item is not None and item.is_file:
            return refusal(item) is None
        async for one in self._branches.below(repository.id, path):
            if refusal(one) is not None:
                return False
        return True

    async def _take_away(self, granted: Granted, repository: Repository, path: str, refusal: Refusal) -> None:
        """Delete for good or into the trash can. What came after all was judged is judged, too."""
        trash = self._repository(TRASH_KEY)
        settings = self._documents.one("trashcanConfig")
        if trash is None or not repository.is_local or repository.id == trash.id or settings.get("enabled") is False:
            await self._branches.remove(where(granted, repository), path, refusal)
            return
        told = {
            "trash.time": [str(self._database.now())],
            "trash.deletedBy": [granted.caller.name],
            "trash.originalRepository": [repository.key],
            "trash.originalRepositoryType": [repository.rclass],
            "trash.originalPath": [path],
        }
        to = "/".join(filter(None, (repository.key, path)))
        source, target = where(granted, repository), where(granted, trash)
        journey = Journey(
            source, path, target, to, moving=True, refusal=lambda item, *_: refusal(item), more=told, clears=True
        )
        count = await self._journeys.carry(journey)
        if count.left_out:
            raise Denied(count.reasons[0])

    def _trash(self) -> Repository:
        trash = self._repository(TRASH_KEY)
        if trash is None:
            raise NotFound("There is no trash can.")
        return trash


def _refusal(granted: Granted, repository: Repository, path: str) -> Refusal | None:
    """Return what says why a file below a path must stay; None where the caller may delete whatever is there."""
    if granted.throughout(Action.DELETE, repository, path):
        return None

    def refusal(item: Item) -> str | None:
        if not item.is_file or granted.may_by_right(Action.DELETE, repository, item.path):
            return None
        return _not_permitted(granted, repository, item.path)

    return refusal


def _not_permitted(granted: Granted, repository: Repository, path: str) -> str:
    return f"The user: '{granted.caller.name}' is not permitted to delete '{repository.key}:{path}'."


def _not_restored(target: Repository, item: Item, path: str, there: Item | None) -> str | None:
    """Return why an item must stay in the trash can; None: it need not."""
    folder = not item.is_file
    if not target.patterns.accepts(path, folder=folder, start=folder):
        return Rejected(key=target.key, path=path).message
    if there is not None and there.blob_id != item.blob_id:
        return f"Another file is stored at '{target.key}:{path}' by now; it must go first, or `to` name another place."
    return path_fault(path)
