"""Public SSH keys of users: each its own, administrators everybody's."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from entrepot.auth import accounts, ssh_keys
from entrepot.auth.accounts import Account
from entrepot.auth.ssh_keys import SshKey
from entrepot.clock import iso
from entrepot.errors import Denied, Unauthenticated
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata.database import Tx
from entrepot.rest.security.bodies import typed, word
from entrepot.rest.security.changes import Changes

_KEYS: Final = "/access/api/v2/users/{name}/ssh_keys"


class NewSshKey(msgspec.Struct, frozen=True):
    """A key to store."""

    public_key: str


class SshKeysApi:
    """The handlers."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. A fingerprint may hold slashes."""
        return (
            Row("GET", _KEYS, "sshkeys.list", "user", self.list, "access", response=dict, summary="SSH keys of a user"),
            Row("POST", _KEYS, "sshkeys.add", "user", self.add, "access", request=NewSshKey, response=dict, status=201,
                summary="Store a public SSH key"),
            Row("DELETE", f"{_KEYS}/{{fingerprint*}}", "sshkeys.remove", "user", self.remove, "access", status=204,
                summary="Remove an SSH key"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET."""
        user = await self._user(request)
        return json_reply({"keys": [_shown(one) for one in await ssh_keys.of(self._changes.database, user.id)]})

    async def add(self, request: Request) -> Reply:
        """POST."""
        user, key = await self._user(request), ssh_keys.parse((await typed(request, NewSshKey)).public_key.strip())
        await self._changes.make(
            request, "sshkey.add", user.name, lambda tx: ssh_keys.add(tx, user.id, key), detail=key.fingerprint
        )
        return json_reply(_shown(key), 201)

    async def remove(self, request: Request) -> Reply:
        """DELETE."""
        user, fingerprint = await self._user(request), word(request, "fingerprint")

        async def work(tx: Tx) -> None:
            await ssh_keys.remove(tx, user.id, fingerprint)

        await self._changes.make(request, "sshkey.remove", user.name, work, detail=fingerprint)
        return Reply(204)

    async def _user(self, request: Request) -> Account:
        """Return the user of the path, who must ask itself with all its rights. Raises Unauthenticated, Denied."""
        caller, name = request.caller, word(request, "name").lower()
        if caller.is_anonymous:
            raise Unauthenticated
        if not caller.may_administer and (name != caller.name or caller.user_id is None or not caller.is_whole):
            raise Denied("Only administrators see and change the SSH keys of others.")
        return await accounts.get(self._changes.database, name)


def _shown(key: SshKey) -> dict[str, Any]:
    told: dict[str, Any] = {"fingerprint": key.fingerprint, "label": key.label, "public_key": key.public}
    return told | {"created": iso(key.created)} if key.created else told
