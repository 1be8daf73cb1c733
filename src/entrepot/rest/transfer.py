"""Copy, move, folders as archives and the trash can by REST (reference 7.11, 7.15, 7.16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from entrepot.access.actions import Action
from entrepot.artifacts.packing import TYPES, Packing
from entrepot.artifacts.removal import Removal
from entrepot.artifacts.storage import Storage
from entrepot.artifacts.transfer import Outcome, Transfer, Wish, failed, local_target
from entrepot.errors import Conflict, Denied, EntrepotError, Invalid, NotFound, Unauthenticated
from entrepot.messages import Parameter, Reply, Request, Row, json_reply, text_reply
from entrepot.paths import RepoPath
from entrepot.repositories.delivery import naming
from entrepot.repositories.granted import BlackedOut, Granted, absent
from entrepot.repositories.repository import Repository

_API: Final = "/artifactory/api"
_RESULT: Final = "application/vnd.org.jfrog.artifactory.storage.CopyOrMoveResult+json"
_PARAMETERS: Final = (
    Parameter("to", "The target, /<repository>/<path>", required=True),
    Parameter("dry", "1: only tell what would be done", "integer"),
    Parameter("suppressLayouts", "Accepted: paths are never translated between layouts", "integer"),
    Parameter("failFast", "Accepted: what cannot go is told at the end", "integer"),
)


class TransferApi:
    """The handlers of `api/copy`, `api/move` and `api/trash`."""

    def __init__(
        self,
        transfer: Transfer,
        removal: Removal,
        find_repository: Callable[[str], Repository | None],
        *,
        storage: Storage,
        packing: Packing,
    ) -> None:
        self._storage = storage
        self._packing = packing
        self._transfer = transfer
        self._removal = removal
        self._repository = find_repository

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        wholes = (("copy", self.copy, "Copy"), ("move", self.move, "Move"))
        return (
            *(Row("POST", f"{_API}/{verb}/{{repo}}/{{path*}}", f"artifacts.{verb}", "READ", handler, target="node",
                  response=_RESULT, parameters=_PARAMETERS, summary=f"{word} a file, or a folder with all that is in it")
              for verb, handler, word in wholes),
            *(Row("POST", f"{_API}/{verb}/{{repo}}", f"artifacts.{verb}.root", "READ", handler, target="node",
                  response=_RESULT, parameters=_PARAMETERS, summary=f"{word} everything in a repository")
              for verb, handler, word in wholes),
            *(Row("GET", f"{_API}/archive/download/{{repo}}{end}", f"artifacts.archive{word}", "READ", self.archive, target="node",
                  response="application/octet-stream", parameters=(Parameter("archiveType", ", ".join(TYPES)),),
                  summary="Download a folder as an archive, where enabled") for end, word in (("", ".root"), ("/{path*}", ""))),
            Row("POST", f"{_API}/trash/empty", "trash.empty", "admin", self.empty, response="text/plain",
                summary="Remove everything in the trash can for good"),
            Row("POST", f"{_API}/trash/restore/{{path*}}", "trash.restore", "admin", self.restore, response="text/plain",
                status=202, parameters=(Parameter("to", "Another place, <repository>/<path>"),),
                summary="Bring back what was deleted"),
            Row("DELETE", f"{_API}/trash/clean/{{path*}}", "trash.clean", "admin", self.clean, status=204,
                summary="Remove something in the trash can for good"),
        )  # fmt: skip

    async def copy(self, request: Request) -> Reply:
        """POST copy."""
        return await self._run(request, moving=False)

    async def move(self, request: Request) -> Reply:
        """POST move."""
        return await self._run(request, moving=True)

    async def archive(self, request: Request) -> Reply:
        """GET a folder."""
        path = RepoPath.parse(request.words.get("path", "")).text
        kind = (request.query.get("archiveType") or ["zip"])[0]
        place = await self._storage.place(request.granted, path)
        stream = await self._packing.pack(request.granted, place, path, kind)
        name = path.rpartition("/")[2] or request.granted.key
        return Reply(200, [("content-type", TYPES[kind]), *naming(f"{name}.{kind}")], stream=stream)

    async def empty(self, request: Request) -> Reply:
        """POST: everything goes."""
        await self._removal.empty(_granted(request))
        return text_reply("The trash can was emptied successfully.\n")

    async def restore(self, request: Request) -> Reply:
        """POST: to where it was, or elsewhere."""
        path = _in_trash(request)
        to = (request.query.get("to") or [""])[0]
        await self._removal.restore(_granted(request), path, RepoPath.parse(to).text if to else "")
        return text_reply("Successfully restored trash items", 202)

    async def clean(self, request: Request) -> Reply:
        """DELETE: one item goes."""
        await self._removal.empty(_granted(request), _in_trash(request))
        return Reply(204)

    async def _run(self, request: Request, *, moving: bool) -> Reply:
        try:
            outcome = await self._transfer.run(request.granted, self._wish(request, moving=moving))
        except Unauthenticated:
            raise
        except EntrepotError as error:
            outcome = failed(error)
        return _reply(outcome)

    def _wish(self, request: Request, *, moving: bool) -> Wish:
        granted: Granted = request.granted
        if granted.addressed is None:
            raise NotFound(f"The repository '{granted.key}' does not exist.")
        if granted.addressed.is_virtual or not granted.physical:
            raise Conflict(f"'{granted.key}' is a virtual repository: name the one that holds the files.")
        to = (request.query.get("to") or [""])[0].strip("/")
        key, slash, rest = to.partition("/")
        if not key:
            raise Invalid("The parameter 'to' is missing: /<repository>/<path>.")
        path = RepoPath(rest.strip("/")) if slash and rest.strip("/") else RepoPath("")
        target = self._target(granted, key, path)
        source = RepoPath.parse(request.words.get("path", "")).text
        dry = (request.query.get("dry") or ["0"])[0] not in {"0", "", "false"}
        return Wish(granted.physical[0], source, target, path, moving, dry)

    def _target(self, granted: Granted, key: str, path: RepoPath) -> Repository:
        """Return the target. Raises Denied, NotFound, Conflict, BlackedOut.

        Whoever may bring nothing there does not learn whether it exists.
        """
        found = self._repository(key)
        members = (self._repository(member) for member in found.members) if found is not None else ()
        judged = [one.facts for one in members if one is not None] or [found.facts if found else absent(key)]
        if not any(granted.allows(Action.DEPLOY, facts, path.text, folder=True) for facts in judged):
            raise Denied(f"The user '{granted.caller.name}' is not permitted to deploy to '{key}:{path.text}'.")
        target = local_target(found, key)
        if target.flag("blackedOut"):
            raise BlackedOut(key=key, path=path.text)
        return target


def _reply(outcome: Outcome) -> Reply:
    messages = [{"level": level, "message": text} for level, text in outcome.messages]
    return json_reply({"messages": messages}, outcome.status, _RESULT)


def _in_trash(request: Request) -> str:
    """Return a path of the trash can: as long as any, below the key of a repository."""
    key, _, path = request.words["path"].lstrip("/").partition("/")
    return "/".join(filter(None, (RepoPath.parse(key).text, RepoPath.parse(path).text)))


def _granted(request: Request) -> Granted:
    granted: Granted = request.granted
    return granted
