"""What a new installation has: an identity, the users `admin` and `anonymous`, the group `readers`, two permission targets.

Made once. What somebody deletes later is not made again: without the default targets nothing grants reading by itself.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from entrepot.auth import accounts, groups
from entrepot.auth.audit import SYSTEM, record
from entrepot.auth.epochs import bump
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.sql import sql

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # of ULIDs, which clients' patterns expect here
_ID_LENGTH: Final = 26
_ID: Final = "installation.id"
_DONE: Final = "security.bootstrapped"

_READ = sql("SELECT value FROM setting WHERE key = :key")
_WRITE = sql("INSERT INTO setting (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING")
_TARGET = sql("""
INSERT INTO permission_target (name, body, modified) VALUES (:name, :body, {now}) ON CONFLICT (name) DO NOTHING
""")


async def installation_id(database: Database) -> str:
    """Return the id by which this installation signs and is addressed, the same on all nodes; made at first use."""
    row = await database.row(_READ, key=_ID)
    if row is not None:
        return str(row[0])
    made = "01" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH - 2))

    async def keep(tx: Tx) -> str:
        await tx.execute(_WRITE, key=_ID, value=made)
        kept = await tx.row(_READ, key=_ID)
        assert kept is not None
        return str(kept[0])

    return await database.transact(keep)


async def bootstrapped(database: Database) -> bool:
    """Whether the first contents have been made."""
    return await database.row(_READ, key=_DONE) is not None


async def bootstrap(database: Database, admin_hash: str) -> bool:
    """Make the first contents, `admin` with the hash of its password; return whether they had not been made before."""

    async def body(tx: Tx) -> bool:
        if not await tx.execute(_WRITE, key=_DONE, value="1"):
            return False
        profile = groups.Profile(description="A group for read-only users")
        await groups.create(tx, groups.Group("readers", auto_join=True, profile=profile))
        await accounts.create(tx, "admin", accounts.Change(password_hash=admin_hash, admin=True))
        anonymous = accounts.Profile(profile_updatable=False, internal_password_disabled=True)
        made = await accounts.create(tx, accounts.ANONYMOUS_NAME, accounts.Change(profile=anonymous))
        await groups.leave_all(tx, made.id)
        for name, target in _targets().items():
            await tx.execute(_TARGET, name=name, body=msgspec.json.encode(target).decode())
        await record(tx, SYSTEM, "installation.create", "admin, anonymous, readers, Anything, Any Remote")
        await bump(tx, "security")
        return True

    return await database.transact(body)


def _targets() -> dict[str, object]:
    """Return the bodies of the default targets, as the Access API writes them."""
    readers, anonymous = {"readers": ["READ"]}, {"anonymous": ["READ"]}
    return {
        "Anything": _body("Anything", "ANY", users=anonymous, of_groups=readers),
        "Any Remote": _body("Any Remote", "ANY REMOTE", users={}, of_groups={"readers": ["READ", "WRITE"]}),
    }


def _body(name: str, covered: str, *, users: dict[str, list[str]], of_groups: dict[str, list[str]]) -> object:
    targets = {covered: {"include_patterns": ["**"], "exclude_patterns": []}}
    return {
        "name": name,
        "resources": {"artifact": {"actions": {"users": users, "groups": of_groups}, "targets": targets}},
    }
