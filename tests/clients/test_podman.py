"""podman: builds, pushes, pulls and runs without an engine."""

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.images import hello_program
from tests.parts.podman import Podman, podman


@pytest.fixture
def client(tmp_path: Path, registry: Registry) -> Iterator[Podman]:
    """podman, signed in."""
    with podman(tmp_path / "auth.json") as signed_in:
        signed_in("login", "--username", registry.user, "--password-stdin", registry.host, stdin=registry.password)
        yield signed_in


def build(client: Podman, folder: Path, reference: str, content: bytes) -> None:
    """Build an image of two layers from nothing: the hello program, and `content` as `/file`."""
    folder.mkdir()
    (folder / "hello").write_bytes(hello_program().read_bytes())
    (folder / "hello").chmod(0o755)
    (folder / "file").write_bytes(content)
    lines = ("FROM scratch", "COPY hello /hello", "COPY file /file", 'ENTRYPOINT ["/hello"]')
    (folder / "Dockerfile").write_text("\n".join(lines))
    client("build", "--layers", "--tag", reference, folder)


def test_an_image_is_built_pushed_removed_pulled_and_run(client: Podman, registry: Registry, tmp_path: Path) -> None:
    reference, content = registry.image("podman/app"), os.urandom(100_000)
    build(client, tmp_path / "context", reference, content)
    client("push", reference)
    client("rmi", "--all", "--force")
    client("pull", reference)
    assert client.run_image(reference, "/file").split() == ["hello", sha256(content).hexdigest()]


def test_a_manifest_list_is_pushed_with_its_images(client: Podman, registry: Registry, tmp_path: Path) -> None:
    reference = registry.image("podman/multi")
    client("manifest", "create", "multi")
    for architecture in ("amd64", "arm64"):
        build(client, tmp_path / architecture, f"localhost/{architecture}", architecture.encode())
        client("manifest", "add", "--arch", architecture, "multi", f"containers-storage:localhost/{architecture}")
    client.push_list("multi", reference)

    listed = json.loads(registry.manifest("podman/multi").body)["manifests"]
    assert {entry["platform"]["architecture"] for entry in listed} == {"amd64", "arm64"}
    assert [registry.digest("podman/multi", entry["digest"]) for entry in listed] == [e["digest"] for e in listed]


def test_a_wrong_password_is_refused(client: Podman, registry: Registry) -> None:
    refused = client("login", "--username", "nobody", "--password-stdin", registry.host, stdin="wrong", fails=True)
    assert "invalid username/password" in refused.err


def test_after_logout_nothing_is_pushed(client: Podman, registry: Registry, tmp_path: Path) -> None:
    build(client, tmp_path / "context", registry.image("podman/private"), b"private")
    client("logout", registry.host)
    refused = client("push", registry.image("podman/private"), fails=True)
    assert any(word in refused.err for word in ("unauthorized", "authentication required", "denied"))
    assert registry.manifest("podman/private").status == 404


def test_search_lists_the_tags_of_an_image(client: Podman, registry: Registry, tmp_path: Path) -> None:
    build(client, tmp_path / "context", registry.image("podman/tags"), b"tags")
    for tag in ("1", "2", "latest"):
        client("push", registry.image("podman/tags"), registry.image("podman/tags", tag))
    name = registry.image("podman/tags").removesuffix(":1")
    found = client("search", "--list-tags", "--tls-verify=false", name)
    assert [line.split()[1] for line in found.out.splitlines()[1:]] == ["1", "2", "latest"]
