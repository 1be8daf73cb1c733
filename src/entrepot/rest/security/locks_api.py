"""Locked users (reference 9.2, C9): the policy, who is locked, and how they are let in again.

Without the policy nobody is ever locked, whoever guesses is slowed down (`auth/guard.py`).
"""

from __future__ import annotations

from typing import Final

from entrepot.auth import accounts, password_rows
from entrepot.auth.accounts import Account, AccountUnknown
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metadata.database import Tx
from entrepot.rest.security.bodies import names_in, word
from entrepot.rest.security.changes import Changes

_SECURITY: Final = "/artifactory/api/security"


class LocksApi:
    """The handlers."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._database = changes.database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", f"{_SECURITY}/lockedUsers", "locks.list", "admin", self.list, response=list[str],
                summary="Users locked for wrong passwords"),
            Row("POST", f"{_SECURITY}/unlockUsers/{{name}}", "locks.unlock", "admin", self.unlock, response="text/plain",
                summary="Unlock a user"),
            Row("POST", f"{_SECURITY}/unlockUsers", "locks.unlock.some", "admin", self.unlock_some, request=list[str],
                response="text/plain", summary="Unlock users"),
            Row("POST", f"{_SECURITY}/unlockAllUsers", "locks.unlock.all", "admin", self.unlock_all,
                response="text/plain", summary="Unlock all users"),
            Row("POST", "/access/api/v2/users/{name}/unlock", "access.locks.unlock", "admin", self.access_unlock,
                "access", status=204, summary="Unlock a user"),
        )  # fmt: skip

    async def list(self, _: Request) -> Reply:
        """GET: their names."""
        return json_reply(await password_rows.locked(self._database))

    async def unlock(self, request: Request) -> Reply:
        """POST: done, also for users that there are not, as clients expect."""
        name = word(request, "name")
        await self._unlock(request, name)
        return text_reply(f"The user: '{name[:255]}' was successfully unlocked")

    async def unlock_some(self, request: Request) -> Reply:
        """POST with a list of names."""
        for name in await names_in(request):
            await self._unlock(request, name)
        return text_reply("Specified users were successfully unlocked")

    async def unlock_all(self, request: Request) -> Reply:
        """POST."""
        for name in await password_rows.locked(self._database):
            await self._unlock(request, name)
        return text_reply("All users were successfully unlocked")

    async def access_unlock(self, request: Request) -> Reply:
        """POST. Raises AccountUnknown."""
        name = word(request, "name")
        if not await self._unlock(request, name):
            raise AccountUnknown(name=name)
        return Reply(204)

    async def _unlock(self, request: Request, name: str) -> bool:
        if await accounts.find(self._database, name) is None:
            return False

        async def work(tx: Tx) -> Account:
            return await accounts.alter(tx, await accounts.get(tx, name), accounts.Change(locked=False))

        await self._changes.make(request, "user.unlock", name.lower(), work)
        return True
