"""Driver work in processes of their own: to be killed, or to have their memory measured."""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import IO

from entrepot.blobs.drivers.open import open_driver
from entrepot.blobs.ingest import Hashes, ingest

MIB = 1 << 20


@contextmanager
def stuck_put(url: str, key: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that has put 20 MiB under the key and waits for more; killed at the end, if not before."""
    with _started(["stuck", url, key], environment) as process:
        assert _output(process).readline() == "waiting\n"
        yield process


def peak_growth(url: str, mebibytes: int, environment: dict[str, str]) -> int:
    """Return by how many bytes the peak memory of a process grew that takes in a body, and reads it back."""
    with _started(["stream", url, str(mebibytes)], environment) as process:
        return int(_output(process).readline())


@contextmanager
def _started(words: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.contract.blob_processes", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _output(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None
    return process.stdout


async def _stuck(url: str, key: str) -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * MIB
        _say("waiting")
        await asyncio.Event().wait()

    await open_driver(url).put(key, source())


async def _stream(url: str, mebibytes: int) -> None:
    async def source(count: int) -> AsyncIterator[bytes]:
        for _ in range(count * 32):
            yield bytes(MIB // 32)

    async def key() -> str:
        return "writer/2026112400/large"

    driver = open_driver(url)
    for size in (12, mebibytes):  # the first warms up: buffers, threads, clients
        before = _peak()
        await ingest(source(size), driver=driver, key=key, hashes=Hashes(), limit=None)
        assert sum([len(piece) async for piece in driver.read(await key())]) == size * MIB
        await driver.delete(await key())
    _say(str(_peak() - before))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["stuck", url, key]:
            asyncio.run(_stuck(url, key))
        case ["stream", url, mebibytes]:
            asyncio.run(_stream(url, int(mebibytes)))
