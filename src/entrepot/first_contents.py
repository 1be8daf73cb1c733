"""What exists after the first start: users, groups, permission targets and repositories (reference 17)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from entrepot.auth import accounts, groups
from entrepot.auth.accounts import AccountExists
from entrepot.auth.groups import GroupExists
from entrepot.auth.passwords import Passwords
from entrepot.clock import SystemClock
from entrepot.metadata import facts
from entrepot.metadata.database import Database, Duplicate, Tx
from entrepot.metadata.sql import sql
from entrepot.repositories import configuration
from entrepot.repositories.catalog import TRASH_KEY, insert

_TARGET = sql("""
INSERT INTO permission_target (name, body, modified) VALUES (:name, :body, {now}) ON CONFLICT DO NOTHING
""")

_FIRST_REPOSITORIES: tuple[Mapping[str, Any], ...] = (
    {"key": "docker-local", "rclass": "local", "packageType": "docker"},
    {"key": "docker-remote", "rclass": "remote", "packageType": "docker", "url": "https://registry-1.docker.io/"},
    {"key": "docker", "rclass": "virtual", "packageType": "docker", "repositories": ["docker-local", "docker-remote"],
     "defaultDeploymentRepo": "docker-local"},
    {"key": "generic-local", "rclass": "local", "packageType": "generic"},
    {"key": "artifactory-build-info", "rclass": "local", "packageType": "buildinfo"},
)  # fmt: skip
_READERS = groups.Group("readers", auto_join=True, profile=groups.Profile(description="A group for read-only users"))
_FIRST_TARGETS = {
    "Anything": '{"name":"Anything","resources":{"artifact":{"actions":{"users":{"anonymous":["READ"]},'
    '"groups":{"readers":["READ"]}},"targets":{"ANY":{"include_patterns":["**"],"exclude_patterns":[]}}}}}',
    "Any Remote": '{"name":"Any Remote","resources":{"artifact":{"actions":{"users":{"anonymous":["READ","WRITE"]},'
    '"groups":{"readers":["READ","WRITE"]}},"targets":{"ANY REMOTE":{"include_patterns":["**"],"exclude_patterns":[]}}}}}',
}


async def fill(database: Database, password: str) -> bool:
    """Make the first users, groups, permission targets and repositories, unless somebody has: all or nothing.

    Return whether it was us, so that `password` is what opens.
    """
    if await facts.known(database, facts.FILLED) is not None:
        return False
    passwords = Passwords(SystemClock())
    password_hash = await passwords.hash(password)
    passwords.close()

    async def work(tx: Tx) -> bool:
        if await facts.known(tx, facts.FILLED) is not None:
            return False
        await groups.create(tx, _READERS)
        await accounts.create(
            tx, "admin", accounts.Change(email="admin@localhost", password_hash=password_hash, admin=True)
        )
        await accounts.create(tx, accounts.ANONYMOUS_NAME, accounts.Change())
        for name, body in _FIRST_TARGETS.items():
            await tx.execute(_TARGET, name=name, body=body)
        made: dict[str, Mapping[str, Any]] = {}
        for stated in _FIRST_REPOSITORIES:
            made[stated["key"]] = configuration.create(stated["key"], stated, made.get)
            await insert(tx, made[stated["key"]])
        await insert(tx, {**configuration.create("trash", {"rclass": "local"}, made.get), "key": TRASH_KEY})
        await facts.note(tx, facts.SERVICE_ID, os.urandom(13).hex())
        await facts.note(tx, facts.FILLED, "1")
        return True

    try:
        return await database.transact(work)
    except (Duplicate, AccountExists, GroupExists):
        return False  # another node was filling it at the same time, and was first
