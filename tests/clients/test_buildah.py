"""buildah: images made step by step, pushed in both manifest formats."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.images import hello_program
from tests.parts.podman import Podman, buildah

FORMATS = {
    "oci": "application/vnd.oci.image.manifest.v1+json",
    "v2s2": "application/vnd.docker.distribution.manifest.v2+json",
}


@pytest.fixture
def client(tmp_path: Path, registry: Registry) -> Iterator[Podman]:
    """buildah, signed in."""
    with buildah(tmp_path / "auth.json") as signed_in:
        signed_in("login", "--username", registry.user, "--password-stdin", registry.host, stdin=registry.password)
        yield signed_in


def commit(client: Podman, reference: str, content: Path) -> None:
    """Make an image from nothing: the hello program, and a file."""
    container = client("from", "scratch").out.strip()
    client("copy", container, hello_program(), "/hello")
    client("copy", container, content, "/file")
    client("config", "--entrypoint", '["/hello"]', container)
    client("commit", "--rm", container, reference)


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_is_pushed_in_the_format_asked_for_and_is_a_base_again(
    client: Podman, registry: Registry, tmp_path: Path, form: str
) -> None:
    reference = registry.image(f"buildah/{form}")
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    commit(client, reference, tmp_path / "file")
    client("push", "--format", form, reference)
    client("rmi", "--all", "--force")

    container = client("from", "--tls-verify=false", f"docker://{reference}").out.strip()

    mounted = Path(client("mount", container).out.strip())
    assert (mounted / "file").read_bytes() == (tmp_path / "file").read_bytes()
    client("umount", container)
    client("rm", container)
    pushed = registry.manifest(f"buildah/{form}")
    assert pushed.headers["content-type"] == FORMATS[form]
    assert json.loads(pushed.body)["mediaType"] == FORMATS[form]
