"""regctl: the client that reads the specification most closely."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.images import Layout, hello_layer, layer
from tests.parts.presence import tool
from tests.parts.processes import Finished, Word, run


@dataclass(frozen=True, slots=True)
class Regctl:
    """regctl with a configuration of its own."""

    config: Path

    def __call__(self, *arguments: Word, stdin: str = "", fails: bool = False) -> Finished:
        return run([tool("regctl"), *arguments], env={"REGCTL_CONFIG": str(self.config)}, stdin=stdin, fails=fails)


@pytest.fixture
def regctl(registry: Registry, tmp_path: Path) -> Regctl:
    """regctl, signed in, and told that the registry speaks plain HTTP."""
    client = Regctl(tmp_path / "regctl.json")
    client("registry", "set", "--skip-check", "--tls=disabled", registry.host)
    client("registry", "login", "--user", registry.user, "--pass-stdin", registry.host, stdin=registry.password)
    return client


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An image as tag `1`, and an index over it as `multi`."""
    made = Layout(tmp_path / "layout")
    one = made.image("1", [hello_layer(), layer({"file": os.urandom(10_000)})])
    made.index("multi", {"amd64": one})
    return made


def test_a_wrong_password_is_refused(registry: Registry, tmp_path: Path) -> None:
    client = Regctl(tmp_path / "regctl.json")
    client("registry", "set", "--skip-check", "--tls=disabled", registry.host)
    refused = client("registry", "login", "--user", "nobody", "--pass-stdin", registry.host, stdin="no", fails=True)
    assert "unauthorized" in refused.all.lower()


def test_an_index_is_copied_in_between_repositories_and_out(
    regctl: Regctl, registry: Registry, second: str, layout: Layout
) -> None:
    source, target = registry.image("regctl/app"), registry.image("regctl/copied", repository=second)
    out = layout.folder.parent / "out"
    regctl("image", "copy", f"ocidir://{layout.folder}:multi", source)
    regctl("image", "copy", source, target)
    regctl("image", "copy", target, f"ocidir://{out}:multi")
    assert regctl("image", "digest", target).out.strip() == registry.digest("regctl/app")
    stored = {path.name: path.read_bytes() for path in (layout.folder / "blobs/sha256").iterdir()}
    assert {path.name: path.read_bytes() for path in (out / "blobs/sha256").iterdir()} == stored


def test_a_tag_is_deleted_without_its_manifest(regctl: Regctl, registry: Registry, layout: Layout) -> None:
    name = registry.image("regctl/tags").removesuffix(":1")
    for tag in ("a", "b"):
        regctl("image", "copy", f"ocidir://{layout.folder}:1", f"{name}:{tag}")
    digest = registry.digest("regctl/tags", "a")
    regctl("tag", "delete", f"{name}:a")
    assert regctl("tag", "ls", name).out.split() == ["b"]
    assert registry.digest("regctl/tags", digest) == digest
    regctl("manifest", "head", f"{name}:a", fails=True)


def test_a_manifest_and_a_blob_are_read_and_deleted(regctl: Regctl, registry: Registry, layout: Layout) -> None:
    reference = registry.image("regctl/parts")
    name = reference.removesuffix(":1")
    regctl("image", "copy", f"ocidir://{layout.folder}:1", reference)
    digest = regctl("manifest", "head", reference).out.strip()
    config = json.loads(regctl("manifest", "get", "--format", "raw-body", reference).out)["config"]["digest"]
    assert json.loads(regctl("blob", "get", name, config).out)["os"] == "linux"

    regctl("manifest", "delete", f"{name}@{digest}")

    regctl("manifest", "head", reference, fails=True)
    regctl("blob", "delete", name, config)
    regctl("blob", "head", name, config, fails=True)


def test_an_artifact_with_a_subject_is_listed_by_its_type(regctl: Regctl, registry: Registry, layout: Layout) -> None:
    reference = registry.image("regctl/signed")
    regctl("image", "copy", f"ocidir://{layout.folder}:1", reference)
    for kind in ("sbom", "signature"):
        regctl("artifact", "put", "--artifact-type", f"application/x.{kind}", "--subject", reference, stdin=kind)

    listed = json.loads(regctl("artifact", "list", "--format", "{{json .}}", reference).out)["descriptors"]
    only = ["--filter-artifact-type", "application/x.sbom", "--format", "{{json .}}"]
    filtered = json.loads(regctl("artifact", "list", *only, reference).out)["descriptors"]

    assert sorted(entry["artifactType"] for entry in listed) == ["application/x.sbom", "application/x.signature"]
    assert [entry["artifactType"] for entry in filtered] == ["application/x.sbom"]
    assert regctl("artifact", "get", "--subject", reference, *only[:2]).out == "sbom"


def test_the_images_of_the_registry_are_listed(regctl: Regctl, registry: Registry, layout: Layout) -> None:
    regctl("image", "copy", f"ocidir://{layout.folder}:1", registry.image("regctl/listed"))
    assert "docker-local/regctl/listed" in regctl("repo", "ls", registry.host).out.split()
