import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.blobs.contract import BlobMissing, StoreFull, StoreUnavailable
from entrepot.blobs.drivers import disk
from entrepot.blobs.drivers.disk import Folders, NewFile, Reading, flush, flush_path, mapped, remove, walk


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that were made durable, in order."""
    order: list[Path] = []
    opened: dict[int, Path] = {}
    real_open, real_fsync = os.open, os.fsync

    def remembering(path: Path, flags: int, mode: int = 0o777) -> int:
        fd = real_open(path, flags, mode)
        opened[fd] = path
        return fd

    def recording(fd: int) -> None:
        order.append(opened[fd])
        real_fsync(fd)

    monkeypatch.setattr(os, "open", remembering)
    monkeypatch.setattr(os, "fsync", recording)
    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
    return order


def open_files() -> int:
    return len([*Path("/dev/fd").iterdir()])


def failing(code: int) -> Callable[..., int]:
    def call(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EIO, StoreUnavailable),
        (errno.EROFS, StoreUnavailable),
        (errno.EACCES, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
        (errno.ENOENT, StoreUnavailable),
        (errno.ENOTDIR, StoreUnavailable),
    ],
)
def test_what_the_system_refuses_becomes_the_stores_error(code: int, error: type[Exception]) -> None:
    with pytest.raises(error), mapped():
        failing(code)()


def test_a_file_that_is_not_there_is_a_missing_blob_when_its_key_is_read() -> None:
    for code in (errno.ENOENT, errno.ENOTDIR):
        with pytest.raises(BlobMissing, match="w/h/x"), mapped("w/h/x"):
            failing(code)()
    with pytest.raises(StoreFull), mapped("w/h/x"):
        failing(errno.ENOSPC)()


def test_a_new_file_is_durable_with_every_folder_above_it(tmp_path: Path, flushed: list[Path]) -> None:
    new = NewFile(tmp_path / "w/h/x", Folders(tmp_path))
    new.extend([b"a"])
    assert flushed == [tmp_path, tmp_path / "w"]
    new.finish([b"b"])
    assert flushed[2:] == [tmp_path / "w/h/x", tmp_path / "w/h"]
    assert (tmp_path / "w/h/x").read_bytes() == b"ab"
    assert new.size == 2


def test_folders_known_to_be_durable_are_not_flushed_again(tmp_path: Path, flushed: list[Path]) -> None:
    folders = Folders(tmp_path)
    folders.make(tmp_path / "w/h")
    folders.make(tmp_path / "w/h")
    folders.make(tmp_path / "w/i")
    assert flushed == [tmp_path, tmp_path / "w", tmp_path / "w"]


def test_a_folder_that_another_process_made_is_flushed_nevertheless(tmp_path: Path, flushed: list[Path]) -> None:
    (tmp_path / "w").mkdir()
    Folders(tmp_path).make(tmp_path / "w")
    assert flushed == [tmp_path]


def test_known_folders_do_not_grow_without_end(
    tmp_path: Path, flushed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_REMEMBERED", 3)
    folders = Folders(tmp_path)
    for name in ("a", "b", "c", "c", "a"):
        folders.make(tmp_path / name)
    assert len(flushed) == 4


def test_folders_and_files_are_for_their_owner_only(tmp_path: Path) -> None:
    new = NewFile(tmp_path / "w/h/x", Folders(tmp_path))
    new.extend([b"a"])
    assert (tmp_path / "w/h/x").stat().st_mode & 0o777 == 0o200
    new.finish([])
    assert (tmp_path / "w/h/x").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_vanishes_before_the_file_is_made_again(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make(tmp_path / "w/h")
    (tmp_path / "w/h").rmdir()
    (tmp_path / "w").rmdir()
    NewFile(tmp_path / "w/h/x", folders).finish([b"a"])
    assert (tmp_path / "w/h/x").read_bytes() == b"a"


def test_a_folder_that_vanishes_again_and_again_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open

    def vanishing(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise FileNotFoundError
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", vanishing)
    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        NewFile(tmp_path / "w/h/x", Folders(tmp_path)).finish([b"a"])


def test_a_write_that_takes_only_a_part_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "writev", lambda fd, buffers: os.write(fd, b"".join(buffers)[:3]))
    new = NewFile(tmp_path / "x", Folders(tmp_path))
    new.extend([b"0", b"1234", b"", b"567"])
    new.finish([b"89abcdef", b"", b"g"])
    assert (tmp_path / "x").read_bytes() == b"0123456789abcdefg"
    assert new.size == 17


def test_more_buffers_than_one_call_takes_are_all_written(tmp_path: Path) -> None:
    body = [bytes([n % 256]) * 3 for n in range(2_000)]
    new = NewFile(tmp_path / "x", Folders(tmp_path))
    new.finish(body)
    assert (tmp_path / "x").read_bytes() == b"".join(body)


def test_a_discarded_file_is_gone_whether_begun_finished_or_never_made(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    begun, finished, never = (NewFile(tmp_path / name, folders) for name in ("begun", "finished", "never"))
    begun.extend([b"a"])
    finished.finish([b"a"])
    for new in (begun, finished, never, begun):
        new.discard()
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_was_there_is_neither_written_nor_discarded(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    new = NewFile(tmp_path / "x", Folders(tmp_path))
    with pytest.raises(FileExistsError):
        new.finish([b"new"])
    new.discard()
    assert (tmp_path / "x").read_bytes() == b"old"


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = open_files()
    folders = Folders(tmp_path)
    for name, work in (("a", NewFile.finish), ("b", NewFile.extend)):
        new = NewFile(tmp_path / name, folders)
        work(new, [b"x"])
        if name == "b":
            new.discard()
    reading = Reading(tmp_path / "a", 0, None)
    reading.piece(10)
    reading.close()
    flush_path(tmp_path)
    remove(tmp_path / "a", tmp_path)
    assert open_files() == before


def test_where_the_drives_cache_can_be_flushed_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda _, command: asked.append(command))
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    flush_path(tmp_path)
    assert asked == [51]


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY])
def test_where_a_volume_does_not_offer_that_the_plain_flush_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushed: list[Path], code: int
) -> None:
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", failing(code))
    flush_path(tmp_path)
    assert flushed == [tmp_path]


def test_a_flush_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", failing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        flush(0)


def test_a_removed_file_is_removed_durably_with_the_folders_it_leaves_empty(
    tmp_path: Path, flushed: list[Path]
) -> None:
    for key in ("w/h/x", "w/i/x", "w/i/y"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    remove(tmp_path / "w/i/x", tmp_path)
    remove(tmp_path / "w/h/x", tmp_path)
    assert not (tmp_path / "w/h").exists()
    remove(tmp_path / "w/i/y", tmp_path)
    assert [*tmp_path.iterdir()] == []
    assert flushed == [tmp_path / "w/i", tmp_path / "w", tmp_path]


def test_a_folder_that_goes_while_it_is_being_flushed_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "flush_path", failing(errno.ENOENT))
    (tmp_path / "x").touch()
    remove(tmp_path / "x", tmp_path)
    assert not (tmp_path / "x").exists()


def test_an_error_while_removing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w").mkdir()
    monkeypatch.setattr(Path, "rmdir", failing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        remove(tmp_path / "w/x", tmp_path)


def test_a_link_is_no_object_and_is_neither_read_nor_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root/w").mkdir(parents=True)
    (tmp_path / "root/w/x").symlink_to(tmp_path / "secret")
    (tmp_path / "root/v").symlink_to(tmp_path)
    with pytest.raises(FileNotFoundError):
        Reading(tmp_path / "root/w/x", 0, None).piece(10)
    assert [*walk(tmp_path / "root", "")] == []


def test_a_listing_leaves_out_what_goes_meanwhile_and_what_no_key_can_name(tmp_path: Path) -> None:
    for name in ("a/1", "a/no key", "b/1", "c/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = walk(tmp_path, "")
    first = next(found).key
    for gone in {"a", "b", "c"} - {first[0]}:
        for file in (tmp_path / gone).iterdir():
            file.unlink()
        (tmp_path / gone).rmdir()
    assert [stored.key for stored in found] == []


def test_a_file_that_goes_while_it_is_listed_is_left_out(tmp_path: Path) -> None:
    names = {"a", "b", "c"}
    for name in names:
        (tmp_path / name).touch()
    found = walk(tmp_path, "")
    first = next(found).key
    gone, stays = sorted(names - {first})
    (tmp_path / gone).unlink()
    assert [stored.key for stored in found] == [stays]


def test_a_root_that_is_not_there_is_no_empty_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(walk(tmp_path / "unmounted", ""))


def test_a_writer_whose_folder_was_removed_when_it_was_empty_writes_on_in_the_next_hour(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    NewFile(tmp_path / "w/17/x", folders).finish([b"a"])
    remove(tmp_path / "w/17/x", tmp_path)
    NewFile(tmp_path / "w/18/y", folders).finish([b"b"])
    assert (tmp_path / "w/18/y").read_bytes() == b"b"


def test_a_folder_that_goes_just_after_it_was_seen_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w").mkdir()
    make, gone = os.mkdir, []

    def mkdir(path: Path, mode: int) -> None:
        try:
            make(path, mode)
        except FileExistsError:
            Path(path).rmdir()  # another process, whose file in it was the last
            gone.append(path)
            raise

    monkeypatch.setattr(os, "mkdir", mkdir)
    NewFile(tmp_path / "w/x", Folders(tmp_path)).finish([b"a"])
    assert gone == [tmp_path / "w"]
    assert (tmp_path / "w/x").read_bytes() == b"a"
