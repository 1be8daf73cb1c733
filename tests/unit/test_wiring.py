"""What the settings mean to the rooms that are wired with them."""

from pathlib import Path

import pytest

from entrepot.blobs.drivers.files import Files
from entrepot.errors import Unavailable
from entrepot.settings import Settings, load
from entrepot.wiring import blob_folder
from entrepot.worker import build
from tests.served import prepared, settings_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ports = "5001=docker-local,5002=nosuch,5003=docker,5004=generic-local"
    return prepared(settings_of(tmp_path / "home", **{"docker.ports": ports}))


async def test_a_worker_notes_ports_without_a_docker_repository_and_why_the_store_does_not_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: dict[str, str] = {}
    async with build(settings, notes):
        assert notes == {"5002": "nosuch", "5004": "generic-local"}

    async def gone(_driver: Files) -> None:
        raise Unavailable("The disk is gone.")

    monkeypatch.setattr(Files, "probe", gone)
    async with build(settings, notes):
        assert notes["blob.store"] == "The disk is gone."


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///srv/my%20blobs", Path("/srv/my blobs")),
        ("file://localhost/srv/blobs", Path("/srv/blobs")),
        ("s3://bucket/file", None),
        ("memory:", None),
    ],
)
def test_the_folder_whose_volume_is_looked_at_is_the_one_that_is_written_to(
    url: str, folder: Path | None, tmp_path: Path
) -> None:
    assert blob_folder(load({"home": str(tmp_path), "blob.store": url}, {}).settings) == folder
