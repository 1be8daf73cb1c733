"""Tokens as rows: what is kept of one, and which of them count.

The parent of a row is what it was bought with, and ends with: of a refresh token and of what `docker login` keeps an access
token, of an access token an API key (`api_keys.ident`). What an access token buys otherwise has the same API key.
Of what cannot be verified by a signature only the SHA-256 is stored. A row whose account is deleted goes with it; one
whose account has been disabled, or got another password, no longer counts (`security_epoch`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from entrepot.access.scopes import named, without
from entrepot.metadata.database import Database, Reads, Row, Tx
from entrepot.metadata.sql import Parameter, sql

Kind = Literal["access", "refresh", "docker"]  # docker: what `docker login` keeps, and buys Docker tokens with

_BY_ID = sql("""
SELECT id, kind, account_id, security_epoch, subject, scope, audience, description, parent, issued, expires,
  EXISTS (SELECT 1 FROM token AS child WHERE child.parent = token.id AND child.kind = 'refresh'), secret_hash IS NOT NULL
FROM token WHERE id = :id AND (account_id IS NULL OR EXISTS (
  SELECT 1 FROM account
  WHERE account.id = token.account_id AND account.security_epoch = token.security_epoch AND account.disabled = 0))
""")
_BY_SECRET = sql("""
SELECT id, kind, account_id, security_epoch, subject, scope, audience, description, parent, issued, expires,
  EXISTS (SELECT 1 FROM token AS child WHERE child.parent = token.id AND child.kind = 'refresh'), secret_hash IS NOT NULL
FROM token WHERE secret_hash = :secret_hash AND (account_id IS NULL OR EXISTS (
  SELECT 1 FROM account
  WHERE account.id = token.account_id AND account.security_epoch = token.security_epoch AND account.disabled = 0))
""")
_LIST = sql("""
SELECT id, kind, account_id, security_epoch, subject, scope, audience, description, parent, issued, expires,
  EXISTS (SELECT 1 FROM token AS child WHERE child.parent = token.id AND child.kind = 'refresh'), secret_hash IS NOT NULL
FROM token WHERE kind <> 'refresh' AND (expires IS NULL OR expires > :now) AND id > :after
  AND (:subject = '' OR subject = :subject) AND (account_id IS NULL OR EXISTS (
  SELECT 1 FROM account
  WHERE account.id = token.account_id AND account.security_epoch = token.security_epoch AND account.disabled = 0))
ORDER BY id LIMIT :limit
""")
_INSERT = sql("""
INSERT INTO token (id, kind, account_id, security_epoch, subject, scope, audience, description, secret_hash, parent,
  issued, expires)
VALUES (:id, :kind, :account_id, :security_epoch, :subject, :scope, :audience, :description, :secret_hash, :parent,
  :issued, :expires)
""")
_DELETE = sql("""
WITH RECURSIVE ended (id) AS (
  SELECT id FROM token WHERE id = :id OR parent = :id
  UNION SELECT token.id FROM token JOIN ended ON token.parent = ended.id)
DELETE FROM token WHERE id IN (SELECT id FROM ended)
""")
_DELETE_OF_KEYS = sql("""
WITH RECURSIVE ended (id) AS (
  SELECT id FROM token WHERE parent IS NOT NULL AND kind = 'access'
  UNION SELECT token.id FROM token JOIN ended ON token.parent = ended.id)
DELETE FROM token WHERE id IN (SELECT id FROM ended)
""")
_NAME = sql("INSERT INTO token_name (name, project, token_id) VALUES (:name, :project, :token_id)")
_PROJECTS = sql("SELECT DISTINCT project FROM token_name WHERE name = :name")
_NAMES = sql("SELECT DISTINCT name FROM token_name WHERE project = :project")
_OF_NAME = sql("""
SELECT token.id, token.scope FROM token_name JOIN token ON token.id = token_name.token_id
WHERE token_name.name = :name AND token_name.project = :project AND token_name.token_id > :after
ORDER BY token_name.token_id LIMIT 1000
""")
_UNNAME = sql("DELETE FROM token_name WHERE name = :name AND project = :project")
_NARROW = sql("UPDATE token SET scope = :scope WHERE id = :id")
_PRUNE = sql("""
DELETE FROM token WHERE id IN (
  SELECT id FROM token AS old WHERE expires < :before
    AND NOT EXISTS (SELECT 1 FROM token AS child WHERE child.parent = old.id)
  ORDER BY expires LIMIT 1000)
