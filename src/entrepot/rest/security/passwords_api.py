"""Passwords by REST (reference 9.2, 10.3, C5): a user's own, others' by administrators, expiry, the encrypted form."""

from __future__ import annotations

from typing import Final

import msgspec

from entrepot.auth import accounts, password_rows
from entrepot.auth.accounts import Account
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.by_password import Demands
from entrepot.auth.credentials import BadCredentials
from entrepot.auth.passwords import Passwords
from entrepot.errors import Conflict, Denied, Invalid, Unauthenticated
from entrepot.messages import NO_STORE, Reply, Request, Row, text_reply
from entrepot.metadata.database import Tx
from entrepot.rest.json_bodies import PUBLIC
from entrepot.rest.security.bodies import names_in, typed, word
from entrepot.rest.security.changes import Changes

_SECURITY: Final = "/artifactory/api/security"
_OWN: Final = f"{_SECURITY}/users/authorization"
_ACCESS: Final = "/access/api/v2/users"
_NAMES: Final = {
    "userName": "name", "oldPassword": "old", "newPassword1": "new", "newPassword2": "again",
}  # fmt: skip


class PasswordChange(msgspec.Struct, frozen=True):
    """A change of password."""

    name: str
    old: str
    new: str
    again: str


class NewPassword(msgspec.Struct, frozen=True):
    """What an administrator sets."""

    password: str


class EncryptedPasswordsUnsupported(Conflict):
    """Server doesn't support encrypted passwords"""


class PasswordKeptElsewhere(Denied):
    """The password of this user is kept by a directory, and is to be changed there."""


class PasswordSuperseded(Conflict):
    """The password was changed meanwhile; nothing has been changed now."""


