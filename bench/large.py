"""Large things, with the memory that they take: `python -m bench.large [--gib 5] [--items 100000] [--postgres]`.

A file of so many GiB goes in and out, and so does a layer of an image; a folder of so many items is copied and moved by
one request each.
"""

import argparse
import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import httpx

from bench.fill import KEY, fill
from bench.growth import database_url, family, memory
from entrepot.metadata.open import open_database
from tests.parts.entrepot import entrepot

PIECE = os.urandom(1 << 20)


async def content(gib: int) -> AsyncIterator[bytes]:
    for number in range(gib << 10):
        yield number.to_bytes(8, "big") + PIECE[8:]


async def digest(gib: int) -> str:
    sum_ = hashlib.sha256()
    async for piece in content(gib):
        sum_.update(piece)
    return f"sha256:{sum_.hexdigest()}"


async def watched(pid: int, work: Awaitable[None]) -> str:
    """Do something; return how long it took and the most memory that the server had meanwhile."""
    began, most = time.perf_counter(), 0.0
    task = asyncio.ensure_future(work)
    while not task.done():
        most = max(most, await asyncio.to_thread(lambda: memory(family(pid))))
        await asyncio.wait([task], timeout=0.5)
    task.result()
    return f"{time.perf_counter() - began:.1f} s, at most {most:.0f} MiB"


async def run(gib: int, items: int, *, on_postgres: bool) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, database_url(wanted=on_postgres) as url:
        home = Path(folder) / "home"
        with entrepot(home, environment={"ENTREPOT_DATABASE_URL": url} if url else {}) as server:
            pid = server.server.pid
            async with httpx.AsyncClient(
                base_url=server.url, auth=(server.user, server.password), timeout=3600
            ) as client:

                async def put() -> None:
                    answer = await client.put("/artifactory/generic-local/large.bin", content=content(gib))
                    assert answer.status_code == 201, answer.text

                async def push(digest: str) -> None:
                    begun = await client.post("/v2/docker-local/large/blobs/uploads/")
                    sent = await client.patch(begun.headers["location"], content=content(gib))
                    assert sent.status_code == 202, sent.text
                    closed = await client.put(sent.headers["location"], params={"digest": digest})
                    assert closed.status_code == 201, closed.text

                async def get(path: str) -> None:
                    size = 0
                    async with client.stream("GET", path) as answer:
                        async for piece in answer.aiter_bytes(1 << 20):
                            size += len(piece)
                    assert size == gib << 30

                async def carry(verb: str, source: str, to: str) -> None:
                    answer = await client.post(f"/artifactory/api/{verb}/{KEY}/{source}?to=/{KEY}/{to}")
                    assert answer.status_code == 200, answer.text

                if gib:
                    print(f"| {gib} GiB in | {await watched(pid, put())} |")
                    print(f"| {gib} GiB out | {await watched(pid, get('/artifactory/generic-local/large.bin'))} |")
                    await client.delete("/artifactory/generic-local/large.bin")  # else the layer would be there already
                    layer = await digest(gib)
                    print(f"| a layer of {gib} GiB in | {await watched(pid, push(layer))} |")
                    print(
                        f"| a layer of {gib} GiB out | {await watched(pid, get(f'/v2/docker-local/large/blobs/{layer}'))} |"
                    )
                database = await open_database(home, url)
                await fill(database, items)
                await database.close()
                await client.put("/artifactory/api/repositories/refresh", json={"rclass": "local"})
                print(f"| {items:,} items copied | {await watched(pid, carry('copy', 'org', 'copied'))} |")
                print(f"| {items:,} items moved | {await watched(pid, carry('move', 'copied', 'moved'))} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=int, default=5)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    asyncio.run(run(given.gib, given.items, on_postgres=given.postgres))
