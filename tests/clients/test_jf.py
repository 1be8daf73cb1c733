"""JFrog's own `rt` commands, used as people's scripts use them."""

import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.registry import LOCAL, Registry
from tests.parts.images import Layout, hello_layer
from tests.parts.presence import tool
from tests.parts.processes import run

REPO = "generic-local"
BIG = os.urandom(12 << 20)
Rt = Callable[..., Any]


@pytest.fixture
def rt(registry: Registry, tmp_path: Path, entrepot_only: None) -> Rt:
    """The commands, in a folder with some files; each returns what it printed, read as JSON where it is."""
    source = tmp_path / "src" / "d"
    source.mkdir(parents=True)
    (tmp_path / "src" / "a.txt").write_text("one\n")
    (source / "b.txt").write_text("two\n")
    (tmp_path / "big.bin").write_bytes(BIG)
    (tmp_path / "src" / "link").symlink_to("a.txt")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "one\n")
        archive.writestr("d/b.txt", "two\n")
    account = (f"--url={registry.url}/artifactory", f"--user={registry.user}", f"--password={registry.password}")
    environment = {
        "JFROG_CLI_HOME_DIR": str(tmp_path / "jfrog"),
        "CI": "true",
        "JFROG_CLI_LOG_LEVEL": "ERROR",
        "HOME": str(tmp_path),
    }

    def command(*arguments: str) -> Any:
        printed = run([tool("jf-rt"), "rt", *arguments, *account], env=environment, cwd=tmp_path).out
        try:
            return json.loads(printed)
        except ValueError:
            return printed.strip()

    return command


def paths(found: Any) -> list[str]:
    return sorted(one["path"] for one in found)


def done(told: Any) -> int:
    assert told["totals"]["failure"] == 0, told
    count: int = told["totals"]["success"]
    return count


def test_ping(rt: Rt) -> None:
    assert rt("ping") == "OK"


def test_files_are_uploaded_with_placeholders_and_properties_and_found(rt: Rt) -> None:
    assert done(rt("u", "src/(*).txt", f"{REPO}/up/{{1}}-x.txt", "--target-props=k=v;m=1,2", "--flat=true")) == 2
    found = rt("s", f"{REPO}/up/*")
    assert paths(found) == [f"{REPO}/up/a-x.txt", f"{REPO}/up/d/b-x.txt"]
    assert found[0]["props"] == {"k": ["v"], "m": ["1", "2"]}
    assert rt("s", "--props=m=2", f"{REPO}/up/*", "--count=true") == 2
    assert done(rt("u", "(src)/.*[.]txt", f"{REPO}/re/", "--regexp=true", "--flat=true")) == 2
    assert done(rt("u", "src/*", f"{REPO}/some/", "--exclusions=*b.txt;*link")) == 1


def test_a_second_upload_of_the_same_bytes_sends_none(rt: Rt) -> None:
    assert done(rt("u", "big.bin", f"{REPO}/big/", "--flat=true")) == 1
    assert done(rt("u", "big.bin", f"{REPO}/big/copy.bin", "--flat=true")) == 1


def test_a_large_file_comes_in_ranges_and_whole(rt: Rt, tmp_path: Path) -> None:
    rt("u", "big.bin", f"{REPO}/split/", "--flat=true")
    assert done(rt("dl", f"{REPO}/split/big.bin", "out/", "--min-split=1000", "--split-count=3", "--flat=true")) == 1
    assert (tmp_path / "out" / "big.bin").read_bytes() == BIG


def test_archives_are_taken_apart_on_either_side(rt: Rt, tmp_path: Path) -> None:
    rt("u", "x.zip", f"{REPO}/ex/x.zip", "--explode=true")
    assert paths(rt("s", f"{REPO}/ex/*")) == [f"{REPO}/ex/a.txt", f"{REPO}/ex/d/b.txt"]
    rt("u", "x.zip", f"{REPO}/arch/")
    assert done(rt("dl", f"{REPO}/arch/x.zip", "apart/", "--explode=true", "--flat=true")) == 1
    assert (tmp_path / "apart" / "d" / "b.txt").read_text() == "two\n"


def test_symbolic_links_are_kept_as_such(rt: Rt, tmp_path: Path) -> None:
    rt("u", "src/link", f"{REPO}/sym/", "--symlinks=true", "--flat=true")
    (found,) = rt("s", f"{REPO}/sym/*")
    assert found["props"]["symlink.dest"] == ["a.txt"]


def test_properties_are_set_and_deleted(rt: Rt) -> None:
    rt("u", "src/*.txt", f"{REPO}/props/", "--flat=true")
    assert done(rt("sp", f"{REPO}/props/*", "p=q;r=1,2")) == 2
    assert rt("s", "--props=p=q", f"{REPO}/props/*", "--count=true") == 2
    assert done(rt("delp", f"{REPO}/props/*", "p")) == 2
    assert rt("s", "--props=p=q", f"{REPO}/props/*", "--count=true") == 0


