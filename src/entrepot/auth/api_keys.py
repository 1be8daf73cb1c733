"""API keys: one for each user, which it may look at again (reference 9.7). Found by hash, kept sealed.

A key counts for as long as its user is there and enabled, also after another password. Tokens that are ordered with it,
or with such tokens, end with it.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from entrepot.auth import token_rows
from entrepot.auth.audit import Actor, record
from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import Vault
from entrepot.auth.token_rows import digest
from entrepot.errors import Invalid, NotFound, Unauthenticated
from entrepot.metadata.database import Database, Duplicate, Reads, Tx
from entrepot.metadata.sql import sql

_PREFIX: Final = "AKCp8"
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LENGTH: Final = 73  # characters, as clients expect
_SHAPE: Final = re.compile(r"AKC[0-9A-Za-z]{60,200}")

_OWNER = sql("SELECT account_id FROM api_key WHERE secret_hash = :secret_hash")
_HASH = sql("SELECT secret_hash FROM api_key WHERE account_id = :account_id")
_HOLD = sql("SELECT account_id FROM api_key WHERE secret_hash = :secret_hash {share}")
_SEALED = sql("SELECT sealed FROM api_key WHERE account_id = :account_id")
_ALL = sql("""
SELECT account.name, api_key.sealed, api_key.account_id FROM api_key JOIN account ON account.id = api_key.account_id
WHERE account.name > :after ORDER BY account.name LIMIT 1000
""")
_INSERT = sql("""
INSERT INTO api_key (account_id, secret_hash, sealed, created) VALUES (:account_id, :secret_hash, :sealed, {now})
""")
_DELETE = sql("DELETE FROM api_key WHERE account_id = :account_id")
_DELETE_ALL = sql("DELETE FROM api_key")


class ApiKeyExists(Invalid):
    """Api key already exists for user: {name}"""


class ApiKeyAbsent(NotFound):
    """Api key for user: '{name}' doesn't exist"""


class ApiKeyEnded(Unauthenticated):
    """The API key has just been revoked."""


def is_api_key(text: str) -> bool:
    """Whether a text has the shape of an API key."""
    return _SHAPE.fullmatch(text) is not None


def ident(key: str) -> str:
    """Return what tokens call a key that they end with."""
    return digest(key).hex()


async def find(reads: Reads, account_id: int) -> str | None:
    """Return what tokens call the key of a user."""
    row = await reads.row(_HASH, account_id=account_id)
    return None if row is None else bytes(row[0]).hex()


async def hold(tx: Tx, key: str) -> None:
    """Have who revokes a key wait for this transaction, whose tokens then end with it. Raises ApiKeyEnded."""
    if await tx.row(_HOLD, secret_hash=bytes.fromhex(key)) is None:
        raise ApiKeyEnded


class ApiKeys:
    """Make, find and revoke keys."""

    def __init__(self, database: Database, epochs: Epochs, vault: Vault) -> None:
        self._database = database
        self._epochs = epochs
        self._vault = vault

    async def owner(self, key: str) -> int | None:
        """Return the id of the account whose key it is."""
        row = await self._database.row(_OWNER, secret_hash=digest(key))
        return None if row is None else row[0]

    async def counts(self, key: str) -> bool:
        """Whether a key is there that tokens call so."""
        return await self._database.row(_OWNER, secret_hash=bytes.fromhex(key)) is not None

    async def get(self, account_id: int) -> str | None:
        """Return a user's key. Raises SealBroken."""
        row = await self._database.row(_SEALED, account_id=account_id)
        return None if row is None else self._open(account_id, row[0])

    async def all(self) -> dict[str, str]:
        """Return the keys of all users by name, for administrators. Raises SealBroken."""
        found: dict[str, str] = {}
        after = ""
        while rows := await self._database.rows(_ALL, after=after):
            found |= {name: self._open(account_id, sealed) for name, sealed, account_id in rows}
            after = rows[-1][0]
        return found

    async def create(self, account_id: int, name: str, by: Actor) -> str:
        """Make a key for a user that has none. Raises ApiKeyExists."""
        return await self._make(account_id, name, by, "apikey.create", replace=False)

    async def renew(self, account_id: int, name: str, by: Actor) -> str:
        """Make a key instead of the one that there was, which stops to count."""
        return await self._make(account_id, name, by, "apikey.renew", replace=True)

    async def revoke(self, account_id: int, name: str, by: Actor) -> None:
        """End a user's key. Raises ApiKeyAbsent."""

        async def work(tx: Tx) -> None:
            if not await _end(tx, account_id):
                raise ApiKeyAbsent(name=name)
            await record(tx, by, "apikey.revoke", name)

        await self._epochs.change(self._database, "security", work)

    async def revoke_all(self, by: Actor) -> int:
        """End all keys; return how many there were."""

        async def work(tx: Tx) -> int:
            ended = await tx.execute(_DELETE_ALL)
            await token_rows.end_of_keys(tx)
            await record(tx, by, "apikey.revoke", "*", detail=f"{ended} keys")
            return ended

        return await self._epochs.change(self._database, "security", work)

    async def _make(self, account_id: int, name: str, by: Actor, action: str, *, replace: bool) -> str:
        key = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH - len(_PREFIX)))
        sealed = self._vault.seal(sealed_name(account_id), key.encode())

        async def work(tx: Tx) -> None:
            if replace:
                await _end(tx, account_id)
            await tx.execute(_INSERT, account_id=account_id, secret_hash=digest(key), sealed=sealed)
            await record(tx, by, action, name)

        try:
            await self._epochs.change(self._database, "security", work)
        except Duplicate:
            raise ApiKeyExists(name=name) from None
        return key

    def _open(self, account_id: int, sealed: bytes) -> str:
        return self._vault.unseal(sealed_name(account_id), bytes(sealed)).decode()


async def _end(tx: Tx, account_id: int) -> bool:
    key = await find(tx, account_id)
    if key is None:
        return False
    await tx.execute(_DELETE, account_id=account_id)
    await token_rows.end(tx, key)
    return True


def sealed_name(account_id: int) -> str:
    """Return under what name a key is sealed."""
    return f"api-key/{account_id}"
