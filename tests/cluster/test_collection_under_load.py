"""Collection every second with a short grace while images come and go: no live image breaks, and space comes back."""

import asyncio
import random
from pathlib import Path

import pytest

from entrepot.blobs.drivers import mark
from tests.parts.entrepot import Entrepot, entrepot
from tests.parts.inspections import inspect
from tests.parts.registry_client import Image, Refused, Registry, until

GRACE = 6
ENVIRONMENT = {"ENTREPOT_GC_INTERVAL_SECONDS": "1", "ENTREPOT_GC_GRACE_SECONDS": str(GRACE)}


class Load:
    """Writers that push, pull, delete, push again what was just deleted, mount, and skip what HEAD says is there."""

    def __init__(self, server: Entrepot, writers: int, seed: int) -> None:
        self.registry = Registry(server.url, server.user, server.password, random.Random(seed))
        self.dice = random.Random(seed)
        self.layers = [self.dice.randbytes(size) for size in (700, 30_000, 200_000, 90_000, 1_200, 50_000)]
        self.live: dict[int, list[Image]] = {writer: [] for writer in range(writers)}
        self.rounds = 0

    async def run(self, seconds: float) -> None:
        """Run all writers for a while; any failure is raised."""
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._write(writer, end) for writer in self.live))

    async def _write(self, writer: int, end: float) -> None:
        number = 0
        while asyncio.get_running_loop().time() < end:
            number += 1
            await self._step(writer, number)
            self.rounds += 1

    async def _push(self, name: str, tag: str, layers: list[bytes]) -> Image:
        """Push, skipping what the registry says it has; slower than half the grace time, once more without skipping."""
        try:
            return await self.registry.push(name, tag, layers, skip=True)
        except Refused as error:
            if "MANIFEST_BLOB_UNKNOWN" not in str(error):
                raise
            return await self.registry.push(name, tag, layers)

    async def _step(self, writer: int, number: int) -> None:
        mine = self.live[writer]
        name = f"docker-local/load/w{writer}"
        choice = self.dice.random()
        if choice < 0.45 or not mine:
            layers = [*self.dice.sample(self.layers, 2), self.dice.randbytes(5_000)]
            mine.append(await self._push(name, f"t{number}", layers))
        elif choice < 0.65:
            await self.registry.check(self.dice.choice(mine))
        elif choice < 0.85:
            image = mine.pop(self.dice.randrange(len(mine)))
            await self.registry.delete(image)
            if self.dice.random() < 0.5:
                layers = [body for digest, body in image.blobs.items() if len(body) > 200]
                mine.append(await self._push(name, f"again{number}", layers))
        else:
            image = self.dice.choice(mine)
            for digest, body in image.blobs.items():
                if not await self.registry.mount(f"docker-local/mounted/w{writer}", digest, name):
                    await self.registry.push_blob(f"docker-local/mounted/w{writer}", body)


async def collect_under_load(home: Path, seconds: float) -> None:
    with entrepot(home, environment=ENVIRONMENT) as server:
        load = Load(server, writers=6, seed=7)
        await load.run(seconds)
        for images in load.live.values():
            for image in images:
                await load.registry.check(image)
        inspect(server, "gc", "--check")
        for images in load.live.values():
            for image in images:
                await load.registry.delete(image)
        blobs = home / "blobs"
        await until(
            lambda: not any(path.is_file() and path.name != mark.NAME for path in blobs.rglob("*")),
            seconds=GRACE * 20,
            what="all space came back",
        )
        await load.registry.close()
        inspect(server, "fsck")
    assert load.rounds > 20


async def test_collection_under_load_breaks_no_live_image_and_gives_space_back(tmp_path: Path) -> None:
    await collect_under_load(tmp_path / "home", 15)


@pytest.mark.long
async def test_collection_under_a_long_load(tmp_path: Path) -> None:
    await collect_under_load(tmp_path / "home", 600)
