"""Archives that were made to harm whoever reads them."""

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest

from entrepot.repositories import archives
from entrepot.repositories.archives import Unreadable, open_archive, piece

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
            found[entry.path] = b"".join(iter(lambda stream=stream: piece(stream), b""))  # type: ignore[misc]
    return found


def refused(name: str, archive: bytes) -> str:
    """Read an archive to its end; return why that failed."""
    try:
        read(name, archive)
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


def zipped(method: int, content: bytes, name: str = "a") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_entry_whose_bytes_are_damaged_is_unreadable(method: int) -> None:
    damaged = bytearray(zipped(method, bytes(range(256)) * 100))
    damaged[44:60] = b"\xff" * 16
    assert refused("a.zip", bytes(damaged))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_entry_that_unpacks_without_a_bound_is_refused_and_takes_no_memory(method: int) -> None:
    archive = zipped(method, bytes(16 * MIB)).replace(struct.pack("<I", 16 * MIB), struct.pack("<I", 10))
    tracemalloc.start()
    try:
        assert f"method {method}" in refused("a.zip", archive)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert [entry.size for entry, _ in open_archive("a.zip", io.BytesIO(archive), len(archive)).entries()] == [10]


@pytest.mark.parametrize("name", [".", "./", "/", "x/.."])
def test_an_entry_that_would_be_its_folder_is_refused(name: str) -> None:
    assert "the entry" in refused("a.tar", tar(header(b"0", b"x", name)))
    if not name.endswith("/"):  # which is a folder of a zip
        assert "the entry" in refused("a.zip", zipped(zipfile.ZIP_STORED, b"x", name))


def test_a_window_that_no_honest_archive_has_is_not_reserved() -> None:
    archive = bytearray(lzma.compress(tar(header(b"0", b"content"))))
    archive[16] = 35  # in the header of its block: 3 << (35 // 2 + 11) bytes, 768 MiB
    end = 12 + 4 * (archive[12] + 1)
    archive[end - 4 : end] = struct.pack("<I", zlib.crc32(archive[12 : end - 4]))
    tracemalloc.start()
    try:
        assert "Memory usage limit exceeded" in refused("a.tar.xz", bytes(archive))
        assert tracemalloc.get_traced_memory()[1] < 80 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [lzma.FORMAT_XZ, lzma.FORMAT_ALONE])
def test_both_formats_of_lzma_are_read(kind: int) -> None:
    assert read("a.txz", lzma.compress(tar(header(b"0", b"content")), kind)) == {"n": b"content"}


def test_all_streams_of_an_xz_file_are_read_at_the_strongest_preset_too() -> None:
    content = random.Random(3).randbytes(100_000)
    whole = tar(header(b"0", content), header(b"0", b"after", "m"))
    archive = b"".join(
        lzma.compress(whole[at : at + 30_000], preset=9) + bytes(8) for at in range(0, len(whole), 30_000)
    )
    assert read("a.txz", archive) == {"n": content, "m": b"after"}
    assert refused("a.txz", archive[:60_000])


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar.xz"])
def test_what_is_wrong_with_an_archive_is_said_in_one_way(name: str) -> None:
    with pytest.raises(Unreadable):
        open_archive(name, io.BytesIO(b"\xfd7zXZ\0" + bytes(600)), 606)


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


def directory(entries: int, *, stated: int | None = None, wide: bool = False) -> bytes:
    """A zip of nothing but its directory, as long as `stated` says; `wide`: told as of more than 4 GiB."""
    one = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *[20, 0, 20, 0], *[0] * 5, *[0] * 2, 2, *[0] * 6) + b"n/"
    content, size = one * entries, len(one) * entries if stated is None else stated
    if wide:
        end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, 0)
        content += end + struct.pack("<4sLQL", b"PK\6\7", 0, len(content), 1)
        entries, size = 0xFFFF, 0xFFFFFFFF
    return content + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[min(entries, 0xFFFF)] * 2, size, 0, 0)


@pytest.mark.parametrize("wide", [False, True])
def test_a_zip_of_too_many_entries_is_refused_before_there_is_an_object_for_each(wide: bool) -> None:
    assert read("a.zip", directory(3, wide=wide)) == {}
    content = directory(archives.MOST_ENTRIES + 1, wide=wide)
    tracemalloc.start()
    assert "it unpacks to more than is allowed." in refused("a.zip", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(content)


def test_a_zip_whose_directory_is_too_long_is_refused_before_it_is_read() -> None:
    assert "its directory is too long." in refused("a.zip", bytes(65 * MIB) + directory(1, stated=65 * MIB))


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
