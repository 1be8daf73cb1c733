"""Permission targets as their callers may see and change them: the one store behind three views.

Administrators may everything. Others may see, change and make targets that cover nothing but repositories which they
manage whole (reference C4), with a credential of all their rights; they give nobody `manage` who did not have it there,
and delete nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

import msgspec

from entrepot.access import views
from entrepot.access.actions import Action
from entrepot.access.decide import decides_all
from entrepot.access.permissions import ARTIFACT, PermissionTarget
from entrepot.auth import targets
from entrepot.auth.targets import Body
from entrepot.errors import Denied, Unauthenticated
from entrepot.messages import Request
from entrepot.metadata.database import Tx
from entrepot.repositories.repository import Repository
from entrepot.rest.security.changes import Changes

Find = Callable[[str], Repository | None]


class PermissionChanges:
    """Reads and writes of targets for a request."""

    def __init__(self, changes: Changes, find: Find, everything: Callable[[], Iterable[Repository]]) -> None:
        self._changes = changes
        self._find = find
        self._everything = everything

    def enter(self, request: Request) -> None:
        """Let in whoever may have to do with targets at all. Raises Unauthenticated, Denied."""
        if request.caller.may_administer:
            return
        if request.caller.is_anonymous:
            raise Unauthenticated
        if not any(_manages(request, one) for one in self._everything()):
            raise Denied("Permission targets are for administrators, and for those who manage a repository.")

    async def get(self, request: Request, name: str) -> Body:
        """Return a target. Raises TargetUnknown, Unauthenticated, Denied."""
        self.enter(request)
        body = await targets.find(self._changes.database, name)
        if not request.caller.may_administer and (body is None or not self._covers(request, views.parse(body))):
            raise _not_yours(name)
        if body is None:
            raise targets.TargetUnknown(name=name)
        return body

    async def names(self, request: Request) -> AsyncIterator[str]:
        """Give the names of the targets that the caller may see."""
        after = ""
        while page := await targets.page(self._changes.database, after=after):
            for name, text in page:
                if self._sees(request, text):
                    yield name
            after = page[-1][0]

    async def page(self, request: Request, *, after: str, limit: int) -> tuple[list[str], str]:
        """Return up to so many names after one, and the name after which the next page begins; empty at the end."""
        found: list[str] = []
        page = await targets.page(self._changes.database, after=after, limit=limit)
        while page:
            for name, text in page:
                if self._sees(request, text):
                    found.append(name)
                    if len(found) == limit:
                        return found, name
            page = await targets.page(self._changes.database, after=page[-1][0], limit=limit)
        return found, ""

    async def create(self, request: Request, name: str, body: Body) -> None:
        """Add a target. Raises TargetExists, Invalid, Denied."""

        async def work(tx: Tx) -> None:
            await targets.create(tx, await self._checked(request, tx, None, body))

        await self._changes.make(request, "permission.create", name, work)

    async def change(self, request: Request, action: str, name: str, new: Callable[[Body | None], Body]) -> bool:
        """Store what `new` makes of a target (None: there is none yet); return whether it is new."""

        async def work(tx: Tx) -> bool:
            before = await targets.find(tx, name)
            return await targets.replace(tx, await self._checked(request, tx, before, new(before)))

        return await self._changes.make(request, action, name, work)

    async def delete(self, request: Request, name: str) -> None:
        """Remove a target. Raises TargetUnknown."""
        await self._changes.make(request, "permission.delete", name, lambda tx: targets.delete(tx, name))

    async def without(self, request: Request, name: str, kind: str) -> None:
        """Remove a section of a target, which goes with its last one. Raises TargetUnknown."""

        async def work(tx: Tx) -> None:
            body = await targets.get(tx, name)
            if body["resources"].pop(kind, None) is not None:
                await (targets.replace(tx, body) if body["resources"] else targets.delete(tx, name))

        await self._changes.make(request, "permission.update", name, work, detail=f"without {kind}")

    async def _checked(self, request: Request, tx: Tx, before: Body | None, after: Body) -> Body:
        if not request.caller.may_administer:  # first: whoever may not, learns nothing of what there is
            held = None if before is None else views.parse(before)
            wanted = views.parse(targets.lowered(after))
            if not all(self._covers(request, one) for one in (held, wanted) if one is not None):
                raise _not_yours(wanted.name)
            if more := _managers(wanted) - (_managers(held) if held else set()):
                raise Denied(f"Only administrators let others manage: {', '.join(sorted(name for _, name in more))}.")
        return await targets.checked(tx, after, lambda key: self._find(key) is not None)

    def _sees(self, request: Request, text: str) -> bool:
        return request.caller.may_administer or self._covers(request, views.parse(msgspec.json.decode(text, type=Body)))

    def _covers(self, request: Request, target: PermissionTarget) -> bool:
        """Whether the caller manages all that a target is about."""
        section = target.sections.get(ARTIFACT)
        if section is None or len(target.sections) > 1 or not section.targets:
            return False
        found = [self._find(key) for key in section.targets]  # of ANY and its kin there is none
        return all(one is not None and _manages(request, one) for one in found)


def _manages(request: Request, repository: Repository) -> bool:
    caller, rules = request.caller, request.granted.rules
    return caller.is_whole and decides_all(caller, Action.MANAGE, repository.facts, "", rules) is True


def _managers(target: PermissionTarget) -> set[tuple[str, str]]:
    return {
        (kind, name)
        for section in target.sections.values()
        for kind, who in (("user", section.users), ("group", section.groups))
        for name, actions in who.items()
        if Action.MANAGE in actions
    }


def _not_yours(name: str) -> Denied:
    return Denied(f"You do not manage every repository of the permission target '{name[:64]}'.")
