"""The server is killed in the middle of pushes: what it acknowledged is there, byte for byte, and nothing else is left."""

import asyncio
import contextlib
import random
from pathlib import Path

import httpx
import pytest

from tests.parts.entrepot import Entrepot, entrepot
from tests.parts.inspections import inspect
from tests.parts.registry_client import Image, Refused, Registry


async def push_until_killed(server: Entrepot, acknowledged: list[Image], seed: int, moment: float) -> None:
    """Push from several tasks, kill the server at a moment, and note only what was acknowledged."""
    registry = Registry(server.url, server.user, server.password, random.Random(seed))
    shared = registry.dice.randbytes(300_000)

    async def push_many(writer: int) -> None:
        for number in range(10_000):
            layers = [shared, registry.dice.randbytes(registry.dice.choice((900, 20_000, 400_000)))]
            name = f"docker-local/killed/w{writer}"
            acknowledged.append(await registry.push(name, f"s{seed}-{number}", layers))

    tasks = [asyncio.create_task(push_many(writer)) for writer in range(4)]
    await asyncio.sleep(moment)
    server.kill9()
    for task in tasks:
        with contextlib.suppress(httpx.TransportError, Refused):
            await task
    await registry.close()


async def kill_and_check(home: Path, kills: int) -> None:
    dice = random.Random(20_261_124)
    with entrepot(home) as server:
        for seed in range(kills):
            acknowledged: list[Image] = []
            await push_until_killed(server, acknowledged, seed, dice.uniform(0.05, 0.9))
            server.start()
            registry = Registry(server.url, server.user, server.password)
            for image in acknowledged:
                await registry.check(image)
            await registry.push("docker-local/killed/again", f"t{seed}", [random.Random(seed).randbytes(300_000)])
            await registry.close()
            inspect(server, "gc", "--check")
        inspect(server, "fsck")


async def test_nothing_acknowledged_is_lost_at_random_kills(tmp_path: Path) -> None:
    await kill_and_check(tmp_path / "home", 5)


@pytest.mark.long
async def test_nothing_acknowledged_is_lost_at_fifty_random_kills(tmp_path: Path) -> None:
    await kill_and_check(tmp_path / "home", 50)
