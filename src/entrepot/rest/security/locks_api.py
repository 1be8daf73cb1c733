"""Locked users (reference 9.2): nobody is ever locked for good here, whoever guesses is slowed down (`auth/guard.py`)."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from entrepot.messages import Reply, Request, Row, json_reply, text_reply

_SECURITY: Final = "/artifactory/api/security"


class LocksApi:
    """The handlers, which tell clients that nobody is locked."""

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", f"{_SECURITY}/lockedUsers", "locks.list", "admin", self.list, response=list, summary="Locked users: none"),
            Row("POST", f"{_SECURITY}/unlockUsers/{{name}}", "locks.unlock", "admin", self.unlock, response="text/plain",
                summary="Unlock a user"),
            Row("POST", f"{_SECURITY}/unlockUsers", "locks.unlock.some", "admin", self.unlock_some, response="text/plain",
                summary="Unlock users"),
            Row("POST", f"{_SECURITY}/unlockAllUsers", "locks.unlock.all", "admin", self.unlock_all, response="text/plain",
                summary="Unlock all users"),
        )  # fmt: skip

    async def list(self, _: Request) -> Reply:
        """GET: nobody."""
        return json_reply([])

    async def unlock(self, request: Request) -> Reply:
        """POST: done, also for users that there are not, as clients expect."""
        return text_reply(f"The user: '{unquote(request.words['name'])[:255]}' was successfully unlocked")

    async def unlock_some(self, _: Request) -> Reply:
        """POST with a list: done."""
        return text_reply("Specified users were successfully unlocked")

    async def unlock_all(self, _: Request) -> Reply:
        """POST: done."""
        return text_reply("All users were successfully unlocked")
