"""containerd, as Kubernetes uses it: no ping, scopes from the challenge, one PUT for each blob."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.containerd import Ctr, containerd
from tests.parts.images import Layout, hello_layer, layer


@pytest.fixture(scope="module")
def ctr(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Ctr]:
    """A private containerd that knows the registry."""
    with containerd(tmp_path_factory.mktemp("containerd")) as client:
        client.describe(registry.host, registry.url)
        yield client


def import_image(ctr: Ctr, folder: Path, reference: str, content: bytes) -> None:
    """Make an image that holds `content` as `/file` known to containerd as `reference`."""
    layout = Layout(folder / "layout")
    layout.image("1", [hello_layer(), layer({"file": content})])
    ctr("images", "import", "--index-name", reference, layout.archive(folder / "image"))
    imported = next(line for line in ctr("images", "ls", "-q").out.split() if line != reference)
    ctr("images", "tag", "--force", imported, reference)
    ctr("images", "rm", imported)


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_an_image_is_pushed_forgotten_pulled_and_run(ctr: Ctr, registry: Registry, tmp_path: Path, size: int) -> None:
    reference, content = registry.image(f"ctr/app{size}"), os.urandom(size)
    import_image(ctr, tmp_path, reference, content)
    ctr.push(reference, user=registry.credentials)
    ctr.forget(reference)
    ctr.pull(reference, user=registry.credentials)
    ran = ctr("run", "--rm", "--net-host", reference, f"t{size}", "/hello", "/file")
    assert ran.out.split() == ["hello", sha256(content).hexdigest()]
    ctr.forget(reference)


def test_nobody_pulls_without_credentials(ctr: Ctr, registry: Registry, tmp_path: Path) -> None:
    reference = registry.image("ctr/private")
    import_image(ctr, tmp_path, reference, b"private")
    ctr.push(reference, user=registry.credentials)
    ctr.forget(reference)
    refused = ctr("images", "pull", "--hosts-dir", ctr.hosts, reference, fails=True)
    assert any(word in refused.err for word in ("401", "authorization", "insufficient_scope"))


@pytest.mark.usefixtures("entrepot_only")
def test_a_repository_is_reached_at_its_artifactory_address(ctr: Ctr, registry: Registry, tmp_path: Path) -> None:
    # A mirror entry as people write it: the image name has no repository key, the path has.
    name = "mirror.example.test"
    ctr.describe(name, f"{registry.url}/artifactory/api/docker/docker-local/v2", override_path=True)
    import_image(ctr, tmp_path, f"{name}/ctr/mirrored:1", b"mirrored")
    ctr.push(f"{name}/ctr/mirrored:1", user=registry.credentials)
    ctr.forget(f"{name}/ctr/mirrored:1")
    ctr.pull(f"{name}/ctr/mirrored:1", user=registry.credentials)
    assert registry.manifest("ctr/mirrored").status == 200
