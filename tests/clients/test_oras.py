"""oras: files as artifacts, and what is attached to them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.presence import tool
from tests.parts.processes import Finished, Word, run


@dataclass(frozen=True, slots=True)
class Oras:
    """oras with credentials of its own; it runs in `folder`, because it takes relative file names only."""

    config: Path
    folder: Path

    def __call__(self, *arguments: Word, stdin: str = "", fails: bool = False) -> Finished:
        self.folder.mkdir(exist_ok=True)
        argv = [tool("oras"), *arguments]
        return run(argv, env={"DOCKER_CONFIG": str(self.config)}, cwd=self.folder, stdin=stdin, fails=fails)


@pytest.fixture
def oras(registry: Registry, tmp_path: Path) -> Oras:
    """oras, signed in by its own command."""
    client = Oras(tmp_path / "oras-config", tmp_path / "work")
    login = ("login", "--plain-http", "--username", registry.user, "--password-stdin", registry.host)
    client(*login, stdin=registry.password)
    return client


def push(oras: Oras, reference: str, content: bytes) -> str:
    """Push `content` as an artifact of one file; its digest."""
    (oras.folder / "file").write_bytes(content)
    kind = ("--artifact-type", "application/x.thing")
    pushed = oras("push", "--plain-http", *kind, "--format", "json", reference, "file:application/octet-stream")
    return str(json.loads(pushed.out)["digest"])


def test_a_wrong_password_is_refused(registry: Registry, tmp_path: Path) -> None:
    client = Oras(tmp_path / "config", tmp_path / "work")
    login = ("login", "--plain-http", "--username", "nobody", "--password-stdin", registry.host)
    assert "unauthorized" in client(*login, stdin="wrong", fails=True).err.lower()


def test_a_pushed_artifact_comes_back_as_it_was(oras: Oras, registry: Registry, tmp_path: Path) -> None:
    reference, content = registry.image("oras/file"), os.urandom(300_000)
    digest = push(oras, reference, content)
    oras("pull", "--plain-http", "--output", tmp_path / "out", reference)
    assert (tmp_path / "out" / "file").read_bytes() == content
    assert digest == registry.digest("oras/file")


def test_what_is_attached_is_discovered_as_a_tree_and_by_type(oras: Oras, registry: Registry) -> None:
    reference = registry.image("oras/attached")
    push(oras, reference, b"thing")
    (oras.folder / "sbom.json").write_text("{}")
    (oras.folder / "sbom.sig").write_text("signature")
    attach = ("attach", "--plain-http", "--format", "json", "--artifact-type")
    sbom = json.loads(oras(*attach, "application/spdx+json", reference, "sbom.json").out)["reference"]
    oras(*attach, "application/x.signature", sbom, "sbom.sig")

    discover = ("discover", "--plain-http", "--format", "json")
    tree = json.loads(oras(*discover, reference).out)["referrers"]
    filtered = json.loads(oras(*discover, "--artifact-type", "application/x.other", reference).out)

    assert [entry["reference"] for entry in tree] == [sbom]
    assert [entry["artifactType"] for entry in tree[0]["referrers"]] == ["application/x.signature"]
    assert not filtered.get("referrers")


def test_all_that_is_attached_is_discovered_also_when_it_is_large(oras: Oras, registry: Registry) -> None:
    reference = registry.image("oras/large")
    push(oras, reference, b"thing")
    (oras.folder / "note").write_text("note")
    attached = []
    for n in range(4):
        notes = {"$manifest": {"note": f"{n}" + "x" * 1_500_000}}
        (oras.folder / "notes.json").write_text(json.dumps(notes))
        attach = ("attach", "--plain-http", "--format", "json", "--artifact-type", "application/x.note")
        told = oras(*attach, "--annotation-file", "notes.json", reference, "note").out
        attached.append(json.loads(told)["reference"])

    found = json.loads(oras("discover", "--plain-http", "--format", "json", reference).out)["referrers"]

    assert sorted(entry["reference"] for entry in found) == sorted(attached)


def test_an_artifact_is_copied_with_all_that_is_attached(oras: Oras, registry: Registry, second: str) -> None:
    source, target = registry.image("oras/source"), registry.image("oras/target", repository=second)
    push(oras, source, b"thing")
    (oras.folder / "note").write_text("note")
    oras("attach", "--plain-http", "--artifact-type", "application/x.note", source, "note")
    oras("copy", "--recursive", "--from-plain-http", "--to-plain-http", source, target)
    found = json.loads(oras("discover", "--plain-http", "--format", "json", target).out)["referrers"]
    assert [entry["artifactType"] for entry in found] == ["application/x.note"]
    assert registry.digest("oras/target", repository=second) == registry.digest("oras/source")


def test_tags_are_added_and_listed_and_a_deleted_manifest_is_gone(oras: Oras, registry: Registry) -> None:
    reference = registry.image("oras/tags")
    name = reference.removesuffix(":1")
    digest = push(oras, reference, b"thing")
    oras("tag", "--plain-http", reference, "2", "latest")
    assert oras("repo", "tags", "--plain-http", name).out.split() == ["1", "2", "latest"]
    oras("manifest", "delete", "--plain-http", "--force", f"{name}@{digest}")
    assert "not found" in oras("manifest", "fetch", "--plain-http", reference, fails=True).err


def test_a_blob_is_pushed_and_fetched_alone(oras: Oras, registry: Registry) -> None:
    name, content = registry.image("oras/blob").removesuffix(":1"), os.urandom(10_000)
    (oras.folder / "blob").write_bytes(content)
    pushed = json.loads(oras("blob", "push", "--plain-http", "--descriptor", name, "blob").out)
    oras("blob", "fetch", "--plain-http", "--output", "again", f"{name}@{pushed['digest']}")
    assert (oras.folder / "again").read_bytes() == content
