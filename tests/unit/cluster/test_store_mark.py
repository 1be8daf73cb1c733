"""Which store of files is a database's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.mark import NotThisStore
from entrepot.blobs.drivers.memory import Memory
from entrepot.cluster.store_mark import expect_mark, recognise
from entrepot.jobs.inspection import check
from entrepot.metadata.database import Database
from tests.stores import value, write

KEY = "w/2026112400/x"


async def stored(database: Database, driver: Files) -> None:
    """Store an object that a blob names."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    await driver.put(KEY, body())
    await write(
        database,
        "INSERT INTO blob (sha256, sha1, md5, size, storage_key, created, keep_until) VALUES (:a, :a, :a, 1, :key, 0, 0)",
        a=b"a", key=KEY,
    )  # fmt: skip


async def started(database: Database, root: Path, *, elsewhere: bool = False) -> Files:
    driver = Files(root)
    await recognise(database, driver, elsewhere=elsewhere)
    return driver


async def test_a_new_store_is_marked_once_by_all_who_start_at_once(database: Database, tmp_path: Path) -> None:
    nodes = await asyncio.gather(*(started(database, tmp_path / "blobs") for _ in range(4)))
    assert len({one.mark.expected for one in nodes}) == 1
    assert (
        nodes[0].mark.read()
        == nodes[0].mark.expected
        == await value(database, "SELECT value FROM setting WHERE key = 'blob_store_mark'")
    )
    for one in nodes:
        await one.probe()
    assert (await check(database, nodes[0])).clean


async def test_a_store_of_an_earlier_version_is_marked_when_it_has_an_object_of_the_database(
    database: Database, tmp_path: Path
) -> None:
    await stored(database, Files(tmp_path / "blobs"))
    with pytest.raises(NotThisStore, match="none of the objects"):
        await started(database, tmp_path / "mount point")
    driver = await started(database, tmp_path / "blobs")
    assert driver.mark.read() == driver.mark.expected != ""
    assert not (tmp_path / "mount point" / "@entrepot").exists()


@pytest.mark.parametrize("used", [True, False])
async def test_a_start_without_the_volume_waits_for_it(database: Database, tmp_path: Path, used: bool) -> None:
    first = await started(database, tmp_path / "blobs")
    if used:
        await stored(database, first)
    (tmp_path / "blobs").rename(tmp_path / "volume")
    driver = await started(database, tmp_path / "blobs")
    with pytest.raises(NotThisStore):
        await driver.probe()
    (tmp_path / "blobs").rmdir()
    (tmp_path / "volume").rename(tmp_path / "blobs")
    await driver.probe()


async def test_the_store_of_another_instance_is_not_ours(database: Database, tmp_path: Path) -> None:
    await stored(database, await started(database, tmp_path / "blobs"))
    Files(tmp_path / "other").mark.write("another")
    with pytest.raises(NotThisStore):
        await (await started(database, tmp_path / "other", elsewhere=True)).probe()


async def test_a_store_that_was_copied_without_its_mark_is_marked_again(database: Database, tmp_path: Path) -> None:
    first = await started(database, tmp_path / "blobs")
    await stored(database, first)
    (tmp_path / "blobs" / "@entrepot").unlink()
    assert (await started(database, tmp_path / "blobs")).mark.read() == first.mark.expected


async def test_an_empty_store_elsewhere_is_taken_while_the_database_names_no_objects(
    database: Database, tmp_path: Path
) -> None:
    await started(database, tmp_path / "blobs")
    await (await started(database, tmp_path / "other", elsewhere=True)).probe()


async def test_a_marked_store_is_taken_by_a_database_that_knows_no_mark(database: Database, tmp_path: Path) -> None:
    Files(tmp_path / "blobs").mark.write("by hand")
    assert (await started(database, tmp_path / "blobs")).mark.expected == "by hand"


async def test_a_command_expects_the_mark_of_the_last_start_and_makes_none(database: Database, tmp_path: Path) -> None:
    driver = Files(tmp_path / "blobs")
    assert await expect_mark(database, driver) == driver.mark.read() == ""
    known = (await started(database, tmp_path / "blobs")).mark.expected
    assert await expect_mark(database, driver) == driver.mark.expected == known


async def test_stores_that_are_no_folders_have_no_mark(database: Database) -> None:
    await recognise(database, Memory(), elsewhere=True)
    assert await value(database, "SELECT COUNT(*) FROM setting WHERE key = 'blob_store_mark'") == 0