def test_copy_move_and_delete(rt: Rt) -> None:
    rt("u", "src/*.txt", f"{REPO}/from/", "--flat=true")
    assert done(rt("cp", f"{REPO}/from/*", f"{REPO}/copied/", "--flat=true")) == 2
    assert done(rt("mv", f"{REPO}/copied/*", f"{REPO}/moved/", "--flat=true")) == 2
    assert paths(rt("s", f"{REPO}/moved/*")) == [f"{REPO}/moved/a.txt", f"{REPO}/moved/b.txt"]
    assert rt("s", f"{REPO}/copied/*") == []
    assert done(rt("del", f"{REPO}/moved/", "--quiet=true")) >= 1
    assert rt("s", f"{REPO}/moved/*") == []


def test_what_is_no_longer_there_is_deleted_by_a_sync(rt: Rt, tmp_path: Path) -> None:
    rt("u", "src/*.txt", f"{REPO}/sync/", "--flat=true")
    (tmp_path / "src" / "d" / "b.txt").unlink()
    rt("u", "src/*.txt", f"{REPO}/sync/", "--flat=true", f"--sync-deletes={REPO}/sync/", "--quiet=true")
    assert paths(rt("s", f"{REPO}/sync/*")) == [f"{REPO}/sync/a.txt"]


def test_sorted_limited_and_by_a_file_spec_with_aql(rt: Rt, tmp_path: Path) -> None:
    rt("u", "src/*.txt", f"{REPO}/spec/", "--flat=true", "--target-props=spec=1")
    (found,) = rt("s", f"{REPO}/spec/*", "--sort-by=name", "--sort-order=desc", "--limit=1")
    assert found["path"] == f"{REPO}/spec/b.txt"
    spec = {"files": [{"aql": {"items.find": {"repo": REPO, "@spec": "1", "$or": [{"name": {"$match": "a*"}}]}}}]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert paths(rt("s", "--spec=spec.json")) == [f"{REPO}/spec/a.txt"]
    assert rt("s", f"{REPO}/spec/*", "--project=default", "--count=true") == 2


def test_entries_of_archives_are_searched_and_downloaded(rt: Rt, tmp_path: Path) -> None:
    rt("u", "x.zip", f"{REPO}/entries/", "--flat=true")
    until = time.monotonic() + 60
    while not (found := rt("s", f"{REPO}/entries/*", "--archive-entries=d/b.txt")):
        assert time.monotonic() < until, "the archive was not indexed"
        time.sleep(0.2)
    assert paths(found) == [f"{REPO}/entries/x.zip"]
    assert rt("s", f"{REPO}/entries/*", "--archive-entries=d/none.txt") == []
    assert done(rt("dl", f"{REPO}/entries/*", "entries/", "--archive-entries=d/b.txt", "--flat=true")) == 1
    assert (tmp_path / "entries" / "x.zip").is_file()  # jf fetches the archives that hold such entries


def test_a_big_file_goes_up_in_parts_at_once(rt: Rt, tmp_path: Path) -> None:
    assert (
        done(rt("u", "big.bin", f"{REPO}/parts/", "--flat=true", "--min-split=5", "--chunk-size=5", "--split-count=3"))
        == 1
    )
    assert done(rt("dl", f"{REPO}/parts/big.bin", "back/", "--flat=true")) == 1
    assert (tmp_path / "back" / "big.bin").read_bytes() == BIG


def test_images_are_promoted_by_tag_and_whole_with_what_an_index_names(
    rt: Rt, registry: Registry, second: str, tmp_path: Path, docker_config: Path
) -> None:
    layout = Layout(tmp_path / "layout")
    images = {one: layout.image(one, [hello_layer()], architecture=one) for one in ("amd64", "arm64")}
    layout.index("both", images)
    for tag in ("amd64", "both"):
        destination = f"docker://{registry.image('jf/promoted', tag)}"
        run([
            tool("skopeo"), "copy", "--all", "--dest-tls-verify=false", f"--authfile={docker_config / 'config.json'}",
            f"oci:{layout.folder}:{tag}", destination,
        ])  # fmt: skip
    digest = registry.digest("jf/promoted", "both")
    one = ("--source-tag=both", "--target-tag=1.0", "--target-docker-image=jf/released", "--copy")
    rt("docker-promote", "jf/promoted", LOCAL, second, *one)
    assert registry.digest("jf/released", "1.0", repository=second) == digest
    for child in images.values():
        assert registry.manifest("jf/released", child, repository=second).status == 200
    rt("docker-promote", "jf/promoted", LOCAL, second)
    assert registry.digest("jf/promoted", "both", repository=second) == digest
    assert registry.manifest("jf/promoted", "amd64", repository=second).status == 200
    assert registry.manifest("jf/promoted", "both").status == 404
