"""Another master key: all that was sealed with the old one is sealed with the new one, in one transaction.

The new key lies in `master.key.new` before anything is sealed with it, and gets its name when all of it is. A rotation that
was interrupted is taken up where it was: whether the database has moved is told by what opens.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from entrepot.auth.api_keys import sealed_name
from entrepot.auth.audit import SYSTEM, record
from entrepot.auth.keys import SealBroken, TextSeals, Vault
from entrepot.configuration.secrets import opened, sealed
from entrepot.errors import Conflict
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump

_ALIVE_FOR: Final = 120_000  # milliseconds since a beat

_ALIVE = sql("SELECT COUNT(*) FROM writer WHERE heartbeat > {now} - :since")
_SECRETS = sql("SELECT name, value FROM secret ORDER BY name")
_SET_SECRET = sql("UPDATE secret SET value = :value WHERE name = :name")
_KEYS = sql("SELECT account_id, sealed FROM api_key ORDER BY account_id")
_SET_KEY = sql("UPDATE api_key SET sealed = :sealed WHERE account_id = :account_id")
_DOCUMENTS = sql("SELECT section, key, body FROM configuration ORDER BY section, key")
_SET_DOCUMENT = sql("UPDATE configuration SET body = :body WHERE section = :section AND key = :key")


class StillServing(Conflict):
    """Stop all nodes first: {count} of their processes still beat (they count for two minutes after they died)."""


async def is_sealed_with(reads: Reads, vault: Vault) -> bool:
    """Whether the secrets of the database open with a key."""
    try:
        for name, value in await reads.rows(_SECRETS):
            vault.unseal(name, bytes(value))
    except SealBroken:
        return False
    return True


async def refuse_while_serving(reads: Reads) -> None:
    """Raise StillServing while any process of any node works with the database."""
    row = await reads.row(_ALIVE, since=_ALIVE_FOR)
    if row is not None and row[0]:
        raise StillServing(count=row[0])


async def seal_anew(database: Database, old: Vault, new: Vault) -> int:
    """Seal everything with the new key, all or nothing; return how many things that were. Raises SealBroken."""

    async def work(tx: Tx) -> int:
        count = 0
        for name, value in await tx.rows(_SECRETS):
            await tx.execute(_SET_SECRET, name=name, value=new.seal(name, old.unseal(name, bytes(value))))
            count += 1
        for account_id, value in await tx.rows(_KEYS):
            name = sealed_name(account_id)
            await tx.execute(_SET_KEY, account_id=account_id, sealed=new.seal(name, old.unseal(name, bytes(value))))
            count += 1
        for section, key, text in await tx.rows(_DOCUMENTS):
            body = opened(section, key, msgspec.json.decode(text, type=dict[str, Any]), TextSeals(old))
            packed = msgspec.json.encode(sealed(section, key, body, TextSeals(new))).decode()
            await tx.execute(_SET_DOCUMENT, section=section, key=key, body=packed)
            count += packed != text
        await record(tx, SYSTEM, "masterkey.rotate", "master.key", detail=f"{count} secrets")
        for scope in ("security", "configuration"):
            await bump(tx, scope)
        return count

    return await database.transact(work)
