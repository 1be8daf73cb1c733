"""`python -m bench.pyload`: put load on a server and print one JSON line with what was counted."""

import argparse
import asyncio
import itertools
import json
import os
import time
from dataclasses import dataclass, field

from bench.pyload.connection import Connection, Refused
from bench.pyload.modes import MODES, Operation

TOO_MANY = 20
PATIENCE = 120


@dataclass(slots=True)
class Tally:
    """What has been counted so far, over all connections."""

    operations: int = 0
    warmed: int = 0
    bytes: int = 0
    took: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""


async def labour(flags: argparse.Namespace, op: Operation, numbers: "itertools.count[int]", tally: Tally) -> None:
    """Repeat the operation on one connection until the count is reached (0: for ever) or too many have failed."""
    connection = Connection(flags.address, os.environ.get("LOAD_AUTHORIZATION", ""))
    for number in numbers:
        if 0 < flags.count <= number or tally.errors >= TOO_MANY:
            break
        began = time.perf_counter()
        try:
            moved = await op(connection, number)
        except (Refused, OSError, EOFError, ValueError, LookupError) as reason:
            tally.errors += 1
            tally.first_error = tally.first_error or f"{type(reason).__name__}: {reason}"
            connection.drop()
            continue
        tally.operations += 1
        tally.bytes += moved
        tally.took.append(time.perf_counter() - began)
    connection.drop()


async def run(flags: argparse.Namespace) -> tuple[Tally, float]:
    """Give the tally and the seconds that it covers."""
    tally, numbers, op = Tally(), itertools.count(), MODES[flags.mode](flags)
    began = time.perf_counter()
    workers = [asyncio.create_task(labour(flags, op, numbers, tally)) for _ in range(flags.connections)]
    if flags.count:
        await asyncio.gather(*workers)
        return tally, time.perf_counter() - began
    await asyncio.wait(workers, timeout=flags.warm)
    tally.warmed, tally.operations, tally.bytes, began = tally.operations, 0, 0, time.perf_counter()
    tally.took.clear()
    await asyncio.wait(workers, timeout=flags.seconds)
    # A rate below one in five seconds is still a rate: wait for one operation from each connection.
    while tally.operations < flags.connections and not tally.errors and time.perf_counter() - began < PATIENCE:
        await asyncio.wait(workers, timeout=0.01)
    elapsed = time.perf_counter() - began
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return tally, elapsed


def quantile(ordered: list[float], q: float) -> float:
    return ordered[int(q * (len(ordered) - 1))] * 1000 if ordered else 0.0


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pyload", description=__doc__)
    parser.add_argument("--mode", choices=sorted(MODES), default="fetch")
    parser.add_argument("--method", choices=("GET", "HEAD"), default="GET")
    for name in ("address", "paths", "name", "manifest", "prefix", "blob", "from"):
        parser.add_argument(f"--{name}", default="")
    for name, default in (
        ("connections", 16),
        ("count", 0),
        ("status", 200),
        ("length", -1),
        ("size", 60_000_000),
        ("chunk", 0),
        ("first", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--warm", type=seconds, default=1.0)
    parser.add_argument("--seconds", type=seconds, default=5.0)
    return parser.parse_args()


def main() -> None:
    tally, elapsed = asyncio.run(run(parse()))
    ordered = sorted(tally.took)
    counted = {
        "operations": tally.operations,
        "all_operations": tally.warmed + tally.operations,
        "bytes": tally.bytes,
        "seconds": elapsed,
        "p50_ms": quantile(ordered, 0.50),
        "p99_ms": quantile(ordered, 0.99),
        "errors": tally.errors,
        "first_error": tally.first_error,
    }
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
