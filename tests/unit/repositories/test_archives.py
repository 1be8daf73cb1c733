"""Archives that were made to harm whoever reads them."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from entrepot.repositories import archives
from entrepot.repositories.archives import FAULTS, Unreadable, open_archive

MIB = 1 << 20


def header(kind: bytes, content: bytes = b"", name: str = "n") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info.tobuf() + content + bytes(-len(content) % 512)


def tar(*members: bytes) -> bytes:
    return b"".join(members) + bytes(1024)


def pax(keyword: bytes, value: bytes) -> bytes:
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def read(name: str, archive: bytes) -> dict[str, bytes]:
    opened = open_archive(name, io.BytesIO(archive), len(archive))
    found = {}
    for entry, handle in opened.entries():
        with opened.open(handle) as stream:
            found[entry.path] = stream.read()
    return found


def refused(name: str, archive: bytes) -> str:
    """Read an archive to its end; return why that failed."""
    try:
        read(name, archive)
    except FAULTS as error:
        return str(error)
    except Unreadable as error:
        return error.message
    return ""


@pytest.mark.parametrize(("name", "pack"), [("a.tar.xz", lzma.compress), ("a.tar.bz2", bz2.compress)])
def test_a_compressed_tar_that_is_damaged_in_its_middle_is_unreadable(
    name: str, pack: Callable[[bytes], bytes]
) -> None:
    noise = random.Random(1).randbytes(300_000)
    archive = bytearray(pack(tar(header(b"0", noise))))
    archive[len(archive) // 2 : len(archive) // 2 + 40] = bytes(40)
    assert refused(name, bytes(archive))


def test_a_zip_entry_whose_lzma_stream_is_damaged_is_unreadable() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", bytes(range(256)) * 100)
    damaged = bytearray(file.getvalue())
    damaged[44:60] = b"\xff" * 16
    assert refused("a.zip", bytes(damaged))


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_an_extended_header_of_more_than_a_mebibyte_is_not_read(kind: bytes) -> None:
    archive = gzip.compress(tar(header(kind, b"n" * (16 * MIB)), header(b"0", b"x")))
    tracemalloc.start()
    try:
        assert "header" in refused("a.tgz", archive)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_many_extended_headers_of_one_member_are_as_long_as_one() -> None:
    assert "header" in refused("a.tar", tar(*[header(b"L", b"n" * (MIB // 4))] * 5, header(b"0", b"x")))


@pytest.mark.parametrize(
    "record", [b"2 " * 200_000 + b"=", pax(b"comment", b"1" * 500_000), b"9999 path=n\n", b"0 a=b\n"]
)
def test_a_pax_header_that_takes_minutes_or_gigabytes_to_understand_is_refused(record: bytes) -> None:
    assert "a PAX header makes no sense." in refused("a.tar", tar(header(b"x", record), header(b"0", b"x")))


def test_folders_and_links_count_as_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 50)
    assert "it unpacks to more than is allowed." in refused("a.tar", tar(*[header(tarfile.DIRTYPE)] * 51))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(51):
            archive.writestr(f"{number}/", b"")
    assert "it unpacks to more than is allowed." in refused("a.zip", file.getvalue())


def test_what_lies_between_the_members_that_are_files_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 2 * MIB)
    # A header of an unknown kind, whose bytes `tarfile` passes over.
    archive = gzip.compress(tar(header(b"V", bytes(3 * MIB)), header(b"0", b"x")))
    assert "it unpacks to more than is allowed." in refused("a.tgz", archive)


def test_members_that_were_seen_are_not_kept() -> None:
    archive = tar(*[header(tarfile.DIRTYPE, name="d" * 90)] * 20_000)
    tracemalloc.start()
    try:
        assert read("a.tar", archive) == {}
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_notes_of_honest_archives_are_read(mode: str, style: int) -> None:
    # Blocks of an extended header that look like another one at the byte that tells.
    contents = {f"{'x' * length}/{'é' * 40}.txt": b"x" * length for length in (3, 160, 200)}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=style, pax_headers={"comment": "x" * 600}) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1.5
            info.pax_headers = {"SCHILY.xattr.user.note": "x" * 3000}
            archive.addfile(info, io.BytesIO(content))
    assert read(f"a.tar{mode[1:].replace(':', '.')}", file.getvalue()) == contents
