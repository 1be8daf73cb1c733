"""What a user or a group may do in each repository (reference 9.5, C4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from entrepot.access.actions import LETTERS, Action, letters
from entrepot.access.caller import Caller
from entrepot.access.decide import decides_all
from entrepot.auth import accounts, groups
from entrepot.auth.standing import by_password
from entrepot.errors import Denied, Unauthenticated
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.repositories.repository import Repository
from entrepot.rest.security.bodies import word

_BASES: Final = (("/artifactory/api/security/permissions", ""), ("/artifactory/api/v2/security/permissions", ".v2"))


class EffectiveApi:
    """The handlers."""

    def __init__(self, database: Database, repositories: Callable[[], Iterable[Repository]]) -> None:
        self._database = database
        self._repositories = repositories

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        found: list[Row] = []
        for base, version in _BASES:
            found += [
                Row("GET", f"{base}/users/{{name}}", f"permissions.of.user{version}", "user", self.user, response=dict,
                    summary="What a user may do in each repository"),
                Row("GET", f"{base}/groups/{{name}}", f"permissions.of.group{version}", "admin", self.group, response=dict,
                    summary="What a group may do in each repository"),
            ]  # fmt: skip
        return tuple(found)

    async def user(self, request: Request) -> Reply:
        """GET: of oneself, or by an administrator."""
        name = word(request, "name").lower()
        caller = request.caller
        if caller.is_anonymous:
            raise Unauthenticated
        if not caller.may_administer and (name != caller.name or caller.user_id is None):
            raise Denied("Only administrators see what others may do.")
        account = await accounts.get(self._database, name)
        return self._told(request, by_password(account))

    async def group(self, request: Request) -> Reply:
        """GET."""
        group = await groups.get(self._database, word(request, "name").lower())
        return self._told(request, Caller("", None, frozenset({group.name}), is_admin=group.admin, own_rights=False))

    def _told(self, request: Request, caller: Caller) -> Reply:
        rules = request.granted.rules
        told: dict[str, list[str]] = {}
        for one in self._repositories():
            held = [
                action for action in LETTERS.values() if decides_all(caller, action, one.facts, "", rules) is not False
            ]
            if held:
                told[one.key] = letters(Action(sum(held)))
        return json_reply(told)
