"""The Dockerfile, built by the engine on a base that is made here: Debian, where its packages can be had; and what it serves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.dockerd import Docker, dockerd
from tests.parts.presence import missing, root_on_linux, tool
from tests.parts.processes import answers, free_port, run, wait_until

CHECKOUT = Path(__file__).parents[2]
BASE = "entrepot-test-base"
TRUST = ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf")
"""What this machine needs to reach its package index, where it has such files."""


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with dockerd(tmp_path_factory.mktemp("docker")) as engine:
        yield engine


@pytest.fixture(scope="module")
def base(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with Debian's Python, as the registry of such images cannot be asked here."""
    root_on_linux("debootstrap")
    if not Path("/etc/debian_version").exists():
        missing("the base image is made of Debian's packages")
    folder = tmp_path_factory.mktemp("base") / "root"
    packages = "--include=python3,python3-venv,ca-certificates"
    run([tool("debootstrap"), "--variant=minbase", packages, "bookworm", folder], seconds=900)
    for name in TRUST:
        if (Path("/") / name).is_file():
            shutil.copy(Path("/") / name, folder / name)
    archive = folder.with_suffix(".tar")
    run([tool("tar"), "-C", folder, "-cf", archive, "."])
    docker("import", archive, BASE)
    shutil.rmtree(folder, ignore_errors=True)
    archive.unlink()
    return BASE


def test_the_image_is_built_and_serves_as_a_user_of_its_own(docker: Docker, base: str, tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Dockerfile", "pyproject.toml", "README.md", "LICENSE", "packaging", "src"):
        source = CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    docker("build", "--network", "host", "--build-arg", f"BASE={base}", "--tag", "entrepot", folder, seconds=900)
    assert docker("run", "--rm", "entrepot", "version").out.startswith("entrepot ")
    port = free_port()
    here = ("--host", "127.0.0.1", "--port", str(port))
    docker("run", "--detach", "--name", "served", "--network", "host", "entrepot", "serve", *here)
    try:
        assert wait_until(lambda: answers(f"http://127.0.0.1:{port}/artifactory/api/system/ping"), seconds=60)
        assert docker("exec", "served", "id", "-un").out.strip() == "entrepot"
        assert "admin.password" in docker("exec", "served", "ls", "/var/lib/entrepot").out
    finally:
        docker("stop", "--time", "30", "served")
    assert docker("inspect", "--format", "{{.State.ExitCode}}", "served").out.strip() == "0"
