"""Nothing that anyone was told of is lost, and nothing that nobody holds stays: any order of pushes, deletions, rounds.

A model says what must be readable: what tags point at, and every digest for half the grace time after it was told. Time is
moved by rewriting the columns that wait for one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from entrepot.formats.docker.layout import place_of
from entrepot.metadata.sql import sql
from tests.stores import Engine
from tests.world import GRACE, Node, manifest, node, sha256

T = TypeVar("T")

IMAGES = st.sampled_from(["r/app", "r/app/deeper", "s/app"])
TAGS = st.sampled_from(["1.0", "2.0"])
_CONTENTS = (b"", b"small", b"a" * 20_000, b"b" * 40_000)
CONTENTS = st.integers(0, 3).map(lambda n: _CONTENTS[n])
NOTES = st.sampled_from(["", "x", "y"])
CONFIG = b'{"config": {}}'

_MANIFESTS = sql("SELECT m.repo_id, m.image, m.reference, m.is_tag, m.blob_id, m.item_id FROM docker_manifest m")
_FILES = sql("SELECT id, repo_id, path, name, blob_id FROM item WHERE kind = 1")
_NAMED = sql("SELECT repo_id, image, blob_id FROM image_blob WHERE expires IS NULL")
_HELD = sql("""
SELECT r.key, m.image, b.sha256 FROM docker_manifest m JOIN blob b ON b.id = m.blob_id JOIN repository r ON r.id = m.repo_id
""")


class StoreMachine(RuleBasedStateMachine):
    """One registry and the model of it."""

    def __init__(self, engine: Engine, home: Path) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.opened = node(engine.new(home), home)
        self.node: Node = self.run(self.opened.__aenter__())
        self.run(self.node.create("s"))
        self.clock = 0
        self.tags: dict[tuple[str, str], tuple[bytes, tuple[bytes, ...]]] = {}
        self.told: dict[tuple[str, str], tuple[bytes, int]] = {}  # blobs
        self.kept: dict[tuple[str, str], tuple[bytes, int]] = {}  # manifests

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    def ask(self, method: str, url: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        answer = self.run(self.node.ask(method, url, body, **headers))  # type: ignore[arg-type]
        return answer.status, answer.body, answer.headers

    def tell(self, image: str, content: bytes) -> None:
        self.told[image, sha256(content)] = (content, self.clock + GRACE // 2)

    def let_go(self, image: str, tag: str) -> None:
        """A tag lets go of what it points at, which stays for those who were told of it."""
        body, contents = self.tags.pop((image, tag))
        self.kept[image, sha256(body)] = (body, self.clock + GRACE // 2)
        for content in contents:
            self.tell(image, content)

    @rule(image=IMAGES, content=CONTENTS)
    def upload(self, image: str, content: bytes) -> None:
        status, _, _ = self.ask("POST", f"/v2/{image}/blobs/uploads/?digest={sha256(content)}", content)
        assert status == 201
        self.tell(image, content)

    @rule(image=IMAGES, content=CONTENTS, step=st.sampled_from([7, 15_000, 17_000]), ends=st.sampled_from("PDAW"))
    def upload_in_chunks(self, image: str, content: bytes, step: int, ends: str) -> None:
        _, _, headers = self.ask("POST", f"/v2/{image}/blobs/uploads/")
        where = headers["location"]
        for at in itertools.islice(range(0, len(content), step), 4):
            stop = len(content) if step == 7 and at else at + step
            assert self.ask("PATCH", where, content[at:stop])[0] == 202
            if step == 7 and at:
                break
        if ends == "P":
            assert self.ask("PUT", f"{where}?digest={sha256(content)}")[0] == 201
            self.tell(image, content)
        elif ends == "D":
            assert self.ask("DELETE", where)[0] == 204
        elif ends == "W":
            assert self.ask("PUT", f"{where}?digest={sha256(b'wrong')}", b"more")[0] == 400

    @rule(image=IMAGES, tag=TAGS, contents=st.lists(CONTENTS, max_size=2, unique=True), note=NOTES)
    def push(self, image: str, tag: str, contents: list[bytes], note: str) -> None:
        for content in (CONFIG, *contents):
            self.upload(image, content)
        body = manifest(CONFIG, *contents, note=note)
        self.place(image, tag, body, (CONFIG, *contents))

    @precondition(lambda self: self.told)
    @rule(data=st.data(), tag=TAGS)
    def push_what_was_told(self, data: st.DataObject, tag: str) -> None:
        alive = [(image, content) for (image, _), (content, until) in self.told.items() if until > self.clock]
        if alive:
            image, content = data.draw(st.sampled_from(alive))
            self.place(image, tag, manifest(content), (content,))

    def place(self, image: str, tag: str, body: bytes, contents: tuple[bytes, ...]) -> None:
        status, _, _ = self.ask("PUT", f"/v2/{image}/manifests/{tag}", body, content_type="")
        assert status == 201
        before = self.tags.get((image, tag))
        if before is not None and before[0] != body:
            self.let_go(image, tag)
        self.tags[image, tag] = (body, contents)

    @rule(image=IMAGES, source=IMAGES, content=CONTENTS)
    def mount(self, image: str, source: str, content: bytes) -> None:
        known = self.told.get((source, sha256(content)), (b"", 0))[1] > self.clock
        status, _, _ = self.ask("POST", f"/v2/{image}/blobs/uploads/?mount={sha256(content)}&from={source}")
        assert status == 201 or not known
        if status == 201:
            self.tell(image, content)

    @rule(image=IMAGES, content=CONTENTS)
    def head(self, image: str, content: bytes) -> None:
        if self.ask("HEAD", f"/v2/{image}/blobs/{sha256(content)}")[0] == 200:
            self.tell(image, content)

    @rule(image=IMAGES, content=CONTENTS)
    def delete_blob(self, image: str, content: bytes) -> None:
        held = any(one == image and content in contents for (one, _), (_, contents) in self.tags.items())
        status = self.ask("DELETE", f"/v2/{image}/blobs/{sha256(content)}")[0]
        assert status in {202, 404, 405}
        assert not (held and status == 202)
        if status == 202:
            self.told.pop((image, sha256(content)), None)

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def delete_tag(self, data: st.DataObject) -> None:
        image, tag = data.draw(st.sampled_from(sorted(self.tags)))
        assert self.ask("DELETE", f"/v2/{image}/manifests/{tag}")[0] == 202
        self.let_go(image, tag)

    @precondition(lambda self: self.tags)
    @rule(data=st.data())
    def delete_digest(self, data: st.DataObject) -> None:
        image, tag = data.draw(st.sampled_from(sorted(self.tags)))
        body = self.tags[image, tag][0]
        assert self.ask("DELETE", f"/v2/{image}/manifests/{sha256(body)}")[0] == 202
        for one in [key for key, (held, _) in self.tags.items() if key[0] == image and held == body]:
            self.let_go(*one)
        self.kept.pop((image, sha256(body)))

    @rule(part=st.sampled_from([0.1, 0.45, 0.55, 1.01]))
    def later(self, part: float) -> None:
        self.run(self.node.later(int(GRACE * part)))
        self.clock += int(GRACE * part)

    @rule()
    def collect(self) -> None:
        self.run(self.node.collect())

    @rule()
    def retain(self) -> None:
        self.run(self.node.retain())

    @rule()
    def compact(self) -> None:
        self.run(self.node.compact())

    @invariant()
    def what_tags_point_at_is_readable(self) -> None:
        for (image, tag), (body, contents) in self.tags.items():
            assert self.ask("GET", f"/v2/{image}/manifests/{tag}")[:2] == (200, body)
            for content in contents:
                assert self.ask("GET", f"/v2/{image}/blobs/{sha256(content)}")[:2] == (200, content)

    @invariant()
    def what_was_told_is_readable(self) -> None:
        for kind, known in (("blobs", self.told), ("manifests", self.kept)):
            for (image, digest), (content, until) in known.items():
                if until > self.clock + 60_000:  # the test itself takes time, too
                    assert self.ask("GET", f"/v2/{image}/{kind}/{digest}")[:2] == (200, content)

    @invariant()
    def projections_agree_with_a_rebuild(self) -> None:
        files = [tuple(row) for row in self.run(self.node.database.rows(_FILES))]  # type: ignore[arg-type]
        manifests, named = set(), set()
        for item_id, repo_id, path, name, blob_id in files:
            place = place_of(f"{path}/{name}")
            assert place is not None
            named.add((repo_id, str(place.image), blob_id))
            if place.is_manifest:
                manifests.add((repo_id, str(place.image), place.reference, int(place.is_tag), blob_id, item_id))
        assert {tuple(row) for row in self.run(self.node.database.rows(_MANIFESTS))} == manifests  # type: ignore[arg-type]
        assert {tuple(row) for row in self.run(self.node.database.rows(_NAMED))} == named  # type: ignore[arg-type]

    def teardown(self) -> None:
        try:
            self.run(self.nothing_stays())
        finally:
            self.run(self.opened.__aexit__(None, None, None))
            self.loop.close()

    async def nothing_stays(self) -> None:
        """Once all is deleted and the grace time is over, the store is empty."""
        held = {(key, image, bytes(digest).hex()) for key, image, digest in await self.node.database.rows(_HELD)}
        for key, image, digest in held:
            await self.node.ask("DELETE", f"/v2/{key}/{image}/manifests/sha256:{digest}")
        for _ in range(4):
            await self.node.later(GRACE + 1000)
            await self.node.collect()
        assert await self.node.objects() == []
        for table in ("item", "docker_manifest", "image_blob", "blob", "delete_queue", "upload"):
            assert await self.node.count(table) == 0, table
        assert self.node.intake.unsettled == {}


def _try(engine: Engine, folder: Path, examples: int, steps: int) -> None:
    homes = (folder / f"home{n}" for n in itertools.count())
    run_state_machine_as_test(
        lambda: StoreMachine(engine, next(homes)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nothing_is_lost_and_nothing_stays_on_sqlite(sqlite_engine: Engine, tmp_path: Path) -> None:
    _try(sqlite_engine, tmp_path, 25, 30)


def test_nothing_is_lost_and_nothing_stays_on_postgresql(postgres_engine: Engine, tmp_path: Path) -> None:
    _try(postgres_engine, tmp_path, 5, 20)
