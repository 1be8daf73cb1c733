"""A new password from outside, through the database: the way back in for who has lost theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.auth import accounts
from entrepot.auth.audit import SYSTEM, record
from entrepot.auth.passwords import Passwords
from entrepot.clock import SystemClock
from entrepot.errors import Invalid
from entrepot.metadata.database import Tx
from entrepot.metadata.open import open_database
from entrepot.metadata.versions import bump

if TYPE_CHECKING:
    from entrepot.settings import Settings


async def reset_password(settings: Settings, user: str, password: str) -> str:
    """Give a user a new password and return its name as it is kept; running nodes know within a fraction of a second.

    `admin`, and nobody else, is enabled, too: it is the way back in. Raises AccountUnknown, Invalid.
    """
    database = await open_database(settings.home, settings.database_url)
    passwords = Passwords(SystemClock())
    try:
        new = await passwords.hash(password)

        async def work(tx: Tx) -> str:
            account = await accounts.get(tx, user)
            if account.name == accounts.ANONYMOUS_NAME:
                raise Invalid("The user 'anonymous' has no password.")
            disabled = False if account.name == "admin" else None
            await accounts.alter(tx, account, accounts.Change(password_hash=new, disabled=disabled, locked=False))
            await record(tx, SYSTEM, "user.password", account.name, detail="reset by command")
            await bump(tx, "security")
            return account.name

        return await database.transact(work)
    finally:
        passwords.close()
        await database.close()
