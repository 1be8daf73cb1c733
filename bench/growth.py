"""How searches grow with the number of items: `python -m bench.growth --sizes 10000,100000,1000000 [--postgres]`.

Starts an instance of its own, fills it by `bench.fill`, asks each query some times over HTTP, and prints one table: the median
time of an answer, in milliseconds, at each size. The last row exports everything and tells the memory of all processes.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.fill import KEY, digest, fill, path
from entrepot.metadata.open import open_database
from tests.parts.entrepot import entrepot
from tests.parts.postgres import postgres

TIMES = 15


def queries(items: int) -> dict[str, str]:
    """Return the queries by what they look for; all find something."""
    n = items // 2
    folder, name = path(n)
    either = ",".join(f'{{"$and":[{{"path":"{path(k)[0]}","name":"{path(k)[1]}"}}]}}' for k in range(n, n + 50))
    since = '"modified":{"$gt":"2023-11-14"}'
    shown = '.include("repo","path","name","size","property")'
    return {
        "repository, path and name": f'items.find({{"repo":"{KEY}","path":"{folder}","name":"{name}"}})',
        "name alone": f'items.find({{"name":"{name}"}})',
        "one property": f'items.find({{"@build.number":"{n // 50}"}})',
        "two properties, 100 rows of many": 'items.find({"@quality":"q3","@build.number":{"$ne":"1"}}).limit(100)',
        "SHA-1": f'items.find({{"actual_sha1":"{digest("sha1", n).hex()}"}})',
        "SHA-256": f'items.find({{"sha256":"{digest("sha256", n).hex()}"}})',
        "date, sorted, 100 rows": f'items.find({{"repo":"{KEY}",{since}}}).sort({{"$desc":["modified"]}}).limit(100)',
        "$or of 50 places": f'items.find({{"repo":"{KEY}","$or":[{either}]}})',
        "a folder with properties, 100 rows": f'items.find({{"repo":"{KEY}","path":"{folder}"}}){shown}',
    }


def memory(pids: list[int]) -> float:
    """Return the proportional memory of processes, in MiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
    return total / 1024


def family(pid: int) -> list[int]:
    """Return a process and those that it started."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, below)]


async def measure(client: httpx.AsyncClient, query: str) -> float:
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = await client.post("/artifactory/api/search/aql", content=query)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"], query
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def export(client: httpx.AsyncClient, pid: int) -> str:
    began, size, most = time.perf_counter(), 0, 0.0
    async with client.stream(
        "POST", "/artifactory/api/search/aql", content=f'items.find({{"repo":"{KEY}"}})', timeout=600
    ) as answer:
        async for piece in answer.aiter_bytes():
            if size >> 24 != (size + len(piece)) >> 24:
                most = max(most, memory(family(pid)))
            size += len(piece)
    return f"{time.perf_counter() - began:.1f} s, {size >> 20} MiB, {most:.0f} MiB of memory"


@contextlib.contextmanager
def database_url(*, wanted: bool) -> Iterator[str]:
    if not wanted:
        yield ""
        return
    with postgres() as server:
        yield server.new_database()


async def run(sizes: list[int], *, on_postgres: bool) -> None:
    table: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, database_url(wanted=on_postgres) as url:
        home = Path(folder) / "home"
        settings = {"ENTREPOT_DATABASE_URL": url} if url else {}
        with entrepot(home, environment=settings) as server:
            account = (server.user, server.password)
            async with httpx.AsyncClient(base_url=server.url, auth=account, timeout=120) as client:
                for size in sizes:
                    database = await open_database(home, url)
                    await fill(database, size)
                    await database.close()
                    await client.put("/artifactory/api/repositories/refresh", json={"rclass": "local"})
                    for name, query in queries(size).items():
                        table.setdefault(name, []).append(f"{await measure(client, query):.1f}")
                    table.setdefault("everything exported", []).append(await export(client, server.server.pid))
    print("| Median of an answer, ms | " + " | ".join(f"{size:,} items" for size in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for name, cells in table.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    asyncio.run(run([int(size) for size in given.sizes.split(",")], on_postgres=given.postgres))
