"""Archives that were deployed: read for the index and by entry, on both engines, whatever they hold."""

import gzip
import io
import itertools
import lzma
import random
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import IO

import httpx
import pytest

from entrepot.artifacts import download
from entrepot.events.followers import Feed
from entrepot.metadata.database import Database
from entrepot.metadata.open import open_database
from entrepot.repositories import deadline
from entrepot.repositories.archives import Entry
from entrepot.repositories.content import Content
from entrepot.search import archive_index
from entrepot.search.archive_index import ArchiveIndex
from entrepot.settings import Settings
from entrepot.store import open_blobs
from tests.stores import value


def tarred(name: str, content: bytes, pack: Callable[[bytes], bytes] = lzma.compress) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return pack(file.getvalue())


def damaged(archive: bytes) -> bytes:
    middle = len(archive) // 2
    return archive[:middle] + bytes(40) + archive[middle + 40 :]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, ArchiveIndex]]:
    """Open what the background process of an instance works with."""
    database = await open_database(settings.home, settings.database_url)
    driver = open_blobs(settings)
    try:
        yield database, ArchiveIndex(database, Content(database, driver))
    finally:
        await driver.close()
        await database.close()


async def state(database: Database, repo: str, name: str) -> object:
    text = """
    SELECT a.state FROM archive a JOIN item i ON i.blob_id = a.blob_id JOIN repository r ON r.id = i.repo_id
    WHERE r.key = :key AND i.name = :name
    """
    return await value(database, text, key=repo, name=name)


async def test_a_damaged_archive_is_noted_as_such_and_those_after_it_are_indexed(
    http: httpx.AsyncClient, repo: str, settings: Settings
) -> None:
    async with opened(settings) as (database, index):
        feed = Feed(database, (index,))
        await feed.join()
        noise = random.Random(repo).randbytes(150_000).hex().encode()
        await http.put(f"/artifactory/{repo}/a.tar.xz", content=damaged(tarred("in/a", noise)))
        await http.put(f"/artifactory/{repo}/b.tar.xz", content=tarred("in/b", noise))
        await feed.round()
        assert await state(database, repo, "a.tar.xz") == "unreadable"
        assert await state(database, repo, "b.tar.xz") == "indexed"


async def test_an_archive_that_fails_in_a_way_that_nobody_foresaw_keeps_no_other_from_being_indexed(
    http: httpx.AsyncClient, repo: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = archive_index._entries

    def fail(name: str, file: IO[bytes], size: int) -> list[Entry]:
        if name == "a.tar.xz":
            raise ZeroDivisionError
        return entries(name, file, size)

    monkeypatch.setattr(archive_index, "_entries", fail)
    for name in ("a", "b"):
        await http.put(f"/artifactory/{repo}/{name}.tar.xz", content=tarred(f"in/{name}", repo.encode()))
    async with opened(settings) as (database, index):
        await index.resync()
        assert await state(database, repo, "b.tar.xz") == "indexed"


async def test_a_damaged_archive_is_the_request_s_fault(http: httpx.AsyncClient, repo: str) -> None:
    archive = damaged(tarred("in/a", random.Random(repo).randbytes(150_000).hex().encode()))
    exploded = await http.put(f"/artifactory/{repo}/a.tar.xz", content=archive, headers={"X-Explode-Archive": "true"})
    assert exploded.status_code == 400
    await http.put(f"/artifactory/{repo}/a.tar.xz", content=archive)
    assert (await http.get(f"/artifactory/{repo}/a.tar.xz!/in/none")).status_code == 400


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
async def test_an_entry_is_not_looked_for_without_end(
    http: httpx.AsyncClient, repo: str, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(repo).randbytes(600_000)
    url = f"/artifactory/{repo}/a.tgz"  # the bytes tell how they are compressed
    await http.put(url, content=tarred("in/a", content, pack))
    monkeypatch.setattr(download, "_PATIENCE", 3.0)  # looks: some Pythons take more at once
    clock = itertools.count()
    # A second passes at each look at the file.
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    refused = await http.get(f"{url}!/none")
    assert refused.status_code == 400
    assert "takes too long" in refused.json()["errors"][0]["message"]
    assert (await http.get(f"{url}!/in/a")).content == content  # whose end may come later


async def test_an_entry_whose_bytes_are_damaged_is_the_request_s_fault(http: httpx.AsyncClient, repo: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("in/a", b"content")
    cut = tarred("in/a", random.Random(repo).randbytes(150_000), gzip.compress)[:90_000]
    for name, content in (("a.zip", file.getvalue().replace(b"content", b"another", 1)), ("a.tgz", cut)):
        await http.put(f"/artifactory/{repo}/{name}", content=content)
        answer = await http.get(f"/artifactory/{repo}/{name}!/in/a")
        assert answer.status_code == 400, name
        assert "The archive cannot be read" in answer.json()["errors"][0]["message"]
