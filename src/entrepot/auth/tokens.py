"""Access tokens and refresh tokens: rows that can be listed and revoked.

A row stands for the signed token of the same id, for the reference token made with it, or for a refresh token. Of what
cannot be verified by a signature only the SHA-256 is stored. A row whose account is deleted goes with it; one whose
account has been disabled, or got another password, no longer counts (`security_epoch`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from entrepot.auth.audit import Actor, record
from entrepot.auth.epochs import Epochs
from entrepot.auth.jwt import Claims, Kind, sign, verify
from entrepot.auth.keys import SigningKey
from entrepot.errors import NotFound, Unauthenticated
from entrepot.metadata.database import Database, Row, Tx
from entrepot.metadata.sql import sql

RowKind = Literal["access", "refresh", "docker"]  # docker: what `docker login` keeps, and buys Docker tokens with

EVERYWHERE: Final = "*@*"
_REFERENCE_BYTES: Final = 48  # of base64 text that begins with cmVmd and has 64 characters
_YEAR: Final = 31_536_000_000  # milliseconds
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

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
  SELECT id FROM token WHERE id = :id UNION SELECT token.id FROM token JOIN ended ON token.parent = ended.id)
DELETE FROM token WHERE id IN (SELECT id FROM ended)
""")
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
class Order:
    """What token to make. Times are seconds."""

    subject: str  # a user's name
    account_id: int | None  # None: a subject that is no user here ("transient")
    security_epoch: int
    scope: str
    audience: str = EVERYWHERE
    expires_in: int | None = None  # None: never
    refreshable: bool = False
    reference: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, told once to whom it belongs."""

    token_id: str
    access_token: str
    scope: str
    expires_in: int | None
    refresh_token: str | None = None
    reference_token: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A row. Times are milliseconds."""

    id: str
    kind: str
    account_id: int | None
    security_epoch: int
    subject: str
    scope: str
    audience: str
    description: str
    parent: str | None
    issued: int
    expires: int | None
    refreshable: bool
    secret: bool  # whether it has one: an access token, that a reference token was made with it


class RefreshRefused(Unauthenticated):
    """The refresh token is invalid, expired or has been used"""


class TokenAbsent(NotFound):
    """Token not found"""


