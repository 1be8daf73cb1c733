import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.blobs.contract import Driver, StoreFull
from entrepot.blobs.drivers.files import Files
from tests.contract.blob_processes import MIB, peak_growth, stuck_put
from tests.contract.blobs import BIG, DriverContract, assert_unreadable, chunks, content, keys, new_key, stored
from tests.parts.presence import root_on_linux


class TestFiles(DriverContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        return Files(tmp_path / "blobs")


async def test_a_put_killed_on_its_way_leaves_nothing_readable_but_a_listed_rest(tmp_path: Path) -> None:
    key = new_key()
    with stuck_put(tmp_path.as_uri(), key, {}) as process:
        driver = Files(tmp_path)
        await assert_unreadable(driver, key)
        process.kill()
        process.wait()
    await assert_unreadable(driver, key)
    assert await keys(driver, "writer/2026112400") == {key}
    await driver.delete(key)
    assert await keys(driver) == set()


async def test_another_process_reads_what_was_put(tmp_path: Path) -> None:
    key = await stored(Files(tmp_path), BIG)
    assert await content(Files(tmp_path), key) == BIG


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    root_on_linux("a disk of its own")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_full_disk_is_told_and_what_did_not_fit_leaves_its_room(small_disk: Path) -> None:
    driver = Files(small_disk)
    kept = await stored(driver, BIG[: 2 * MIB])
    key = new_key()
    with pytest.raises(StoreFull):
        await driver.put(key, chunks(BIG))
    await assert_unreadable(driver, key)
    assert await keys(driver) == {kept}
    assert await content(driver, await stored(driver, BIG[:MIB])) == BIG[:MIB]
    assert await content(driver, kept) == BIG[: 2 * MIB]


def test_a_gibibyte_goes_through_in_flat_memory(tmp_path: Path) -> None:
    assert peak_growth(tmp_path.as_uri(), 1024, {}) < 24 * MIB
