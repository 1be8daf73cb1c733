"""skopeo: copies between registries, repositories and folders, without an engine."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.images import Layout, hello_layer, layer
from tests.parts.presence import tool
from tests.parts.processes import Finished, Word, run

INSECURE: dict[str, Sequence[str]] = {
    "copy": ("--src-tls-verify=false", "--dest-tls-verify=false"),
    "sync": ("--src-tls-verify=false", "--dest-tls-verify=false"),
}


@dataclass(frozen=True, slots=True)
class Skopeo:
    """skopeo with the account signed in."""

    config: Path

    def __call__(self, verb: str, *arguments: Word, fails: bool = False) -> Finished:
        flags = INSECURE.get(verb, ("--tls-verify=false",))
        auth = {"REGISTRY_AUTH_FILE": str(self.config / "config.json")}
        return run([tool("skopeo"), verb, *flags, *arguments], env=auth, fails=fails)


@pytest.fixture
def skopeo(docker_config: Path) -> Skopeo:
    return Skopeo(docker_config)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two images as tags `1` and `2`, an index over both as `multi`."""
    made = Layout(tmp_path / "layout")
    one = made.image("1", [hello_layer(), layer({"file": os.urandom(50_000)})], architecture="amd64")
    two = made.image("2", [hello_layer(), layer({"file": os.urandom(50_000)})], architecture="arm64")
    made.index("multi", {"amd64": one, "arm64": two})
    return made


def tags(skopeo: Skopeo, name: str) -> list[str]:
    listed: list[str] = json.loads(skopeo("list-tags", f"docker://{name}").out)["Tags"]
    return listed


def blobs(layout: Path) -> dict[str, bytes]:
    """Every file of a layout's blob folder."""
    return {path.name: path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}


def test_an_index_with_its_images_is_copied_in_between_repositories_and_out_byte_for_byte(
    skopeo: Skopeo, registry: Registry, second: str, layout: Layout
) -> None:
    source = f"docker://{registry.image('skopeo/app')}"
    target = f"docker://{registry.image('skopeo/copied', repository=second)}"
    skopeo("copy", "--all", f"oci:{layout.folder}:multi", source)
    skopeo("copy", "--all", source, target)
    skopeo("copy", "--all", target, f"oci:{layout.folder.parent / 'out'}:multi")
    assert blobs(layout.folder.parent / "out") == blobs(layout.folder)
    assert registry.digest("skopeo/copied", repository=second) == registry.digest("skopeo/app")


def test_a_copy_may_change_the_manifest_format(skopeo: Skopeo, registry: Registry, layout: Layout) -> None:
    reference = f"docker://{registry.image('skopeo/v2s2')}"
    skopeo("copy", "--format", "v2s2", f"oci:{layout.folder}:1", reference)
    raw = json.loads(skopeo("inspect", "--raw", reference).out)
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert json.loads(skopeo("inspect", reference).out)["Architecture"] == "amd64"


def test_tags_are_listed_in_order_and_a_deleted_image_is_gone(
    skopeo: Skopeo, registry: Registry, layout: Layout
) -> None:
    name = registry.image("skopeo/tags").removesuffix(":1")
    for source, tag in (("2", "b"), ("1", "a"), ("2", "c")):
        skopeo("copy", f"oci:{layout.folder}:{source}", f"docker://{name}:{tag}")
    assert tags(skopeo, name) == ["a", "b", "c"]

    skopeo("delete", f"docker://{name}:b")

    # skopeo resolves the tag and deletes its digest, so every tag of that image goes.
    assert tags(skopeo, name) == ["a"]
    assert "manifest unknown" in skopeo("inspect", f"docker://{name}:c", fails=True).err


def test_sync_carries_all_tags_out_to_a_folder_and_into_another_repository(
    skopeo: Skopeo, registry: Registry, second: str, layout: Layout
) -> None:
    name = registry.image("skopeo-sync").removesuffix(":1")
    for tag in ("1", "2"):
        skopeo("copy", f"oci:{layout.folder}:{tag}", f"docker://{name}:{tag}")
    skopeo("sync", "--src", "docker", "--dest", "dir", name, layout.folder.parent / "out")
    skopeo("sync", "--src", "dir", "--dest", "docker", layout.folder.parent / "out", f"{registry.host}/{second}/synced")
    synced = f"{registry.host}/{second}/synced/skopeo-sync"
    assert tags(skopeo, synced) == ["1", "2"]
    for tag in ("1", "2"):
        assert registry.digest("synced/skopeo-sync", tag, repository=second) == registry.digest("skopeo-sync", tag)
