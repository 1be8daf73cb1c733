"""Sessions of browsers: an opaque secret in a cookie, a row that any node knows, and a token against forged requests.

A session ends half an hour after its last request (give or take the five minutes for which a process remembers who
asks), twelve hours after the login, and when its user logs out, gets another password or is disabled. What changes
anything must carry the token of the session in a header, which no other site can read or make its visitor send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from entrepot.auth.accounts import Account
from entrepot.auth.audit import Actor, record
from entrepot.auth.epochs import Epochs
from entrepot.auth.token_rows import digest
from entrepot.errors import Denied
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.sql import sql

COOKIE: Final = "entrepot_session"
HEADER: Final = "x-csrf-token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_IDLE: Final = 1_800_000  # milliseconds
_LONGEST: Final = 43_200_000  # milliseconds
_NOTED: Final = 60_000  # milliseconds that `seen` may lag behind
_MOST: Final = 50  # sessions of one user; the oldest ends when there are more

_FIND = sql("SELECT account_id, security_epoch, created, seen FROM session WHERE secret_hash = :secret_hash")
_INSERT = sql("""
INSERT INTO session (secret_hash, account_id, security_epoch, address, created, seen)
VALUES (:secret_hash, :account_id, :security_epoch, :address, {now}, {now})
""")
_SEEN = sql("UPDATE session SET seen = :now WHERE secret_hash = :secret_hash AND seen < :now")
_END = sql("DELETE FROM session WHERE secret_hash = :secret_hash")
_END_ALL = sql("DELETE FROM session")
_CROWD = sql("""
DELETE FROM session WHERE account_id = :account_id AND secret_hash NOT IN (
  SELECT secret_hash FROM session AS newest WHERE newest.account_id = :account_id ORDER BY created DESC LIMIT :most)
""")
_PRUNE = sql("""
DELETE FROM session WHERE secret_hash IN (SELECT secret_hash FROM session AS old WHERE seen < :before LIMIT 1000)
""")


class Forged(Denied):
    """A request with a session cookie that changes anything must carry the session's token in X-CSRF-Token."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that stands. Times are milliseconds."""

    account_id: int
    security_epoch: int
    until: int  # it ends then unless it is used


class Sessions:
    """Begin, find and end them; `key` is 32 bytes that no one else has."""

    def __init__(self, database: Database, epochs: Epochs, key: bytes) -> None:
        self._database = database
        self._epochs = epochs
        self._key = key

    async def begin(self, account: Account, address: str) -> str:
        """Begin a session and return its secret."""
        secret = secrets.token_urlsafe(32)

        async def work(tx: Tx) -> None:
            await tx.execute(
                _INSERT,
                secret_hash=digest(secret),
                account_id=account.id,
                security_epoch=account.security_epoch,
                address=address,
            )
            await tx.execute(_CROWD, account_id=account.id, most=_MOST)
            await record(tx, Actor(account.name, address), "session.begin", account.name)

        await self._database.transact(work)
        return secret

    async def find(self, secret: str) -> Session | None:
        """Return a session that has not ended, and note that it is in use."""
        hashed, now = digest(secret), self._database.now()
        row = await self._database.row(_FIND, secret_hash=hashed)
        if row is None:
            return None
        account_id, epoch, created, seen = row
        if now > min(seen + _IDLE, created + _LONGEST):
            return None
        if now - seen > _NOTED:
            await self._database.transact(lambda tx: tx.execute(_SEEN, secret_hash=hashed, now=now))
        return Session(account_id, epoch, min(now + _IDLE, created + _LONGEST))

    async def end(self, secret: str, by: Actor) -> None:
        """End a session, before this returns on this node."""

        async def work(tx: Tx) -> None:
            if await tx.execute(_END, secret_hash=digest(secret)):
                await record(tx, by, "session.end", by.name)

        await self._epochs.change(self._database, "security", work)

    async def end_all(self, by: Actor) -> None:
        """End all sessions of all users."""

        async def work(tx: Tx) -> None:
            ended = await tx.execute(_END_ALL)
            await record(tx, by, "session.end", "*", detail=f"{ended} sessions")

        await self._epochs.change(self._database, "security", work)

    def token(self, secret: str) -> str:
        """Return what requests of a session that change anything must carry."""
        return base64.urlsafe_b64encode(hmac.digest(self._key, secret.encode(), hashlib.sha256)).decode().rstrip("=")

    def check(self, secret: str, sent: str | None) -> None:
        """Raise Forged unless a request carries the token of its session."""
        if sent is None or not hmac.compare_digest(self.token(secret).encode(), sent.encode("utf-8", "replace")):
            raise Forged


async def prune(database: Database) -> int:
    """Remove some rows of sessions that ended; return how many. For the jobs process."""
    before = database.now() - _IDLE
    return await database.transact(lambda tx: tx.execute(_PRUNE, before=before))