class PasswordsApi:
    """The handlers."""

    def __init__(self, changes: Changes, authenticator: Authenticator, passwords: Passwords, demands: Demands) -> None:
        self._changes = changes
        self._authenticator = authenticator
        self._passwords = passwords
        self._demands = demands

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. A change of password is open to all: the old one is the credential."""
        one = f"{_ACCESS}/{{name}}"
        return (
            Row("POST", f"{_OWN}/changePassword", "passwords.change", "public", self.change, request=dict,
                response="text/plain", summary="Change one's own password, also one that has expired"),
            Row("POST", f"{_OWN}/expirePasswords", "passwords.expire", "admin", self.expire_some, request=list[str],
                response="text/plain", summary="Let passwords of users expire"),
            *(row for noun, suffix in (("Passwords", ""), ("Password", ".single")) for row in (
                Row("POST", f"{_OWN}/expire{noun}/{{name}}", f"passwords.expire.one{suffix}", "admin", self.expire,
                    response="text/plain", summary="Let the password of a user expire"),
                Row("POST", f"{_OWN}/unexpire{noun}/{{name}}", f"passwords.renew.one{suffix}", "admin", self.renew,
                    response="text/plain", summary="Let the password of a user count again"),
            )),
            Row("POST", f"{_OWN}/expirePasswordForAllUsers", "passwords.expire.all", "admin", self.expire_all,
                response="text/plain", summary="Let the passwords of all but administrators expire"),
            Row("POST", f"{_OWN}/unexpirePasswordForAllUsers", "passwords.renew.all", "admin", self.renew_all,
                response="text/plain", summary="Let all expired passwords count again"),
            Row("PUT", f"{one}/password", "access.passwords.set", "admin", self.set, "access", request=NewPassword,
                status=204, summary="Give a user another password"),
            Row("POST", f"{one}/password/expire", "access.passwords.expire", "admin", self.access_expire, "access",
                status=204, summary="Let the password of a user expire"),
            Row("POST", f"{_ACCESS}/expire_password_for_all_users", "access.passwords.expire.all", "admin",
                self.access_expire_all, "access", status=204, summary="Let the passwords of all but administrators expire"),
            Row("POST", f"{_ACCESS}/unexpire_password_for_all_users", "access.passwords.renew.all", "admin",
                self.access_renew_all, "access", status=204, summary="Let all expired passwords count again"),
            Row("GET", f"{_SECURITY}/encryptedPassword", "passwords.encrypted", "user", self.encrypted,
                response="text/plain", summary="What may stand in scripts in the place of the caller's password"),
        )  # fmt: skip

    async def change(self, request: Request) -> Reply:
        """POST: give oneself another password; what the old one had opened is closed."""
        stated = await typed(request, PasswordChange, _NAMES, limit=PUBLIC)
        if stated.new != stated.again:
            raise Invalid("The new passwords do not match.")
        try:
            credential = await self._authenticator.password(stated.name, stated.old, request.address, typed=True)
        except BadCredentials as error:
            raise Invalid("The user name or the old password is wrong.", claimed=error.claimed) from None
        account = credential.account
        if account is None or credential.caller.how != "basic":
            raise Invalid("The user name or the old password is wrong.")
        if credential.until is not None:
            raise PasswordKeptElsewhere
        if not account.profile.profile_updatable:
            raise Denied("This user may not change its profile.")
        self._demands.policies.passwords().check(stated.new, old=stated.old)
        request.caller = credential.caller
        await self._set(request, account.name, stated.new, proven=account)
        return text_reply("Password has been successfully changed")

    async def set(self, request: Request) -> Reply:
        """PUT of an administrator."""
        stated = await typed(request, NewPassword)
        self._demands.policies.passwords().check(stated.password)
        await self._set(request, word(request, "name"), stated.password)
        return Reply(204)

    async def expire(self, request: Request) -> Reply:
        """POST."""
        await self._mark(request, word(request, "name"), expired=True)
        return text_reply("Password has been expired successfully")

    async def expire_some(self, request: Request) -> Reply:
        """POST with a list of names: all of them or, when there is one that is nobody's, none."""
        names = await names_in(request)
        for name in names:
            await accounts.get(self._changes.database, name)
        for name in names:
            await self._mark(request, name, expired=True)
        return text_reply("Passwords have been expired successfully")

    async def renew(self, request: Request) -> Reply:
        """POST."""
        await self._mark(request, word(request, "name"), expired=False)
        return text_reply("Password has been unexpired successfully")

    async def expire_all(self, request: Request) -> Reply:
        """POST."""
        await self._changes.make(request, "user.expire", "*", password_rows.expire_all)
        return text_reply("All users passwords have been expired successfully")

    async def renew_all(self, request: Request) -> Reply:
        """POST."""
        await self._changes.make(request, "user.unexpire", "*", password_rows.renew_all)
        return text_reply("All users passwords have been unexpired successfully")

    async def access_expire(self, request: Request) -> Reply:
        """POST."""
        await self._mark(request, word(request, "name"), expired=True)
        return Reply(204)

    async def access_expire_all(self, request: Request) -> Reply:
        """POST."""
        await self.expire_all(request)
        return Reply(204)

    async def access_renew_all(self, request: Request) -> Reply:
        """POST."""
        await self.renew_all(request)
        return Reply(204)

    async def encrypted(self, request: Request) -> Reply:
        """GET, with the password itself: what is less could otherwise be exchanged for what lasts as long as it does."""
        if request.caller.is_anonymous:
            raise Unauthenticated
        if self._demands.policies.encryption() == "UNSUPPORTED":
            raise EncryptedPasswordsUnsupported
        account = await accounts.find(self._changes.database, request.caller.name)
        if account is None or not account.password_hash or request.caller.how not in ("basic", "encrypted", "session"):
            raise Denied("Only a user's password gives its encrypted form; come with user name and password.")
        reply = text_reply(self._demands.encrypted.of(account))
        reply.headers.append(NO_STORE)
        return reply

    async def _set(self, request: Request, name: str, password: str, *, proven: Account | None = None) -> None:
        change = accounts.Change(password_hash=await self._passwords.hash(password))
        await self._alter(request, "user.password", name, change, proven=proven)

    async def _mark(self, request: Request, name: str, *, expired: bool) -> None:
        action = "user.expire" if expired else "user.unexpire"
        await self._alter(request, action, name, accounts.Change(expired=expired))

    async def _alter(
        self, request: Request, action: str, name: str, change: accounts.Change, *, proven: Account | None = None
    ) -> None:
        """Change a user; `proven` as it was when its password was proved. Raises AccountUnknown, PasswordSuperseded."""

        async def work(tx: Tx) -> Account:
            found = await accounts.get(tx, name)
            if proven is not None and (found.id, found.security_epoch) != (proven.id, proven.security_epoch):
                raise PasswordSuperseded
            return await accounts.alter(tx, found, change)

        await self._changes.make(request, action, name.lower(), work)
