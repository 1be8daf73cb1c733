"""Copy and move as callers ask for them: who may, where it lands, what is told (reference 7.11)."""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.access.actions import Action
from entrepot.artifacts.deploy import Rejected
from entrepot.artifacts.journeys import Count, Journey, Journeys
from entrepot.artifacts.removal import TagsAreImmutable, refuse_immutable
from entrepot.errors import Conflict, Denied, EntrepotError, Invalid, NotFound
from entrepot.metadata.database import Database
from entrepot.metadata.items import Item, below, find
from entrepot.metadata.sql import sql
from entrepot.paths import RepoPath, path_fault
from entrepot.repositories.granted import Granted, where
from entrepot.repositories.project_quota import Room
from entrepot.repositories.repository import Repository

_SIZE = sql("""
SELECT COALESCE(SUM(size), 0) FROM item WHERE repo_id = :repo_id AND (path = :path OR (path >= :low AND path < :high))
""")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `to` is the target as written: a new path, or a folder beneath which the source lands."""

    source: Repository
    path: str
    target: Repository
    to: RepoPath
    moving: bool
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is told: a status, and messages with their levels."""

    status: int
    messages: list[tuple[str, str]]


class Transfer:
    """Copy and move. One per process."""

    def __init__(self, database: Database, journeys: Journeys, room: Room) -> None:
        self._database = database
        self._room = room
        self._journeys = journeys

    async def run(self, granted: Granted, wish: Wish) -> Outcome:
        """Carry a wish out. Raises NotFound, Denied, Conflict, Invalid, ProjectQuotaExceeded."""
        if wish.moving:
            refuse_immutable(wish.source)
        to = await self._destination(wish)
        if wish.source.id == wish.target.id and (to == wish.path or to.startswith(f"{wish.path}/") or not wish.path):
            raise Invalid(f"Cannot {_verb(wish)} '{wish.source.key}:{wish.path}' onto or into itself.")
        top = await find(self._database, wish.source.id, wish.path) if wish.path else None
        if wish.path and top is None:
            self._judge_read(granted, wish, folder=False)
            raise NotFound(f"Unable to find item {wish.source.key}:{wish.path}")
        journey = Journey(
            where(granted, wish.source),
            wish.path,
            where(granted, wish.target),
            to,
            wish.moving,
            lambda item, path, there: self._refusal(granted, wish, item, path, there),
            dry=wish.dry,
        )
        self._judge_top(granted, wish, top, to)
        if wish.target.project and not (wish.moving and wish.source.project == wish.target.project):
            await self._room(wish.target, 0 if wish.dry else await self._size(wish, top))
        return _outcome(wish, to, await self._journeys.carry(journey))

    async def _size(self, wish: Wish, top: Item | None) -> int:
        if top is not None and top.is_file:
            return top.size
        low, high = below(wish.path) if wish.path else ("", "\U0010ffff")
        rows = await self._database.scan(_SIZE, repo_id=wish.source.id, path=wish.path, low=low, high=high)
        return int(rows[0][0])

    async def _destination(self, wish: Wish) -> str:
        """Return the exact new path: beneath `to` where that is a folder already, the root of the repository included."""
        there = await find(self._database, wish.target.id, wish.to.text) if wish.to.text else None
        if wish.path and (not wish.to.text or (there is not None and not there.is_file)):
            return "/".join(filter(None, (wish.to.text, wish.path.rpartition("/")[2])))
        return wish.to.text

    def _judge_top(self, granted: Granted, wish: Wish, top: Item | None, to: str) -> None:
        """Refuse at once where nothing at all could go; each item below a folder is judged on its own later."""
        folder = top is None or not top.is_file
        self._judge_read(granted, wish, folder=folder)
        if not folder and wish.moving and not granted.may(Action.DELETE, wish.source, wish.path):
            raise Denied(
                f"The user '{granted.caller.name}' is not permitted to delete '{wish.source.key}:{wish.path}'."
            )
        if not granted.may(Action.DEPLOY, wish.target, to, folder=folder):
            raise Denied(f"The user '{granted.caller.name}' is not permitted to deploy to '{wish.target.key}:{to}'.")

    def _judge_read(self, granted: Granted, wish: Wish, *, folder: bool) -> None:
        if not granted.may(Action.READ, wish.source, wish.path, folder=folder):
            raise Denied(f"The user '{granted.caller.name}' is not permitted to read '{wish.source.key}:{wish.path}'.")

    def _refusal(self, granted: Granted, wish: Wish, item: Item, path: str, there: Item | None) -> str | None:
        target, source = wish.target, wish.source
        folder = not item.is_file
        if (fault := path_fault(path)) is not None:
            return fault
        if not target.patterns.accepts(path, folder=folder, start=folder):
            return Rejected(key=target.key, path=path).message
        if not granted.may(Action.READ, source, item.path, folder=folder):
            return f"'{source.key}:{item.path}' may not be read."
        if item.is_file and wish.moving and not granted.may(Action.DELETE, source, item.path):
            return f"The user '{granted.caller.name}' needs DELETE permission on '{source.key}:{item.path}' to move it."
        if not granted.may(Action.DEPLOY, target, path, folder=folder):
            return f"The user '{granted.caller.name}' is not permitted to deploy to '{target.key}:{path}'."
        if there is not None and there.is_file and there.blob_id != item.blob_id:
            if target.flag("immutableTags"):
                return TagsAreImmutable(key=target.key).message
            if not granted.may(Action.DELETE, target, path):
                return f"The user '{granted.caller.name}' needs DELETE permission to overwrite '{target.key}:{path}'."
        elif there is not None and not there.is_file:
            return f"A folder is stored at '{target.key}:{path}', where a file is to be."
        return None


def local_target(repository: Repository | None, key: str) -> Repository:
    """Return the repository that is copied to. Raises NotFound, Conflict."""
    if repository is None:
        raise NotFound(f"The target repository '{key}' does not exist.")
    if not repository.is_local:
        raise Conflict(f"The target repository '{key}' is not a local repository.")
    return repository


def failed(error: EntrepotError) -> Outcome:
    """Return an error in the words of this endpoint."""
    return Outcome(error.status, [("ERROR", error.message)])


def _verb(wish: Wish) -> str:
    return "move" if wish.moving else "copy"


def _outcome(wish: Wish, to: str, count: Count) -> Outcome:
    doing, done = ("moving", "moved") if wish.moving else ("copying", "copied")
    dry = "Dry run for " if wish.dry else ""
    place = f"{wish.source.key}:{wish.path} to {wish.target.key}:{to}"
    files = f"{count.files} artifacts and {count.folders} folders were {done}"
    if not count.left_out:
        return Outcome(200, [("INFO", f"{dry}{doing} {place} completed successfully, {files}")])
    told = [("ERROR", reason) for reason in count.reasons]
    told.append(("ERROR", f"{dry}{doing} {place} ended with {count.left_out} errors, {files}"))
    return Outcome(409, told)
