"""A layer of one GiB, from the Docker engine and to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.dockerd import Docker, dockerd
from tests.parts.images import Layout, write_big_layer
from tests.parts.presence import tool
from tests.parts.processes import Word, run, short_folder

GIB = 1 << 30


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Docker]:
    """A private engine whose client is signed in."""
    with dockerd(tmp_path_factory.mktemp("docker")) as engine:
        registry.sign_in(engine.config)
        yield engine


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that is removed at once, unlike pytest's own."""
    with short_folder("large") as folder:
        yield folder


def test_the_engine_pushes_a_layer_of_one_gib_and_pulls_it_back(
    docker: Docker, registry: Registry, scratch: Path
) -> None:
    # The engine compresses what it pushes, at 20 MB/s when it finds nothing to save; a quarter is enough to travel.
    reference = registry.image("large")
    big = write_big_layer(scratch / "layer.tar", GIB, random_part=0.25)
    docker("import", "--change", 'ENTRYPOINT ["/hello"]', scratch / "layer.tar", reference)
    docker("push", reference)
    docker.forget()
    docker("pull", reference)
    assert docker("run", "--rm", "--network", "host", reference, "/big").out.split() == ["hello", big]


def test_one_gib_on_the_wire_in_one_layer_reaches_the_engine(docker: Docker, registry: Registry, scratch: Path) -> None:
    reference = registry.image("large-wire")
    layout = Layout(scratch / "layout")
    layer, big = layout.big_layer(GIB)
    layout.image_of("1", [layer], [str(layer["digest"])])
    copy: list[Word] = [tool("skopeo"), "copy", "--dest-tls-verify=false", "--dest-creds", registry.credentials]
    run([*copy, f"oci:{layout.folder}:1", f"docker://{reference}"], seconds=300)
    docker.forget()
    docker("pull", reference)
    assert docker("run", "--rm", "--network", "host", reference, "/big").out.split() == ["hello", big]
