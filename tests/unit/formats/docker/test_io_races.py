"""Two pushes at once; on PostgreSQL, where transactions run beside each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from entrepot.formats.docker import blobs, placing
from entrepot.formats.docker.images import Image
from entrepot.formats.docker.placing import Placing
from entrepot.metadata.database import Tx
from entrepot.metadata.tree import Tree
from entrepot.repositories.granted import Granted
from tests.stores import Engine, done_or_waiting
from tests.world import INDEX, Answer, Node, index, manifest, sha256
from tests.world import node as open_node


@pytest.fixture
async def node(postgres_engine: Engine, tmp_path: Path) -> AsyncIterator[Node]:
    home = tmp_path / "home"
    async with open_node(postgres_engine.new(home), home) as made:
        yield made


@pytest.fixture
async def few(node: Node) -> Node:
    """The same node with an image of which no more than two tags are kept, and two are there."""
    await node.create("few", maxUniqueTags=2)
    for tag in ("t1", "t2"):
        await node.push("few/app", tag, tag.encode(), note=tag)
    return node


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of which images manifests were placed, also in transactions that were tried again."""
    place, images = Placing.place, []

    async def noted(placing: Placing, tx: Tx, granted: Granted, image: Image, **more: object) -> None:
        images.append(image.name)
        await place(placing, tx, granted, image, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Placing, "place", noted)
    return images


async def test_a_tag_that_is_pushed_again_while_it_is_dropped_for_its_age_is_whole(
    few: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = index((await few.ask("GET", "/v2/few/app/manifests/t2")).body)
    retire, pushes = Placing._retire, []

    async def interrupted(placing: Placing, *arguments: object, **more: object) -> None:
        monkeypatch.setattr(Placing, "_retire", retire)
        pushes.append(asyncio.create_task(few.put("few/app", "t1", both, kind=INDEX)))
        await done_or_waiting(few.database, pushes[0])
        await retire(placing, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Placing, "_retire", interrupted)
    await few.push("few/app", "t3", b"t3", note="t3")
    assert (await pushes[0]).status == 201
    answer = await few.ask("GET", "/v2/few/app/manifests/t1")
    assert (answer.status, answer.body) == (200, both)


async def test_a_tag_that_was_pushed_again_meanwhile_is_not_dropped_for_its_age(
    few: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, pushed = Placing.lock, []

    async def interrupted(placing: Placing, *arguments: object) -> None:
        monkeypatch.setattr(Placing, "lock", lock)
        pushed.append(await few.push("few/app", "t1", b"again", note="again"))
        await lock(placing, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Placing, "lock", interrupted)
    await few.push("few/app", "t3", b"t3", note="t3")
    answer = await few.ask("GET", "/v2/few/app/manifests/t1")
    assert (answer.status, answer.body) == (200, pushed[0])


class Beside:
    """Something that begins when a method is called for the n-th time, and has got as far as it can before that goes on."""

    def __init__(
        self, node: Node, owner: object, name: str, what: Callable[[], Awaitable[Answer]], *, nth: int = 1
    ) -> None:
        self._real, self._left = getattr(owner, name), nth
        self.task: asyncio.Task[Answer] | None = None

        async def interrupted(*arguments: object, **more: object) -> object:
            self._left -= 1
            if self._left == 0:
                self.task = asyncio.create_task(what())  # type: ignore[arg-type]
                await done_or_waiting(node.database, self.task)
            return await self._real(*arguments, **more)

        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(owner, name, interrupted)

    async def answer(self) -> Answer:
        self._patch.undo()
        assert self.task is not None
        return await self.task


async def test_a_digest_that_two_tags_leave_at_once_stays_for_the_grace_time(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await node.push("r/app", "t1", b"old")
    await node.put("r/app", "t2", old)
    await node.upload("r/app", b"new")
    look, other = placing.manifests_by_digest, []

    async def interrupted(*arguments: object, limit: int = 1) -> object:
        held = await look(*arguments, limit=limit)  # type: ignore[arg-type]
        if limit == 2 and not other:
            other.append(asyncio.create_task(node.put("r/app", "t2", manifest(b"new", note="2"))))
            await done_or_waiting(node.database, other[0])
        return held

    monkeypatch.setattr(placing, "manifests_by_digest", interrupted)
    assert (await node.put("r/app", "t1", manifest(b"new", note="1"))).status == 201
    assert (await other[0]).status == 201
    assert (await node.ask("GET", f"/v2/r/app/manifests/{sha256(old)}")).body == old


async def test_a_tag_is_overwritten_while_what_it_was_is_pushed_by_its_digest(node: Node) -> None:
    body, new = manifest(b"one"), manifest(b"two")
    for content in (b"one", b"two"):
        await node.upload("r/app", content)
    await node.upload("r/other", b"one")
    await node.put("r/other", "t", body)  # so that its blob and the image are there and no push waits for it
    await node.push("r/app", "there", b"three")

    async def tag_and_overwrite() -> Answer:
        assert (await node.put("r/app", "t", body)).status == 201
        return await node.put("r/app", "t", new)

    overwriting = Beside(node, Tree, "put_files", tag_and_overwrite)
    assert (await node.put("r/app", sha256(body), body)).status == 201
    assert (await overwriting.answer()).status == 201
    assert (await node.ask("GET", f"/v2/r/app/manifests/{sha256(body)}")).body == body


async def test_of_two_who_delete_a_blob_at_once_the_second_is_told_that_it_is_gone(node: Node) -> None:
    await node.upload("r/app", b"one")
    url = f"/v2/r/app/blobs/{sha256(b'one')}"
    other = Beside(node, blobs, "forget_blob", lambda: node.ask("DELETE", url))
    assert (await node.ask("DELETE", url)).status == 404
    assert (await other.answer()).status == 202


async def test_tags_that_exchange_their_content_at_once_are_each_placed_at_the_first_attempt(
    node: Node, placed: list[str]
) -> None:
    one, two = await node.push("r/app", "t1", b"a", note="1"), await node.push("r/app", "t2", b"b", note="2")
    placed.clear()
    other = Beside(node, Tree, "put_files", lambda: node.put("r/app", "t2", one))
    assert (await node.put("r/app", "t1", two)).status == 201
    assert (await other.answer()).status == 201
    assert placed == ["app", "app"]


async def test_images_that_let_go_of_the_same_blobs_in_another_order_do_so_at_the_first_attempt(
    node: Node, placed: list[str]
) -> None:
    for image, contents in (("r/a", (b"x", b"y")), ("r/b", (b"y", b"x"))):
        for number, content in enumerate(contents):
            for tag in (f"t{number}", f"kept{number}"):
                await node.upload(image, content)
                await node.put(image, tag, manifest(content))
        await node.upload(image, b"new")
    placed.clear()
    one, two = (manifest(b"new", note=note) for note in "ab")
    other = Beside(node, Placing, "_retire", lambda: node.put("r/b", f"{sha256(two)}?tag=t0&tag=t1", two), nth=2)
    assert (await node.put("r/a", f"{sha256(one)}?tag=t0&tag=t1", one)).status == 201
    assert (await other.answer()).status == 201
    assert placed == ["a", "b"]