""")
_PRUNE_DEAD = sql("""
DELETE FROM token WHERE id IN (
  SELECT token.id FROM account JOIN token ON token.account_id = account.id
  WHERE token.security_epoch <> account.security_epoch LIMIT 1000)
""")


@dataclass(frozen=True, slots=True)
class Stored:
    """A row. Times are milliseconds."""

    id: str
    kind: Kind
    account_id: int | None
    security_epoch: int
    subject: str
    scope: str
    audience: str
    description: str
    parent: str | None
    issued: int
    expires: int | None
    refreshable: bool = False  # when read: whether a refresh token belongs to it
    secret: bool = False  # when read: whether it has one, an access token: that a reference token was made with it

    def is_over(self, now: int) -> bool:
        """Whether its time has passed."""
        return self.expires is not None and self.expires <= now


async def by_id(reads: Reads, token_id: str | None) -> Stored | None:
    """Return the row of a token whose account still stands for it, also one whose time has passed."""
    return _found(await reads.row(_BY_ID, id=token_id))


async def by_secret(reads: Reads, secret: str) -> Stored | None:
    """Return the row of a reference or refresh token; see `by_id`."""
    return _found(await reads.row(_BY_SECRET, secret_hash=digest(secret)))


async def page(reads: Reads, *, subject: str, after: str, limit: int, now: int) -> Sequence[Stored]:
    """Return valid tokens in order of their ids, all or one subject's."""
    return [_row(row) for row in await reads.rows(_LIST, subject=subject, after=after, limit=limit, now=now)]


async def insert(tx: Tx, new: Stored, secret: str | None) -> None:
    """Add a row, the hash of its secret, and what its scope names."""
    await tx.execute(
        _INSERT,
        id=new.id,
        kind=new.kind,
        account_id=new.account_id,
        security_epoch=new.security_epoch,
        subject=new.subject,
        scope=new.scope,
        audience=new.audience,
        description=new.description,
        secret_hash=None if secret is None else digest(secret),
        parent=new.parent,
        issued=new.issued,
        expires=new.expires,
    )
    names: list[dict[str, Parameter]] = [
        {"name": name, "project": project, "token_id": new.id} for project, name in named(new.scope)
    ]
    if names:
        await tx.many(_NAME, names)


async def end(tx: Tx, token_id: str) -> None:
    """Remove the row of a token, if it is not an API key that is meant, with all that was bought with it."""
    await tx.execute(_DELETE, id=token_id)


async def end_of_keys(tx: Tx) -> None:
    """Remove what was bought with any API key."""
    await tx.execute(_DELETE_OF_KEYS)


async def forget_group(tx: Tx, name: str) -> None:
    """Take a group that is deleted out of scopes, lest it counts for the next of that name (`scopes.without`).

    Tokens that are left with nothing end.
    """
    await _forget(tx, "", name.lower())


async def forget_role(tx: Tx, name: str, of: Callable[[str], bool]) -> None:
    """Likewise a role, of the projects that `of` says."""
    for (project,) in await tx.rows(_PROJECTS, name=name.lower()):
        if project and of(project):
            await _forget(tx, project, name.lower())


async def forget_project(tx: Tx, project: str) -> None:
    """Likewise all roles of a project."""
    for (name,) in await tx.rows(_NAMES, project=project):
        await _forget(tx, project, name)


async def _forget(tx: Tx, project: str, name: str) -> None:
    after = ""
    while rows := await tx.rows(_OF_NAME, name=name, project=project, after=after):
        for token_id, scope in rows:
            left = without(scope, lambda *one: one == (project, name))
            if left:
                await tx.execute(_NARROW, id=token_id, scope=left)
            else:
                await end(tx, token_id)
        after = rows[-1][0]
    await tx.execute(_UNNAME, name=name, project=project)


async def prune(database: Database) -> int:
    """Remove some rows that count no longer; return how many, 0 when nothing is left to do. For the jobs process."""
    before = database.now()

    async def work(tx: Tx) -> int:
        return await tx.execute(_PRUNE, before=before) + await tx.execute(_PRUNE_DEAD)

    return await database.transact(work)


def digest(secret: str) -> bytes:
    """Return what is stored of a secret that is random enough not to need salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _found(row: Row | None) -> Stored | None:
    return None if row is None else _row(row)


def _row(row: Row) -> Stored:
    return Stored(
        id=row[0],
        kind=row[1],
        account_id=row[2],
        security_epoch=row[3],
        subject=row[4],
        scope=row[5],
        audience=row[6],
        description=row[7],
        parent=row[8],
        issued=row[9],
        expires=row[10],
        refreshable=bool(row[11]),
        secret=bool(row[12]),
    )
