"""The table: what is measured, in which unit, and what Entrepot has to reach.

Rows are measured in this order. The catalog comes last but for memory, because it fills the registries with images.
"""

from collections.abc import Iterable
from pathlib import Path

from bench import machine
from bench.client import Client, Load
from bench.content import ACCEPT, BIG, RANGE, SMALL, Content
from bench.seed import Prepare, Seed
from bench.values import Goal, Outcome, Plan, Row, Sample, Server

CHUNK = 8 * 1024 * 1024
FEW = 100
PAGE = 50
TAGGED = 10_000
ACCEPT_LINE = f"Accept: {ACCEPT}"


class Rows:
    """Make all rows of a plan; they share the load client and what has been seeded."""

    def __init__(self, plan: Plan, client: Client, content: Content) -> None:
        self.plan = plan
        self.client = client
        self.content = content
        self.seed = Seed(content)

    def all(self) -> tuple[Row, ...]:
        return (
            self.memory("memory-start", "memory after start, PSS", "Pss", None),
            *self.manifests(),
            *self.blobs(),
            *self.pushes(),
            *self.tags(),
            *self.catalog(),
            self.memory("memory-rss", "memory after all rows, RSS", "Rss", None),
            self.memory("memory-pss", "memory after all rows, PSS", "Pss", None),
        )

    def manifests(self) -> Iterable[Row]:
        images = self.content.images
        tags = [f"manifests/t{number:03d}" for number in range(len(images))]
        digests = [f"manifests/{image.manifest_digest}" for image in images]
        length = len(images[0].manifest)
        goal = Goal(2.0, "distribution")
        yield self.fetch("manifest-tag", "manifest GET by tag", tags, goal=goal, length=length)
        yield self.fetch("manifest-digest", "manifest GET by digest", digests, goal=goal, length=length)
        title = "manifest GET by tag, password (Basic)"
        yield self.fetch("manifest-tag-basic", title, tags, goal=goal, length=length, basic=True)
        title = "manifest GET by digest, password (Basic)"
        yield self.fetch("manifest-digest-basic", title, digests, goal=goal, length=length, basic=True)

    def blobs(self) -> Iterable[Row]:
        small = [f"blobs/{image.config_digest}" for image in self.content.images]
        big = f"blobs/{self.content.big_digest}"
        spans = [
            f"{big}\tRange: bytes={first}-{first + RANGE - 1}" for first in range(0, BIG - RANGE, 3 * RANGE + 4097)
        ]
        yield self.fetch("head-blob", "blob HEAD", small, goal=Goal(1.5, "distribution"), method="HEAD")
        yield self.fetch("get-1k", "1 KiB blob GET", small, goal=Goal(8.0, "distribution"), length=SMALL)
        yield self.transfer("get-60m", "60 MB blob GET, c=4", [big], "GB/s", length=BIG)
        yield self.transfer("range-1m", "1 MiB range GET, c=4", spans, "MB/s", length=RANGE, status=206)

    def fetch(
        self,
        name: str,
        title: str,
        tails: list[str],
        *,
        goal: Goal,
        method: str = "GET",
        length: int = -1,
        basic: bool = False,
    ) -> Row:
        def measure(server: Server) -> Sample:
            flags = (f"--method={method}", f"--length={length}", self.paths(server, tails))
            done = self.client.run(Load("fetch", flags), server.address, auth(server, "app", basic=basic))
            return per_second(done)

        return Row(name, title, "req/s", self.seed.app, measure, goal, registries_only=False)

    def transfer(self, name: str, title: str, tails: list[str], unit: str, *, length: int, status: int = 200) -> Row:
        scale = 1e9 if unit == "GB/s" else 1e6

        def measure(server: Server) -> Sample:
            flags = (f"--length={length}", f"--status={status}", self.paths(server, tails))
            done = self.client.run(Load("fetch", flags, 4), server.address, server.token("app"))
            return sample(done, done.bytes / scale)

        return Row(name, title, unit, self.seed.app, measure, Goal(0.9, "nginx"), registries_only=False)

    def paths(self, server: Server, tails: list[str]) -> str:
        """Write the file of paths, each with an Accept header unless it brings a header of its own."""
        root = f"/v2/{server.repository('app')}/"
        lines = [root + (tail if "\t" in tail else f"{tail}\t{ACCEPT_LINE}") for tail in tails]
        return f"--paths={self.write(lines)}"

    def write(self, lines: list[str]) -> Path:
        file = self.plan.scratch / "paths"
        file.write_text("\n".join(lines) + "\n")
        return file

    def pushes(self) -> Iterable[Row]:
        yield self.push("push-60m", "60 MB blob push, one PUT, c=4", 0)
        yield self.push("push-60m-chunked", "60 MB blob push, 8 MiB PATCHes, c=4", CHUNK)

        def images(server: Server) -> Sample:
            load = Load("push-image", (f"--name={server.repository('images')}",), 32)
            return per_second(self.client.run(load, server.address, server.token("images")))

        goal = Goal(3.0, "distribution")
        yield Row(
            "push-images", "images pushed, 32 writers, one repository", "img/s", nothing, images, goal, writes=True
        )

    def push(self, name: str, title: str, chunk: int) -> Row:
        def measure(server: Server) -> Sample:
            flags = (f"--name={server.repository('push')}", f"--size={BIG}", f"--chunk={chunk}")
            load = Load("push-blob", flags, 4, self.plan.pushes)
            done = self.client.run(load, server.address, server.token("push"))
            return sample(done, done.bytes / 1e6)

        return Row(name, title, "MB/s", nothing, measure, Goal(1.0, "distribution"), writes=True)

    def tags(self) -> Iterable[Row]:
        rounds = iter(range(1_000_000))

        def put(server: Server) -> Sample:
            manifest = self.plan.scratch / "tiny.json"
            manifest.write_bytes(self.content.tiny.manifest)
            # Each run its own prefix, so that every PUT makes a new tag.
            prefix = f"new{next(rounds)}-"
            flags = (f"--name={server.repository('tags')}", f"--manifest={manifest}", f"--prefix={prefix}")
            return per_second(self.client.run(Load("put-tag", flags), server.address, server.token("tags")))

        seed = self.seed.tags("tags", TAGGED)
        yield Row(
            "put-tags", f"tag PUT, c=16, {TAGGED:,} tags", "req/s", seed, put, Goal(1.0, "distribution"), writes=True
        )
        yield self.page("tags-few", f"tags page in {FEW} tags", self.seed.tags("tags-few", FEW), "tags-few", FEW)
        many = self.plan.many
        title = f"tags page in {many:,} tags"
        yield self.page("tags-many", title, self.seed.tags("tags-many", many), "tags-many", many, against="tags-few")

    def catalog(self) -> Iterable[Row]:
        many = self.plan.many
        yield self.page("catalog-few", f"catalog page in {FEW} images", self.seed.images(FEW), None, FEW)
        title = f"catalog page in {many:,} images"
        yield self.page("catalog-many", title, self.seed.images(many), None, many, against="catalog-few")

    def page(
        self, name: str, title: str, seed: Prepare, image: str | None, entries: int, *, against: str | None = None
    ) -> Row:
        def measure(server: Server) -> Sample:
            middle = f"p{entries // 2 - 1:09d}"
            if image is None:
                target = f"/v2/_catalog?n={PAGE}&last={server.repository('many')}/{middle}"
            else:
                target = f"/v2/{server.repository(image)}/tags/list?n={PAGE}&last={middle}"
            authorization = server.token(image)
            self.seed.check_page(server, target, authorization, f"p{entries // 2:09d}")
            flags = (f"--paths={self.write([target])}",)
            return per_second(self.client.run(Load("fetch", flags), server.address, authorization))

        goal = Goal(0.8, row=against) if against else Goal(1.0, "distribution")
        return Row(name, title, "req/s", seed, measure, goal)

    def memory(self, name: str, title: str, field: str, goal: Goal | None) -> Row:
        def measure(server: Server) -> Sample:
            return Sample(machine.memory(server.pid, field))

        return Row(name, title, "MiB", nothing, measure, goal, registries_only=False, once=True, less_is_better=True)


def nothing(server: Server) -> None:
    """Prepare nothing."""


def auth(server: Server, image: str, *, basic: bool) -> str:
    return server.password() if basic else server.token(image)


def per_second(done: Outcome) -> Sample:
    return sample(done, done.operations)


def sample(done: Outcome, amount: float) -> Sample:
    return Sample(amount / done.seconds, done.p50, done.p99, done.everything)
