"""The Docker registry without a server: the real handlers, table and access decisions over a test's own stores."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.access.permissions import Covered, PermissionTarget, Rules, Section
from entrepot.auth.audit import SYSTEM
from entrepot.blobs.contract import Driver
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.ingest import Hashes, Received
from entrepot.blobs.intake import Intake
from entrepot.blobs.key_maker import KeyMaker
from entrepot.clock import SystemClock, new_id
from entrepot.cluster.writers import Writer
from entrepot.errors import EntrepotError, TooLarge
from entrepot.formats.docker.blobs import Blobs
from entrepot.formats.docker.discard import Discard
from entrepot.formats.docker.lists import Lists
from entrepot.formats.docker.mounts import Mounts
from entrepot.formats.docker.placing import Placing
from entrepot.formats.docker.projection import DockerProjection
from entrepot.formats.docker.pull import Pull
from entrepot.formats.docker.push import Push
from entrepot.formats.docker.referrers import Referrers
from entrepot.formats.docker.retention import Retention
from entrepot.formats.docker.routes import rows
from entrepot.formats.docker.tickets import Tickets
from entrepot.formats.docker.uploads import Uploads
from entrepot.jobs.collection import Collection, Report
from entrepot.jobs.compaction import Compaction
from entrepot.messages import Reply, Request
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.open import open_database
from entrepot.metadata.tree import Tree
from entrepot.repositories.catalog import Repositories
from entrepot.repositories.configuration import create
from entrepot.repositories.content import Content
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granter
from entrepot.web.pipeline import Pipeline
from entrepot.web.table import Table
from tests.stores import write

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
GRACE = 4 * 3600_000
ADMIN = Caller("admin", 1, is_admin=True)


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Given(dict[str, str]):
    """Request headers."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


class Sent:
    """A request's body, in pieces of a size that hits no boundary."""

    def __init__(self, content: bytes, together: asyncio.Barrier | None = None) -> None:
        self._content = content
        self._together = together  # with which other bodies it begins to arrive
        self.length: int | None = len(content)
        self.received = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._together is not None:
            await self._together.wait()
        for start in range(0, len(self._content), 7001):
            yield self._content[start : start + 7001]

    async def read(self, limit: int) -> bytes:
        if len(self._content) > limit:
            raise TooLarge(limit=limit)
        return self._content


class Passing:
    """The machine's clock, ahead by what a test let pass."""

    ahead = 0

    def now(self) -> int:
        return SystemClock().now() + self.ahead


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    error: EntrepotError | None = None

    @property
    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found


def manifest(config: bytes, *layers: bytes, subject: bytes | None = None, note: str = "", artifact: str = "") -> bytes:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": sha256(one), "size": len(one)} for one in layers],
    }
    if subject is not None:
        document["subject"] = {"mediaType": MANIFEST, "digest": sha256(subject), "size": len(subject)}
    if artifact:
        document["artifactType"] = artifact
    if note:
        document["annotations"] = {"note": note}
    return json.dumps(document).encode()


