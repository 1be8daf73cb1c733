"""A server of the security endpoints alone: the real pipeline over a real database, spoken to by HTTP."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from entrepot.auth import accounts, groups, targets
from entrepot.auth.audit import Actor
from entrepot.auth.entrance import Itself, entrance
from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import SigningKey, TextSeals, Vault
from entrepot.auth.outside import Person
from entrepot.auth.passwords import Passwords
from entrepot.auth.rules import LiveRules
from entrepot.auth.tokens import Order
from entrepot.configuration.documents import Documents
from entrepot.messages import Reply, Request, Row
from entrepot.metadata.database import Row as Found
from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump
from entrepot.repositories import configuration
from entrepot.repositories.catalog import Repositories, insert
from entrepot.repositories.granted import Granter
from entrepot.repositories.located import located
from entrepot.rest.security.roles_api import global_roles
from entrepot.rest.security.routes import rows
from entrepot.snapshots import Snapshots
from entrepot.web.application import Application
from entrepot.web.base import Doors
from entrepot.web.pipeline import Pipeline
from entrepot.web.table import Table
from tests.unit.auth.support import Clocked

PASSWORD = "Password1"
REPOSITORIES = {"libs": "generic", "docker-local": "docker", "artifactory-build-info": "buildinfo"}
AUDIT = sql("SELECT action, actor, subject, detail FROM audit ORDER BY id")


class Watcher:
    """Notes what should never happen."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []

    def answered(self, request: Request, row: Row | None, reply: Reply, *, seconds: float, sent: int) -> None:
        pass

    def failed(self, request: Request, error: BaseException) -> None:
        self.failures.append(error)


class Site:
    """The server, and clients of it."""

    def __init__(self, database: Clocked, epochs: Epochs, key: SigningKey, stored: str) -> None:
        self.database = database
        self.epochs = epochs
        self.stored = stored
        secret = b"k" * 32
        self.documents = Documents(database, bump=bump, announce=epochs.announce, seals=TextSeals(Vault(secret)))
        self.passwords = Passwords(database)
        self.at = entrance(database, epochs, self.documents, self.passwords, itself=Itself(secret, key, "01abc"))
        self.tokens, self.authenticator = self.at.tokens, self.at.authenticator
        self.anonymous = False
        self.rules = LiveRules(
            database, epochs, anonymous=lambda: self.anonymous, located=lambda: located(self.repositories.all()),
            roles=lambda: global_roles(self.documents),
        )  # fmt: skip
        self.watcher = Watcher()
        self.repositories = Repositories(database, bump=bump, announce=epochs.announce)
        self.rows = rows(self.at, self.repositories)
        snapshots = Snapshots(database, epochs, self.repositories, self.rules, self.documents)
        found = self.repositories
        self.granter = Granter(found.get, self.rules, found.by_id, found.all)
        self.pipeline = Pipeline(self.authenticator, self.granter, snapshots.fresh)
        self.serve(self.rows)

    def serve(self, rows: Iterable[Row]) -> None:
        """Answer these routes."""
        self.app = Application(Table(rows), self.pipeline, doors=Doors(), watcher=self.watcher, always=())

    @asynccontextmanager
    async def client(self, name: str = "root", *, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        auth = (name, PASSWORD) if name and not token else None
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://site", auth=auth, headers=headers) as client:
            yield client

    async def ask(
        self, method: str, path: str, body: Any = None, *, name: str = "root", token: str = "", **rest: Any
    ) -> httpx.Response:
        async with self.client(name, token=token) as client:
            return await client.request(method, path, **({"json": body} if body is not None else {}), **rest)

    async def token(self, name: str, scope: str = "applied-permissions/user", **rest: Any) -> str:
        found = await accounts.find(self.database, name)
        account_id, epoch = (found.id, found.security_epoch) if found else (None, 0)
        order = Order(name, account_id, epoch, scope, **{"expires_in": 3600, **rest})
        issued = await self.tokens.issue(order, Actor("root", ""))
        return issued.access_token

    async def audit(self) -> list[Found]:
        return [tuple(row) for row in await self.database.rows(AUDIT)]


class Directory:
    """A source of one user, lena, who is in devs there."""

    realm = "ldap"
    password = "dirpw"
    create = True

    def state(self) -> object:
        return self

    def enabled(self) -> bool:
        return True

    async def login(self, name: str, password: str) -> Person | None:
        return await self.look_up(name) if password == self.password else None

    async def look_up(self, name: str) -> Person | None:
        groups_of = frozenset({"devs"})
        found = Person("ldap", name, "entryuuid:01", groups=groups_of, create=self.create, profile_updatable=True)
        return found if name == "lena" else None


async def populate(site: Site) -> None:
    """root administers, bob does not; everybody joins readers."""

    async def work(tx: Tx) -> None:
        await groups.create(tx, groups.Group("readers", auto_join=True))
        await groups.create(tx, groups.Group("devs"))
        await accounts.create(tx, "root", accounts.Change(admin=True, password_hash=site.stored))
        await accounts.create(tx, "bob", accounts.Change(password_hash=site.stored, email="bob@example.org"))
        await accounts.create(tx, "anonymous", accounts.Change())
        covered = {"include_patterns": ["**"], "exclude_patterns": []}
        resource = {"actions": {"users": {"bob": ["READ"]}, "groups": {"devs": ["READ"]}}, "targets": {"ANY": covered}}
        await targets.create(tx, {"name": "Anything", "resources": {"artifact": resource}})
        for key, kind in REPOSITORIES.items():
            await insert(tx, configuration.create(key, {"rclass": "local", "packageType": kind}, lambda _: None))

    await site.epochs.change(site.database, "security", work)
    await site.epochs.look(site.database)


def message(reply: httpx.Response) -> str:
    """The message of an error in either envelope."""
    return str(reply.json()["errors"][0]["message"])
