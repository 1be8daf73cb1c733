"""crane, and with it the library behind ko, kaniko, tekton and flux."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.images import Layout, hello_layer, layer
from tests.parts.presence import tool
from tests.parts.processes import Finished, Word, run

TAGS = 30


@dataclass(frozen=True, slots=True)
class Crane:
    """crane with the account signed in."""

    config: Path

    def __call__(self, *arguments: Word, fails: bool = False) -> Finished:
        return run([tool("crane"), *arguments], env={"DOCKER_CONFIG": str(self.config)}, fails=fails)


@pytest.fixture
def crane(docker_config: Path) -> Crane:
    return Crane(docker_config)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The layers of a small image, as a layout with one image."""
    layout = Layout(tmp_path / "layout")
    layout.image("1", [hello_layer(), layer({"file": os.urandom(10_000)})])
    return layout.folder


def test_login_stores_credentials_that_work(registry: Registry, tmp_path: Path, archive: Path) -> None:
    crane = Crane(tmp_path / "fresh")
    crane("push", archive, registry.image("crane/login"), fails=True)
    crane("auth", "login", "--username", registry.user, "--password", registry.password, registry.host)
    crane("push", archive, registry.image("crane/login"))
    assert registry.manifest("crane/login").status == 200


def test_a_pushed_image_is_valid_and_comes_back_byte_for_byte(
    crane: Crane, registry: Registry, archive: Path, tmp_path: Path
) -> None:
    reference = registry.image("crane/app")
    crane("push", archive, reference)
    crane("validate", "--remote", reference)
    crane("pull", "--format", "oci", reference, tmp_path / "out")
    assert crane("digest", reference).out.strip() == registry.digest("crane/app")
    pulled = {path.name: path.read_bytes() for path in (tmp_path / "out/blobs/sha256").iterdir()}
    assert pulled == {path.name: path.read_bytes() for path in (archive / "blobs/sha256").iterdir()}


def test_an_image_is_copied_to_another_repository(crane: Crane, registry: Registry, second: str, archive: Path) -> None:
    source, target = registry.image("crane/source"), registry.image("crane/target", repository=second)
    crane("push", archive, source)
    crane("copy", source, target)
    crane("validate", "--remote", target)
    assert crane("digest", target).out == crane("digest", source).out


def test_every_tag_is_listed_and_the_image_is_in_the_catalog(crane: Crane, registry: Registry, archive: Path) -> None:
    reference = registry.image("crane/tags")
    crane("push", archive, reference)
    names = [f"v{number:02}" for number in range(TAGS)]
    for name in names:
        crane("tag", reference, name)
    assert crane("ls", reference.removesuffix(":1")).out.split() == ["1", *names]
    assert "docker-local/crane/tags" in crane("catalog", registry.host).out.split()


def test_a_layer_is_appended_to_an_image_that_is_in_the_registry(
    crane: Crane, registry: Registry, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "more.tar").write_bytes(layer({"more": b"more"}))
    crane("push", archive, registry.image("crane/base"))
    appended = registry.image("crane/appended")
    crane("append", "--base", registry.image("crane/base"), "--new_layer", tmp_path / "more.tar", "--new_tag", appended)
    crane("validate", "--remote", appended)
    assert crane("export", appended, "-").out.count("more") >= 1


def test_an_index_is_put_together_from_images_in_the_registry(crane: Crane, registry: Registry, archive: Path) -> None:
    member, index = registry.image("crane/multi", "member"), registry.image("crane/multi", "all")
    crane("push", archive, member)
    crane("index", "append", "--manifest", member, "--tag", index)
    crane("validate", "--remote", index)
    assert registry.digest("crane/multi", "member") in crane("manifest", index).out


def test_a_deleted_manifest_is_gone(crane: Crane, registry: Registry, archive: Path) -> None:
    reference = registry.image("crane/deleted")
    crane("push", archive, reference)
    crane("delete", f"{reference.removesuffix(':1')}@{registry.digest('crane/deleted')}")
    assert "MANIFEST_UNKNOWN" in crane("manifest", reference, fails=True).err


@pytest.mark.usefixtures("entrepot_only")
def test_what_is_pushed_to_the_virtual_repository_lies_in_the_local_one_and_is_read_through_both(
    crane: Crane, registry: Registry, archive: Path
) -> None:
    pushed = registry.image("crane/virtual", repository="docker")
    crane("push", archive, pushed)
    crane("validate", "--remote", pushed)
    crane("validate", "--remote", registry.image("crane/virtual"))
    assert crane("digest", pushed).out.strip() == registry.digest("crane/virtual")
