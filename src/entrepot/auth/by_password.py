"""Proof by a password: ours or another keeper's, in clear or in its encrypted form, and what a wrong one leads to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from entrepot.auth import accounts, password_rows
from entrepot.auth.accounts import Account
from entrepot.auth.credentials import BadCredentials, Basic
from entrepot.auth.encrypted import EncryptedPasswords
from entrepot.auth.guard import DIRECTORIES, Guard
from entrepot.auth.identities import Identities
from entrepot.auth.lockout import Lockout
from entrepot.auth.outside import Outside
from entrepot.auth.passwords import Attempt, Known, Passwords
from entrepot.auth.policies import PasswordExpired, Policies
from entrepot.auth.standing import Credential, by_password, of_guest
from entrepot.errors import TooMany, Unavailable
from entrepot.metadata.database import Database, Tx


@dataclass(frozen=True, slots=True)
class Demands:
    """What is configured about passwords, and what follows from it."""

    policies: Policies
    encrypted: EncryptedPasswords
    lockout: Lockout


class ByPassword:
    """Prove who comes with a name and a password. One object per process, used on its loop."""

    def __init__(
        self, database: Database, identities: Identities, passwords: Passwords, *,
        outside: Outside | None, demands: Demands | None,
    ) -> None:  # fmt: skip
        self._database = database
        self._identities = identities
        self._passwords = passwords
        self._outside = outside
        self._demands = demands
        self._guard = Guard(database)

    async def prove(self, sent: Basic, address: str, *, expired: bool = False) -> Credential:
        """Return whose password it is; `expired`: also when it has to be changed first.

        Raises BadCredentials, Blocked, PasswordExpired, TooMany, SourceUnavailable.
        """
        account = await self._identities.by_name(sent.name)
        if self._outside is not None and self._outside.keeps_password_of(sent.name, account):
            return await self._by_source(self._outside, sent, address, _name(account))
        if account is not None and self._is_encrypted(account, sent.password):
            return Credential(by_password(account, how="encrypted"), account=account)
        attempt = self._passwords.attempt(sent.name, sent.password, _known(account))
        if not self._passwords.recall(attempt):
            async with self._guard.trial(address, sent.name, _name(account), attempt.fingerprint):
                if not await self._is_right(attempt, account, sent.password, address):
                    self._guard.failed(address, sent.name, attempt.fingerprint)
                    raise BadCredentials(claimed=_name(account))
        assert account is not None  # nobody's password is never right
        self._guard.succeeded(address, sent.name)
        if not expired and self._is_expired(account):
            raise PasswordExpired(claimed=account.name)
        return Credential(by_password(account), account=account)

    async def _is_right(self, attempt: Attempt, account: Account | None, password: str, address: str) -> bool:
        """Return whether a password is an account's, and note what follows from it unless that was done before."""
        known = self._passwords.recall(attempt)
        if known is not None:
            return known
        right = await self._passwords.verify(attempt)
        if right and account is not None:
            await self._welcome(account, password)
        elif self._demands is not None and account is not None and attempt.known is not None:
            await self._demands.lockout.count(account, password, address)
        return right

    async def _by_source(self, outside: Outside, sent: Basic, address: str, account: str) -> Credential:
        """Return who another keeper of passwords lets in. Raises BadCredentials, Blocked, SourceUnavailable."""
        attempt = self._passwords.attempt(sent.name, sent.password, None).fingerprint
        async with self._guard.trial(address, sent.name, account, attempt, DIRECTORIES):
            verdict = await outside.login(sent.name, sent.password)
            self._guard.recheck(address, account)
            if verdict is None:
                self._guard.failed(address, sent.name, attempt)
                raise BadCredentials(claimed=account)
        self._guard.succeeded(address, sent.name)
        if verdict.account is None:
            return of_guest(verdict.caller, verdict.until)
        await self._note_login(verdict.account)
        return Credential(verdict.caller, account=verdict.account, until=verdict.until)

    def _is_encrypted(self, account: Account, password: str) -> bool:
        demands = self._demands
        if demands is None or demands.policies.encryption() == "UNSUPPORTED" or _known(account) is None:
            return False
        return demands.encrypted.matches(account, password) and not self._is_expired(account)

    def _is_expired(self, account: Account) -> bool:
        return self._demands is not None and self._demands.policies.is_expired(account, self._database.now())

    async def _note_login(self, account: Account) -> None:
        with suppress(Unavailable):
            await self._database.transact(lambda tx: password_rows.seen(tx, account.id))

    async def _welcome(self, account: Account, password: str) -> None:
        """Note the login, and store the password under today's parameters. Where that fails, nobody is refused."""
        forgives = self._demands is not None and self._demands.policies.locking().enabled
        if self._demands is not None:
            self._demands.lockout.forget(account.id)
        with suppress(Unavailable, TooMany):
            stored = account.password_hash or ""
            new = await self._passwords.hash(password) if self._passwords.outdated(stored) else None

            async def body(tx: Tx) -> None:
                if new is not None:
                    await accounts.rehash(tx, account, new)
                if forgives:
                    await password_rows.forgive(tx, account.id)
                await password_rows.seen(tx, account.id)

            await self._database.transact(body)


def _name(account: Account | None) -> str:
    """Return what logs may call who came: what names nobody may be a password, typed into the wrong field."""
    return account.name if account is not None else ""


def _known(account: Account | None) -> Known | None:
    """Return what a password is compared with: nothing for who has none here, or may not come in."""
    if account is None or account.disabled or account.locked or not account.password_hash:
        return None
    if account.profile.internal_password_disabled:
        return None
    return Known(account.security_epoch, account.password_hash)
