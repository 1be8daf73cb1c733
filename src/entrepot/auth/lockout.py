"""Accounts that are locked for different wrong passwords, where administrators want that.

They are counted some moments after the answer, which so takes no longer for the name of an account than for any other. What
an administrator unlocked meanwhile stays unlocked: each wrong password has its time, and does not count if that was before.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from entrepot.auth.accounts import Account
from entrepot.auth.audit import Actor, record
from entrepot.auth.policies import Policies
from entrepot.errors import EntrepotError
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump

_MARK_BYTES: Final = 6
_MOST: Final = 1000  # wrong passwords that wait to be counted; whoever sends one more waits for them

_FAILED = sql("""
INSERT INTO failed_login (account_id, mark)
SELECT id, :mark FROM account WHERE id = :id AND COALESCE(unlocked, 0) < :time {change}
ON CONFLICT (account_id, mark) DO NOTHING
""")
_FAILURES = sql("SELECT COUNT(*) FROM failed_login WHERE account_id = :id")
_LOCK = sql("UPDATE account SET locked = 1 WHERE id = :id AND locked = 0")


@dataclass(frozen=True, slots=True)
class _Wrong:
    account_id: int
    mark: int  # tells different passwords apart
    name: str
    address: str
    time: int  # milliseconds


class Lockout:
    """Count wrong passwords; `key` is of their marks. One object per process, used on its loop."""

    def __init__(self, database: Database, policies: Policies, key: bytes, announce: Callable[[str], None]) -> None:
        self._database = database
        self._policies = policies
        self._key = key
        self._announce = announce
        self._waiting: dict[tuple[int, int], _Wrong] = {}

    async def count(self, account: Account, password: str, address: str) -> None:
        """Take note of a wrong password, if they are counted: the same one over and over counts once."""
        if not self._policies.locking().enabled:
            return
        text = f"{account.uuid}\0{password}".encode("utf-8", "surrogatepass")
        mark = int.from_bytes(hmac.digest(self._key, text, hashlib.sha256)[:_MARK_BYTES])
        self._waiting[account.id, mark] = _Wrong(account.id, mark, account.name, address, self._database.now())
        if len(self._waiting) >= _MOST:
            await self.flush()

    def forget(self, account_id: int) -> None:
        """Count nothing that came before the right password."""
        for key in [key for key in self._waiting if key[0] == account_id]:
            del self._waiting[key]

    async def flush(self) -> None:
        """Count what waits, and lock whom it is too much of. Raises DatabaseUnavailable; all of it waits on then."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        policy = self._policies.locking()
        if not policy.enabled:
            return

        async def work(tx: Tx) -> bool:
            ordered = [waiting[key] for key in sorted(waiting)]  # of accounts, else two workers lock each other out
            return any([await _failed(tx, wrong, policy.login_attempts) for wrong in ordered])

        try:
            locked = await self._database.transact(work)
        except EntrepotError:
            self._waiting = waiting | self._waiting
            raise
        if locked:
            self._announce("security")


async def _failed(tx: Tx, wrong: _Wrong, most: int) -> bool:
    """Count one; return whether that has just locked the account."""
    if not await tx.execute(_FAILED, id=wrong.account_id, mark=wrong.mark, time=wrong.time):
        return False
    row = await tx.row(_FAILURES, id=wrong.account_id)
    if row is None or row[0] < most or not await tx.execute(_LOCK, id=wrong.account_id):
        return False
    await record(tx, Actor(wrong.name, wrong.address), "user.lock", wrong.name, detail="wrong passwords")
    await bump(tx, "security")
    return True
