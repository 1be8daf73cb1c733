"""Bring content to the servers, once for each server, and make sure that what they answer is right.

A server that answers fast and wrong must not get a number: each path kind is fetched once and compared first.
"""

import json
from collections.abc import Callable

from bench import wire
from bench.content import RANGE, Content, digest_of
from bench.values import Failed, Server

Prepare = Callable[[Server], None]


class Seed:
    """Remembers what each server holds, so that rows can share content and run in any selection."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.done: set[tuple[str, str]] = set()
        self.images_of: dict[str, int] = {}

    def first_time(self, server: Server, what: str) -> bool:
        fresh = (server.key, what) not in self.done
        self.done.add((server.key, what))
        return fresh

    def app(self, server: Server) -> None:
        """Push the image `app`: one layer of 60 MB, 100 tags with a configuration each."""
        if not self.first_time(server, "app"):
            return
        server.put_blob("app", self.content.big_digest, self.content.big)
        for number, image in enumerate(self.content.images):
            server.put_blob("app", image.config_digest, image.config)
            server.put_manifest("app", f"t{number:03d}", image.manifest)
            if not server.is_registry:
                server.put_manifest("app", image.manifest_digest, image.manifest)
        self.check_app(server)

    def check_app(self, server: Server) -> None:
        image, root = self.content.images[7], f"/v2/{server.repository('app')}"
        for target, body in (
            ("manifests/t007", image.manifest),
            (f"manifests/{image.manifest_digest}", image.manifest),
            (f"blobs/{image.config_digest}", image.config),
            (f"blobs/{self.content.big_digest}", self.content.big),
        ):
            answer = wire.expect(wire.get(server.address, f"{root}/{target}", server.token("app")), 200, target)
            if digest_of(answer.body) != digest_of(body):
                raise Failed(f"{target}: other bytes than were pushed")
        span = (("Range", f"bytes=1000-{1000 + RANGE - 1}"),)
        target = f"{root}/blobs/{self.content.big_digest}"
        part = wire.expect(wire.get(server.address, target, server.token("app"), span), 206, "range GET")
        if part.body != self.content.big[1000 : 1000 + RANGE]:
            raise Failed("range GET: other bytes than asked for")

    def tags(self, image: str, count: int) -> Prepare:
        """Give an image so many tags `p000000000`, ... on one manifest."""

        def prepare(server: Server) -> None:
            if self.first_time(server, image):
                self.push_tiny(server, image)
                server.seed_tags(image, "p", count)

        return prepare

    def images(self, count: int) -> Prepare:
        """Let there be so many images `many/p000000000`, ..."""

        def prepare(server: Server) -> None:
            first = self.images_of.get(server.key, 0)
            if first == 0:
                self.push_tiny(server, "tiny")
            if first < count:
                self.images_of[server.key] = count
                server.seed_images("many", "p", first, count)

        return prepare

    def push_tiny(self, server: Server, image: str) -> None:
        if self.first_time(server, f"tiny {image}"):
            server.put_blob(image, self.content.tiny.config_digest, self.content.tiny.config)
            server.put_manifest(image, "first", self.content.tiny.manifest)

    def check_page(self, server: Server, target: str, authorization: str, first: str) -> None:
        """Look at the page once: it begins right after `last` and is in order."""
        answer = wire.expect(wire.get(server.address, target, authorization), 200, f"GET {target}")
        page = json.loads(answer.body)
        names = page.get("tags", page.get("repositories")) or []
        if not names or not names[0].endswith(first) or names != sorted(names):
            raise Failed(f"GET {target}: begins with {names[:1]} instead of {first}")
