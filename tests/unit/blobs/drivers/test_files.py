import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import pytest

from entrepot.blobs.contract import BlobMissing, StoreFull, StoreUnavailable
from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.mark import NotThisStore
from entrepot.blobs.threads import Lane
from entrepot.errors import reason

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

KEY = "w/2026112400/x"
MIB = 1 << 20


class Counting(Lane):
    """Counts the hops to its threads."""

    def __init__(self) -> None:
        super().__init__("counting", 2)
        self.hops = 0

    def start(self, work: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        self.hops += 1
        return super().start(work, *args)


async def source(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(driver: Files, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in driver.read(KEY, start, stop)])


def open_files() -> int:
    return len([*Path("/dev/fd").iterdir()])


def failing(code: int) -> Callable[..., int]:
    def call(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return call


def test_the_root_is_made_for_its_owner_only(tmp_path: Path) -> None:
    Files(tmp_path / "a/b")
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    Files(tmp_path / "a/b")


def test_a_root_that_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable) as told:
        Files(tmp_path / "file/blobs")
    assert told.value.message == f"The folder {tmp_path}/file/blobs cannot be used: Not a directory."


def test_a_relative_root_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    driver = Files(Path("blobs"))
    monkeypatch.chdir("/")
    assert driver.file(KEY) == tmp_path / "blobs" / KEY


@pytest.mark.parametrize("chunks", [(), (b"x",), (b"x" * 100_000,) * 2, (b"x" * MIB,), (b"x" * (MIB // 4 - 1),)])
async def test_a_small_object_takes_one_thread_hop_to_write_and_one_to_read(
    tmp_path: Path, chunks: tuple[bytes, ...]
) -> None:
    lane = Counting()
    driver = Files(tmp_path, disk=lane)
    await driver.put(KEY, source(*chunks))
    assert lane.hops == 1
    assert await read(driver) == b"".join(chunks)
    assert lane.hops == 2


async def test_a_large_object_takes_a_hop_per_buffer_not_per_piece(tmp_path: Path) -> None:
    lane = Counting()
    driver = Files(tmp_path, disk=lane)
    await driver.put(KEY, source(*[b"x" * MIB] * 5))
    assert lane.hops == 5
    await driver.delete(KEY)
    lane.hops = 0
    await driver.put(KEY, source(*[b"x" * 32_768] * 64))
    assert lane.hops == 8


async def test_an_object_is_read_only_on_the_disk(tmp_path: Path) -> None:
    driver = Files(tmp_path)
    await driver.put(KEY, source(b"x"))
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o400


async def test_a_key_is_written_once_and_what_is_there_stays(tmp_path: Path) -> None:
    driver = Files(tmp_path)
    await driver.put(KEY, source(b"old"))
    with pytest.raises(StoreUnavailable):
        await driver.put(KEY, source(b"new"))
    assert await read(driver) == b"old"


async def test_a_file_cut_on_the_disk_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    driver = Files(tmp_path)
    await driver.put(KEY, source(b"x" * (2 * MIB)))
    reading = driver.read(KEY)
    assert len(await anext(reading)) == MIB
    (tmp_path / KEY).chmod(0o600)
    os.truncate(tmp_path / KEY, MIB + 10)
    assert len(await anext(reading)) == 10
    with pytest.raises(StoreUnavailable):
        await anext(reading)


async def test_a_read_that_has_begun_survives_the_deletion(tmp_path: Path) -> None:
    driver = Files(tmp_path)
    await driver.put(KEY, source(b"x" * (2 * MIB)))
    reading = driver.read(KEY)
    await anext(reading)
    await driver.delete(KEY)
    assert sum([len(piece) async for piece in reading]) == MIB
    with pytest.raises(BlobMissing):
        await read(driver)


async def test_a_read_that_is_left_or_never_begun_holds_no_file(tmp_path: Path) -> None:
    driver = Files(tmp_path)
    await driver.put(KEY, source(b"x" * (2 * MIB)))
    before = open_files()
    left, never = driver.read(KEY), driver.read(KEY)
    await anext(left)
    assert open_files() == before + 1
    await left.aclose()
    await never.aclose()
    assert open_files() == before


@pytest.mark.parametrize("at", ["open", "writev", "fsync", "fchmod"])
async def test_wherever_the_disk_fails_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    driver = Files(tmp_path)
    await driver.put("w/2026112400/before", source(b"x"))
    with monkeypatch.context() as broken:
        broken.setattr(os, at, failing(errno.ENOSPC))
        with pytest.raises(StoreFull):
            await driver.put(KEY, source(b"x" * MIB, b"y"))
    assert [found.key async for found in driver.list("")] == ["w/2026112400/before"]


async def test_when_even_the_rest_cannot_be_removed_the_first_error_is_told_and_it_stays_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = Files(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, "writev", failing(errno.EDQUOT))
        broken.setattr(Path, "unlink", lambda *_, **__: failing(errno.EROFS)())
        with pytest.raises(StoreFull):
            await driver.put(KEY, source(b"x" * MIB))
    with pytest.raises(BlobMissing):
        await driver.size(KEY)
    assert [found.key async for found in driver.list("")] == [KEY]
    assert KEY in capsys.readouterr().out


async def test_a_root_that_went_away_is_told(tmp_path: Path) -> None:
    driver = Files(tmp_path / "blobs")
    (tmp_path / "blobs").rmdir()
    with pytest.raises(StoreUnavailable):
        await driver.put(KEY, source(b"x"))
    with pytest.raises(StoreUnavailable):
        assert [found async for found in driver.list("")]
    with pytest.raises(StoreUnavailable):
        await driver.probe()
    await driver.close()


async def test_an_error_of_the_disk_while_reading_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Files(tmp_path)
    await driver.put(KEY, source(b"x"))
    monkeypatch.setattr(os, "pread", failing(errno.EIO))
    with pytest.raises(StoreUnavailable):
        await read(driver)


@pytest.fixture
async def unmounted(tmp_path: Path) -> Files:
    """A marked store with one object whose volume has gone: its mount point is empty."""
    driver = Files(tmp_path / "blobs")
    driver.mark.expected = driver.mark.write("this one")
    await driver.put(KEY, source(b"x"))
    (tmp_path / "blobs").rename(tmp_path / "volume")
    (tmp_path / "blobs").mkdir()
    return driver


async def test_a_volume_that_is_not_mounted_is_no_empty_store(unmounted: Files) -> None:
    for call in (
        unmounted.put("w/2026112400/y", source(b"y")),
        unmounted.put("new/2026112400/y", source(b"y")),
        unmounted.delete(KEY),
        unmounted.size(KEY),
        read(unmounted),
        unmounted.probe(),
    ):
        with pytest.raises(NotThisStore, match="is the volume mounted") as told:
            await call
        assert str(unmounted.root) not in told.value.message
        assert reason(told.value).endswith(f"there should be a file with the line this one: '{unmounted.root}/@entrepot'")
    for prefix in ("", "w/2026112400"):
        with pytest.raises(NotThisStore):
            assert [found async for found in unmounted.list(prefix)]
    assert [*unmounted.root.iterdir()] == []


async def test_a_volume_that_comes_back_is_used_at_once(unmounted: Files, tmp_path: Path) -> None:
    with pytest.raises(NotThisStore):
        await unmounted.probe()
    unmounted.root.rmdir()
    (tmp_path / "volume").rename(unmounted.root)
    await unmounted.probe()
    assert await read(unmounted) == b"x"
    assert [found.key async for found in unmounted.list("")] == [KEY]
    await unmounted.delete("w/2026112400/nothing")


@pytest.mark.parametrize("links", [True, False])
def test_the_first_mark_of_a_store_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    driver = Files(tmp_path)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: failing(errno.EPERM)())
    assert driver.mark.write("first") == "first"
    monkeypatch.undo()
    assert driver.mark.write("second") == "first"
    assert [one.name for one in tmp_path.iterdir()] == ["@entrepot"]
