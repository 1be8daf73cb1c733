"""Access tokens and refresh tokens: made, exchanged, found and revoked.

Each is a row (`token_rows`): of the signed token of the same id, of the reference token made with it, or of a refresh token.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from entrepot.auth import api_keys, token_rows
from entrepot.auth.audit import Actor, record
from entrepot.auth.epochs import Epochs
from entrepot.auth.jwt import Claims, Kind, sign, verify
from entrepot.auth.keys import SigningKey
from entrepot.auth.token_rows import Stored
from entrepot.errors import NotFound, Unauthenticated
from entrepot.metadata.database import Database, Tx

EVERYWHERE: Final = "*@*"
_REFERENCE_BYTES: Final = 48  # of base64 text that begins with cmVmd and has 64 characters
_YEAR: Final = 31_536_000_000  # milliseconds
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


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
    key: str | None = None  # the API key that it ends with


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, told once to whom it belongs."""

    token_id: str
    access_token: str
    scope: str
    expires_in: int | None
    refresh_token: str | None = None
    reference_token: str | None = None


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
        """Make a token and store it. Raises ApiKeyEnded."""
        made = _Draft.of(order, self._database.now())

        async def body(tx: Tx) -> None:
            await made.insert(tx)
            if order.key is not None:
                await api_keys.hold(tx, order.key)
            await record(tx, by, "token.create", made.id, detail=f"for {order.subject}: {order.scope}")

        await self._database.transact(body)
        return await self._told(made)

    async def refresh(self, secret: str, by: Actor) -> Issued:
        """Exchange a refresh token for a new pair of the same kind; the old pair ends. Raises RefreshRefused."""
        now = self._database.now()
        known = await self.find_secret(secret)
        if known is None or known.kind != "refresh":  # nobody's guesses are no changes: those wait for each other
            raise RefreshRefused

        async def body(tx: Tx) -> _Draft:
            refresh = await token_rows.by_secret(tx, secret)
            old = None if refresh is None else await token_rows.by_id(tx, refresh.parent)
            if refresh is None or old is None or refresh.kind != "refresh" or refresh.is_over(now):
                raise RefreshRefused
            made = _Draft.of(_again(old), now)
            await token_rows.end(tx, old.id)
            await made.insert(tx)
            await record(tx, by, "token.refresh", made.id, detail=f"instead of {old.id}")
            return made

        return await self._told(await self._epochs.change(self._database, "security", body))

    async def issue_for_docker(self, order: Order, parent: str | None, by: Actor) -> str:
        """Make what `docker login` stores instead of a password: an opaque secret that buys Docker tokens."""
        secret, made = secrets.token_urlsafe(48), _row(order, self._database.now(), str(uuid.uuid4()), "docker", parent)

        async def body(tx: Tx) -> None:
            await token_rows.insert(tx, made, secret)
            await record(tx, by, "token.create", made.id, detail=f"for {order.subject}: docker login")

        await self._database.transact(body)
        return secret

    async def find(self, token_id: str) -> Stored | None:
        """Return a token's row while it counts."""
        return self._valid(await token_rows.by_id(self._database, token_id))

    async def find_secret(self, secret: str) -> Stored | None:
        """Return the row of a reference or refresh token while it counts."""
        return self._valid(await token_rows.by_secret(self._database, secret))

    async def page(self, *, subject: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Return valid tokens in order of their ids, all or one subject's."""
        now = self._database.now()
        return await token_rows.page(self._database, subject=subject, after=after, limit=limit, now=now)

    async def revoke(self, token_id: str, by: Actor) -> None:
        """End a token, before this returns on this node. Raises TokenAbsent.

        With it end its refresh token and what `docker login` bought with it. Access tokens that were ordered with it are
        tokens of their own, to be listed and revoked as such.
        """

        async def body(tx: Tx) -> None:
            found = await token_rows.by_id(tx, token_id)
            if found is None:
                raise TokenAbsent
            await token_rows.end(tx, found.parent or found.id if found.kind == "refresh" else found.id)
            await record(tx, by, "token.revoke", token_id, detail=f"of {found.subject}")

        await self._epochs.change(self._database, "security", body)

    def _valid(self, found: Stored | None) -> Stored | None:
        return None if found is None or found.is_over(self._database.now()) else found

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
        await token_rows.insert(tx, _row(self.order, self.now, self.id, "access", self.order.key), self.reference)
        if self.refresh is not None:
            row = _row(self.order, self.now, str(uuid.uuid4()), "refresh", self.id)
            expires = self.now + max(_YEAR, 2000 * (self.order.expires_in or 0))  # outlives what it renews
            await token_rows.insert(tx, replace(row, expires=expires), self.refresh)


def reference_token() -> str:
    """Return a new reference token: 64 characters that scanners recognise by `cmVmd`."""
    text = "reftkn:01:0000000000:"
    text += "".join(secrets.choice(_ALPHABET) for _ in range(_REFERENCE_BYTES - len(text)))
    return base64.b64encode(text.encode()).decode()


def _row(order: Order, now: int, token_id: str, kind: token_rows.Kind, parent: str | None = None) -> Stored:
    return Stored(
        id=token_id,
        kind=kind,
        account_id=order.account_id,
        security_epoch=order.security_epoch,
        subject=order.subject,
        scope=order.scope,
        audience=order.audience,
        description=order.description,
        parent=parent,
        issued=now,
        expires=None if order.expires_in is None else _end(now, order.expires_in) * 1000,
    )


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
        key=old.parent,
    )