def index(*manifests: bytes) -> bytes:
    held = [{"mediaType": MANIFEST, "digest": sha256(one), "size": len(one)} for one in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": held}).encode()


@dataclass(slots=True)
class Node:
    """One process: its own writer, intake, tickets and caches over the shared database and driver."""

    database: Database
    driver: Driver
    rules: list[PermissionTarget]
    repositories: Repositories = field(init=False)
    intake: Intake = field(init=False)
    writer: Writer = field(init=False)
    tree: Tree = field(init=False)
    content: Content = field(init=False)
    table: Table = field(init=False)
    pipeline: Pipeline = field(init=False)
    lifetime: int = 3600_000
    clock: Passing = field(default_factory=Passing)

    def __post_init__(self) -> None:
        database, clock = self.database, SystemClock()

        async def bump(tx: Tx, scope: str) -> None:
            await tx.row(_NOTHING)

        self.repositories = Repositories(database, bump=bump, announce=lambda scope: None)
        self.writer = Writer(database, new_id(), "node")
        self.intake = Intake(self.driver, KeyMaker(self.writer.id, self.writer.opened, clock), self.writer.id, clock)
        self.tree = Tree(dict.fromkeys(DOCKER, DockerProjection()))
        self.content = Content(database, self.driver)
        repositories = self.repositories
        granter = Granter(repositories.get, lambda: Rules(self.rules), repositories.by_id, repositories.all)
        placing = Placing(self.tree)
        mounts = Mounts(database, granter, self.repositories.by_id)
        tickets = Tickets(b"k" * 32, self.clock, self.lifetime)
        made = rows(
            pull=Pull(database, self.content),
            push=Push(database, self.content, self.intake, placing=placing, manifest_limit=4 << 20),
            discard=Discard(database, placing),
            blobs=Blobs(database, self.content),
            uploads=Uploads(
                database, self.content, self.intake, tickets=tickets, mounts=mounts, lifetime=self.lifetime
            ),
            lists=Lists(database, granter, self.repositories.all),
            referrers=Referrers(database, self.content),
        )
        self.table = Table(made)
        self.pipeline = Pipeline(None, granter, self.repositories.refresh)  # type: ignore[arg-type]

    async def ask(
        self, method: str, url: str, body: bytes | Sent = b"", *, caller: Caller = ADMIN, repo: str = "", **headers: str
    ) -> Answer:
        """Send a request; errors come back as answers, anything else is a fault. `repo` is what the access method names."""
        parts = urlsplit(url)
        given = Given({name.replace("_", "-"): value for name, value in headers.items()})
        request = Request(
            method, parts.path, parse_qs(parts.query, keep_blank_values=True), given,
            body if isinstance(body, Sent) else Sent(body),
            "0" * 16, "127.0.0.1", lambda: "http://r", caller,
        )  # fmt: skip
        match = self.table.find("GET" if method == "HEAD" else method, parts.path)
        request.words = {**match.words, "repo": repo} if repo else match.words
        try:
            reply = await self.pipeline.run(request, match.row)
        except EntrepotError as error:
            return Answer(error.status, dict(error.headers), b"", error)
        fixed = {name.decode(): text.decode() for name, text in reply.fixed}
        return Answer(reply.status, {**fixed, **dict(reply.headers)}, b"" if method == "HEAD" else await payload(reply))

    async def upload(self, image: str, content: bytes, *, caller: Caller = ADMIN) -> None:
        answer = await self.ask("POST", f"/v2/{image}/blobs/uploads/?digest={sha256(content)}", content, caller=caller)
        assert answer.status == 201, answer

    async def put(
        self, image: str, reference: str, body: bytes, *, caller: Caller = ADMIN, kind: str = MANIFEST
    ) -> Answer:
        url = f"/v2/{image}/manifests/{reference}"
        return await self.ask("PUT", url, body, caller=caller, content_type=kind)

    async def push(self, image: str, reference: str, *layers: bytes, caller: Caller = ADMIN, note: str = "") -> bytes:
        """Push an image; return its manifest."""
        config = json.dumps({"image": image, "note": note}).encode()
        for content in (config, *layers):
            await self.upload(image, content, caller=caller)
        body = manifest(config, *layers, note=note)
        answer = await self.put(image, reference, body, caller=caller)
        assert answer.status == 201, answer
        return body

    async def create(self, key: str, rclass: str = "local", package_type: str = "docker", **fields: object) -> None:
        body: Mapping[str, object] = {"rclass": rclass, "packageType": package_type, **fields}

        def known(other: str) -> Mapping[str, object] | None:
            found = self.repositories.get(other)
            return None if found is None else found.config

        await self.repositories.create(create(key, body, known), SYSTEM)

    async def collect(self) -> Report:
        return await Collection(self.database, self.driver).round()

    async def retain(self) -> int:
        return await Retention(self.database, self.tree, self.repositories.by_id).round()

    async def compact(self) -> int:
        return await Compaction(self.database, self.intake).round()

    def grant(
        self, name: str, key: str, *patterns: str, rights: Action = Action.READ, but: tuple[str, ...] = ()
    ) -> Caller:
        """Let a user do something at some paths, but not at others; return the user as a caller."""
        section = Section({key: Covered(tuple(patterns) or ("**",), but)}, {name: rights})
        self.rules.append(PermissionTarget(f"{name}-{len(self.rules)}", {"artifact": section}))
        return Caller(name, 7)

    async def later(self, millis: int) -> None:
        """Let time pass: everything that waits for a time gets that much nearer to it."""
        self.clock.ahead += millis
        for table, column in _TIMES:
            await write(self.database, f"UPDATE {table} SET {column} = {column} - {millis} WHERE {column} IS NOT NULL")

    async def leave_garbage(self, content: bytes) -> Received:
        """Store an object that no row will ever name."""

        async def one_piece() -> AsyncIterator[bytes]:
            yield content

        return await self.intake.receive(one_piece(), Hashes())

    async def objects(self) -> list[str]:
        return sorted([stored.key async for stored in self.driver.list("")])

    async def count(self, table: str) -> int:
        row = await self.database.row(_sql(f"SELECT COUNT(*) FROM {table}"))
        assert row is not None
        return int(row[0])


_TIMES = (
    ("blob", "keep_until"),
    ("blob", "review"),
    ("image_blob", "expires"),
    ("image_blob_claim", "expires"),
    ("delete_queue", "not_before"),
    ("upload", "expires"),
    ("docker_manifest", "retired"),
)


def _sql(text: str) -> object:
    from entrepot.metadata.sql import Statement

    return Statement(text)  # type: ignore[arg-type]


_NOTHING = _sql("SELECT 1")


async def payload(reply: Reply) -> bytes:
    if reply.stream is not None:
        return b"".join([piece async for piece in reply.stream])
    if reply.file is not None:
        return reply.file.path.read_bytes()[reply.file.start : reply.file.stop]
    return reply.body


@asynccontextmanager
async def node(url: str, home: Path) -> AsyncIterator[Node]:
    """Open one node with one local repository, `r`."""
    database = await open_database(home, url)
    made = Node(database, Memory(), [])
    await made.writer.enter()
    await made.create("r")
    try:
        yield made
    finally:
        await database.close()


async def another(first: Node) -> Node:
    """Return a second process on the same stores."""
    made = Node(first.database, first.driver, first.rules, clock=first.clock)
    await made.writer.enter()
    await made.repositories.refresh()
    return made