class Tokens:
    """Make, find and revoke tokens."""

    def __init__(self, database: Database, epochs: Epochs, key: SigningKey, installation: str) -> None:
        self._database = database
        self._epochs = epochs
        self.key = key
        self.issuer = f"jfac@{installation}"
        self.docker_audience = f"docker@{installation}"
        self._audiences = frozenset(f"{kind}@{name}" for kind in ("*", "jfrt", "jfac") for name in ("*", installation))

    def verify(self, text: str) -> tuple[Kind, Claims]:
        """Return the kind and claims of a token that we signed. Raises TokenUnknown, TokenExpired."""
        return verify(self.key, text, issuer=self.issuer, now=self._database.now() // 1000)

    def accepts(self, audience: str) -> bool:
        """Whether one of the audiences (separated by spaces or commas) is ours."""
        return not self._audiences.isdisjoint(audience.replace(",", " ").split())

    async def sign(self, claims: Claims, kind: Kind = "JWT") -> str:
        """Return the signed token, made in a thread."""
        return await asyncio.to_thread(sign, self.key, claims, kind)

    async def issue(self, order: Order, by: Actor) -> Issued:
        """Make a token and store it."""
        made = _Draft.of(order, self._database.now())

        async def body(tx: Tx) -> None:
            await made.insert(tx)
            await record(tx, by, "token.create", made.id, detail=f"for {order.subject}: {order.scope}")

        await self._database.transact(body)
        return await self._told(made)

    async def refresh(self, secret: str, by: Actor) -> Issued:
        """Exchange a refresh token for a new pair of the same kind; the old pair ends. Raises RefreshRefused."""
        now = self._database.now()

        async def body(tx: Tx) -> _Draft:
            refresh = _stored(await tx.row(_BY_SECRET, secret_hash=digest(secret)))
            old = None if refresh is None else _stored(await tx.row(_BY_ID, id=refresh.parent))
            if refresh is None or old is None or refresh.kind != "refresh" or _over(refresh, now):
                raise RefreshRefused
            made = _Draft.of(_again(old), now)
            await tx.execute(_DELETE, id=old.id)
            await made.insert(tx)
            await record(tx, by, "token.refresh", made.id, detail=f"instead of {old.id}")
            return made

        return await self._told(await self._epochs.change(self._database, "security", body))

    async def issue_for_docker(self, order: Order, parent: str | None, by: Actor) -> str:
        """Make what `docker login` stores instead of a password: an opaque secret that buys Docker tokens."""
        secret, now = secrets.token_urlsafe(48), self._database.now()
        token_id = str(uuid.uuid4())

        async def body(tx: Tx) -> None:
            await tx.execute(
                _INSERT, **_columns(order, now), id=token_id, kind="docker", secret_hash=digest(secret), parent=parent
            )
            await record(tx, by, "token.create", token_id, detail=f"for {order.subject}: docker login")

        await self._database.transact(body)
        return secret

    async def find(self, token_id: str) -> Stored | None:
        """Return a token's row while it counts."""
        return self._valid(_stored(await self._database.row(_BY_ID, id=token_id)))

    async def find_secret(self, secret: str) -> Stored | None:
        """Return the row of a reference or refresh token while it counts."""
        return self._valid(_stored(await self._database.row(_BY_SECRET, secret_hash=digest(secret))))

    async def page(self, *, subject: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Return valid tokens in order of their ids, all or one subject's."""
        rows = await self._database.rows(_LIST, subject=subject, after=after, limit=limit, now=self._database.now())
        return [_row(row) for row in rows]

    async def revoke(self, token_id: str, by: Actor) -> None:
        """End a token, before this returns on this node. Raises TokenAbsent.

        With it end its refresh token and what `docker login` bought with it. Access tokens that were ordered with it are
        tokens of their own, to be listed and revoked as such.
        """

        async def body(tx: Tx) -> None:
            found = _stored(await tx.row(_BY_ID, id=token_id))
            if found is None:
                raise TokenAbsent
            await tx.execute(_DELETE, id=found.parent if found.kind == "refresh" else found.id)
            await record(tx, by, "token.revoke", token_id, detail=f"of {found.subject}")

        await self._epochs.change(self._database, "security", body)

    def _valid(self, found: Stored | None) -> Stored | None:
        return None if found is None or _over(found, self._database.now()) else found

    async def _told(self, made: _Draft) -> Issued:
        order = made.order
        issued = made.now // 1000
        claims = Claims(
            sub=f"{self.issuer}/users/{order.subject}",
            scp=order.scope,
            aud=order.audience,
            iss=self.issuer,
            iat=issued,
            jti=made.id,
            exp=None if order.expires_in is None else _end(made.now, order.expires_in),
            ext='{"revocable":"true"}',
        )
        return Issued(
            made.id,
            await self.sign(claims),
            order.scope,
            order.expires_in,
            made.refresh,
            made.reference,
        )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A new token with its secrets, before anybody has been told."""

    order: Order
    now: int  # milliseconds
    id: str
    refresh: str | None
    reference: str | None

    @classmethod
    def of(cls, order: Order, now: int) -> _Draft:
        refresh = secrets.token_urlsafe(48) if order.refreshable else None
        return cls(order, now, str(uuid.uuid4()), refresh, reference_token() if order.reference else None)

    async def insert(self, tx: Tx) -> None:
        columns = _columns(self.order, self.now)
        hashed = None if self.reference is None else digest(self.reference)
        await tx.execute(_INSERT, **columns, id=self.id, kind="access", secret_hash=hashed, parent=None)
        if self.refresh is not None:
            columns["expires"] = self.now + max(_YEAR, 2000 * (self.order.expires_in or 0))  # outlives what it renews
            hashed = digest(self.refresh)
            await tx.execute(
                _INSERT, **columns, id=str(uuid.uuid4()), kind="refresh", secret_hash=hashed, parent=self.id
            )


async def prune(database: Database) -> int:
    """Remove some rows that count no longer; return how many, 0 when nothing is left to do. For the jobs process."""
    before = database.now()

    async def work(tx: Tx) -> int:
        return await tx.execute(_PRUNE, before=before) + await tx.execute(_PRUNE_DEAD)

    return await database.transact(work)


def digest(secret: str) -> bytes:
    """Return what is stored of a secret that is random enough not to need salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def reference_token() -> str:
    """Return a new reference token: 64 characters that scanners recognise by `cmVmd`."""
    text = "reftkn:01:0000000000:"
    text += "".join(secrets.choice(_ALPHABET) for _ in range(_REFERENCE_BYTES - len(text)))
    return base64.b64encode(text.encode()).decode()


def _columns(order: Order, now: int) -> dict[str, int | str | bytes | None]:
    return {
        "account_id": order.account_id,
        "security_epoch": order.security_epoch,
        "subject": order.subject,
        "scope": order.scope,
        "audience": order.audience,
        "description": order.description,
        "issued": now,
        "expires": None if order.expires_in is None else _end(now, order.expires_in) * 1000,
    }


def _end(now: int, expires_in: int) -> int:
    """Return the second at which a lifetime ends: not before all of it has passed, though tokens know no fractions."""
    return -(-now // 1000) + expires_in


def _again(old: Stored) -> Order:
    return Order(
        old.subject,
        old.account_id,
        old.security_epoch,
        old.scope,
        old.audience,
        None if old.expires is None else (old.expires - old.issued) // 1000,
        refreshable=True,
        reference=old.secret,
        description=old.description,
    )


def _over(found: Stored, now: int) -> bool:
    return found.expires is not None and found.expires <= now


def _stored(row: Row | None) -> Stored | None:
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
