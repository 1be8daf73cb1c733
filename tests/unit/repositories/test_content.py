"""Blobs as files that are read in part."""

import asyncio
import hashlib
import io
import tarfile
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import IO

import pytest

from entrepot.blobs.contract import Driver, StoreUnavailable
from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.threads import ARCHIVES
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Row
from entrepot.metadata.objects import Piece
from entrepot.repositories.archives import open_archive
from entrepot.repositories.content import BytesLost, Content

MIB = 1 << 20
KEY = "w/2026010100/00000000-0000-4000-8000-000000000000"


class Counting(Memory):
    """Count the bytes that are read."""

    taken = 0

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        async for chunk in super().read(key, start, stop):
            self.taken += len(chunk)
            yield chunk


class Nothing:
    """A database without rows."""

    async def row(self, *_: object, **__: object) -> Row | None:
        return None


async def kept(driver: Driver, content: bytes, *keys: str) -> Stored:
    """Store bytes under one key, or spread over several."""
    keys = keys or (KEY,)
    width = -(-len(content) // len(keys))
    pieces = []
    for place, key in enumerate(keys):
        part = content[place * width : (place + 1) * width]

        async def chunks(part: bytes = part) -> AsyncIterator[bytes]:
            yield part

        pieces.append(Piece(key, await driver.put(key, chunks())))
    digest = hashlib.sha256(content).digest()
    return Stored(1, len(content), digest, b"1" * 20, b"2" * 16, None, tuple(pieces))


def content_of(driver: Driver) -> Content:
    return Content(Nothing(), driver)  # type: ignore[arg-type]


def jar(size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("large", bytes(size))
        archive.writestr("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0")
        archive.writestr("large too", bytes(size))
    return file.getvalue()


def entry(name: str, file: IO[bytes], size: int, path: str) -> bytes:
    archive = open_archive(name, file, size)
    (handle,) = (handle for one, handle in archive.entries() if one.path == path)
    with archive.open(handle) as stream:
        return stream.read()


async def test_an_entry_is_read_from_the_file_of_the_store_itself(tmp_path: Path) -> None:
    driver, held = Files(tmp_path / "blobs"), jar(1000)
    stored = await kept(driver, held)
    with await content_of(driver).opened(stored) as file:
        assert file.name == str(tmp_path / "blobs" / KEY)
        assert entry("a.jar", file, len(held), "META-INF/MANIFEST.MF") == b"Manifest-Version: 1.0"


async def test_a_store_without_files_sends_the_ranges_that_an_entry_needs_and_no_more() -> None:
    driver, held = Counting(), jar(24 * MIB)
    stored = await kept(driver, held)
    with await content_of(driver).opened(stored) as file:
        found = await ARCHIVES.run(entry, "a.jar", file, len(held), "META-INF/MANIFEST.MF")
    assert found == b"Manifest-Version: 1.0"
    assert driver.taken < 16 * MIB


async def test_a_blob_that_lies_in_pieces_is_one_file() -> None:
    driver, noise = Memory(), io.BytesIO()
    with tarfile.open(fileobj=noise, mode="w:gz") as archive:
        info = tarfile.TarInfo("d/a")
        info.size = 300_000
        archive.addfile(info, io.BytesIO(bytes(range(250)) * 1200))
    held = noise.getvalue()
    stored = await kept(driver, held, KEY, KEY[:-1] + "1", KEY[:-1] + "2")
    with await content_of(driver).opened(stored) as file:
        assert await ARCHIVES.run(entry, "a.tgz", file, len(held), "d/a") == bytes(range(250)) * 1200
        assert await ARCHIVES.run(file.seek, -5, io.SEEK_END) == len(held) - 5
        assert await ARCHIVES.run(file.read) == held[-5:]
        with pytest.raises(ValueError, match="-1"):
            await ARCHIVES.run(file.seek, -1)


@pytest.mark.parametrize("on_disk", [True, False])
async def test_lost_bytes_are_told_however_they_are_read(tmp_path: Path, on_disk: bool) -> None:
    driver: Driver = Files(tmp_path / "blobs") if on_disk else Memory()
    stored = await kept(driver, b"some bytes")
    await driver.delete(KEY)
    with pytest.raises(BytesLost):
        await ARCHIVES.run((await content_of(driver).opened(stored)).read)


async def test_a_file_that_cannot_be_opened_is_a_store_that_is_not_available(tmp_path: Path) -> None:
    driver = Files(tmp_path / "blobs")
    stored = await kept(driver, b"some bytes")
    await driver.delete(KEY)
    (tmp_path / "blobs" / KEY).mkdir(parents=True)
    with pytest.raises(StoreUnavailable):
        await content_of(driver).opened(stored)


async def test_many_who_read_at_once_wait_for_a_thread_and_not_for_each_other() -> None:
    driver, held = Memory(), jar(1000)
    stored = await kept(driver, held)

    async def one() -> bytes:
        with await content_of(driver).opened(stored) as file:
            return await ARCHIVES.run(entry, "a.jar", file, len(held), "META-INF/MANIFEST.MF")

    assert set(await asyncio.gather(*(one() for _ in range(20)))) == {b"Manifest-Version: 1.0"}
