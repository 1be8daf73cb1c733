"""Two pushes at once; on PostgreSQL, where transactions run beside each other."""

import asyncio
from pathlib import Path

import pytest

from entrepot.formats.docker.placing import Placing
from tests.stores import Engine, done_or_waiting
from tests.world import INDEX, index
from tests.world import node as open_node


async def test_a_tag_that_is_pushed_again_while_it_is_dropped_for_its_age_is_whole(
    postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    async with open_node(postgres_engine.new(home), home) as node:
        await node.create("few", maxUniqueTags=2)
        for tag in ("t1", "t2"):
            body = await node.push("few/app", tag, tag.encode(), note=tag)
        retire, pushes = Placing._retire, []

        async def interrupted(placing: Placing, *arguments: object, **more: object) -> None:
            monkeypatch.setattr(Placing, "_retire", retire)
            pushes.append(asyncio.create_task(node.put("few/app", "t1", index(body), kind=INDEX)))
            await done_or_waiting(node.database, pushes[0])
            await retire(placing, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Placing, "_retire", interrupted)
        await node.push("few/app", "t3", b"t3", note="t3")
        assert (await pushes[0]).status == 201
        answer = await node.ask("GET", "/v2/few/app/manifests/t1")
        assert (answer.status, answer.body) == (200, index(body))


async def test_a_tag_that_was_pushed_again_meanwhile_is_not_dropped_for_its_age(
    postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    async with open_node(postgres_engine.new(home), home) as node:
        await node.create("few", maxUniqueTags=2)
        for tag in ("t1", "t2"):
            await node.push("few/app", tag, tag.encode(), note=tag)
        lock, pushed = Placing.lock, []

        async def interrupted(placing: Placing, *arguments: object) -> None:
            monkeypatch.setattr(Placing, "lock", lock)
            pushed.append(await node.push("few/app", "t1", b"again", note="again"))
            await lock(placing, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Placing, "lock", interrupted)
        await node.push("few/app", "t3", b"t3", note="t3")
        answer = await node.ask("GET", "/v2/few/app/manifests/t1")
        assert (answer.status, answer.body) == (200, pushed[0])
