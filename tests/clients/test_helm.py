"""helm: charts as OCI artifacts."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.presence import tool
from tests.parts.processes import Finished, Word, run

HTTP = "--plain-http"


@dataclass(frozen=True, slots=True)
class Helm:
    """helm with all its folders below `folder`."""

    folder: Path

    def __call__(self, *arguments: Word, stdin: str = "", fails: bool = False) -> Finished:
        homes = {f"HELM_{kind}_HOME": str(self.folder / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA")}
        return run([tool("helm"), *arguments], env=homes, cwd=self.folder, stdin=stdin, fails=fails)


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(tmp_path)


@pytest.fixture
def signed_in(helm: Helm, registry: Registry) -> Helm:
    """helm, signed in by its own command."""
    login = ("registry", "login", HTTP, "--username", registry.user, "--password-stdin", registry.host)
    helm(*login, stdin=registry.password)
    return helm


def package(helm: Helm, name: str, *versions: str) -> list[Path]:
    """Make a chart in each of `versions`."""
    helm("create", name)
    (helm.folder / "out").mkdir()
    for version in versions:
        helm("package", name, "--version", version)
    return [helm.folder / f"{name}-{version}.tgz" for version in versions]


def test_a_chart_is_pushed_shown_and_pulled(signed_in: Helm, registry: Registry, tmp_path: Path) -> None:
    (chart,) = package(signed_in, "chart", "0.1.0")
    folder = f"oci://{registry.host}/docker-local/helm"
    signed_in("push", HTTP, chart, folder)
    shown = signed_in("show", "chart", HTTP, f"{folder}/chart", "--version", "0.1.0")
    signed_in("pull", HTTP, f"{folder}/chart", "--version", "0.1.0", "--destination", tmp_path / "out")
    assert "name: chart" in shown.out
    assert (tmp_path / "out" / chart.name).read_bytes() == chart.read_bytes()


def test_the_newest_version_is_found_among_the_tags_and_a_plus_sign_survives(
    signed_in: Helm, registry: Registry, tmp_path: Path
) -> None:
    charts = package(signed_in, "versions", "1.9.0", "1.10.0", "1.10.1+build.5")
    folder = f"oci://{registry.host}/docker-local/helm"
    for chart in charts:
        signed_in("push", HTTP, chart, folder)
    signed_in("pull", HTTP, f"{folder}/versions", "--version", "~1.10", "--destination", tmp_path / "out")
    signed_in("pull", HTTP, f"{folder}/versions", "--version", "<1.10", "--destination", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {charts[0].name, charts[2].name}
    assert registry.manifest("helm/versions", "1.10.1_build.5").status == 200


def test_a_wrong_password_is_refused_and_nothing_is_pushed_without_one(helm: Helm, registry: Registry) -> None:
    (chart,) = package(helm, "private", "0.1.0")
    login = ("registry", "login", HTTP, "--username", "nobody", "--password-stdin", registry.host)
    refused = helm(*login, stdin="wrong", fails=True).err.lower()
    assert "401" in refused or "unauthorized" in refused
    helm("push", HTTP, chart, f"oci://{registry.host}/docker-local/helm", fails=True)
    assert registry.manifest("helm/private", "0.1.0").status == 404
