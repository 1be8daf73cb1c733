"""What is noted of passwords beside the changes of accounts: the last login, wrong ones, locks, expiry.

None of it moves an account's `security_epoch`: what its password opened before goes on to count.
"""

from __future__ import annotations

from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.sql import sql

_SEEN = sql("UPDATE account SET last_login = {now} WHERE id = :id")
_FORGIVE = sql("DELETE FROM failed_login WHERE account_id = :id")
_LOCKED = sql("SELECT name FROM account WHERE locked = 1 ORDER BY name")
_EXPIRE_ALL = sql("UPDATE account SET password_set = 0 WHERE realm = 'internal' AND admin = 0 AND name <> 'anonymous'")
_RENEW_ALL = sql("UPDATE account SET password_set = {now} WHERE password_set = 0")


async def forgive(tx: Tx, account_id: int) -> None:
    """Forget the wrong passwords of an account."""
    await tx.execute(_FORGIVE, id=account_id)


async def locked(reads: Reads) -> list[str]:
    """Return the names of all that are locked."""
    return [row[0] for row in await reads.rows(_LOCKED)]


async def expire_all(tx: Tx) -> None:
    """Let all passwords expire but those of administrators, who could not let themselves in again."""
    await tx.execute(_EXPIRE_ALL)


async def renew_all(tx: Tx) -> None:
    """Let the passwords count again that an administrator let expire."""
    await tx.execute(_RENEW_ALL)


async def seen(tx: Tx, account_id: int) -> None:
    """Note that the user has just logged in."""
    await tx.execute(_SEEN, id=account_id)
