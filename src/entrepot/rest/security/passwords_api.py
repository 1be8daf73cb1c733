"""Passwords by REST (reference 9.2): a user's own, and the encrypted form that this server does not offer."""

from __future__ import annotations

from typing import Final

import msgspec

from entrepot.auth import accounts
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.credentials import BadCredentials
from entrepot.auth.passwords import Passwords
from entrepot.errors import Conflict, Denied, Invalid, Unauthenticated
from entrepot.messages import Reply, Request, Row, text_reply
from entrepot.metadata.database import Tx
from entrepot.rest.security.bodies import typed
from entrepot.rest.security.changes import Changes

_SECURITY: Final = "/artifactory/api/security"
_NAMES: Final = {
    "userName": "name", "oldPassword": "old", "newPassword1": "new", "newPassword2": "again",
}  # fmt: skip


class Stated(msgspec.Struct, frozen=True):
    """A change of password."""

    name: str
    old: str
    new: str
    again: str


class EncryptedPasswordsUnsupported(Conflict):
    """Server doesn't support encrypted passwords"""


class PasswordsApi:
    """The handlers."""

    def __init__(self, changes: Changes, authenticator: Authenticator, passwords: Passwords) -> None:
        self._changes = changes
        self._authenticator = authenticator
        self._passwords = passwords

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. A change of password is open to all: the old one is the credential."""
        change = f"{_SECURITY}/users/authorization/changePassword"
        return (
            Row("POST", change, "passwords.change", "public", self.change, summary="Change one's own password"),
            Row("GET", f"{_SECURITY}/encryptedPassword", "passwords.encrypted", "user", self.encrypted,
                summary="Not offered"),
        )  # fmt: skip

    async def change(self, request: Request) -> Reply:
        """POST: give oneself another password; what the old one had opened is closed."""
        stated = await typed(request, Stated, _NAMES)
        if stated.new != stated.again:
            raise Invalid("The new passwords do not match.")
        try:
            credential = await self._authenticator.password(stated.name, stated.old, request.address)
        except BadCredentials:
            raise Invalid("The user name or the old password is wrong.") from None
        account = credential.account
        if account is None or credential.caller.how != "basic":
            raise Invalid("The user name or the old password is wrong.")
        if not account.profile.profile_updatable:
            raise Denied("This user may not change its profile.")
        change = accounts.Change(password_hash=await self._passwords.hash(stated.new))
        request.caller = credential.caller

        async def work(tx: Tx) -> None:
            await accounts.alter(tx, await accounts.get(tx, account.name), change)

        await self._changes.make(request, "user.password", account.name, work)
        return text_reply("Password has been successfully changed")

    async def encrypted(self, request: Request) -> Reply:
        """GET: 409, which clients understand."""
        if request.caller.is_anonymous:
            raise Unauthenticated
        raise EncryptedPasswordsUnsupported
