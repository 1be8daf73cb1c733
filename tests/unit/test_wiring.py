"""What the settings mean to the rooms that are wired with them."""

import asyncio
import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.mark import Mark, NotThisStore
from entrepot.errors import TooMany, Unavailable
from entrepot.metadata.open import open_database
from entrepot.periodic import in_background
from entrepot.settings import Settings
from entrepot.settings_sources import load
from entrepot.store import blob_folder
from entrepot.worker import build
from tests.served import prepared, served, settings_of
from tests.stores import value, write


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


async def test_what_is_stored_first_is_kept_no_longer_than_the_settings_say(tmp_path: Path) -> None:
    settings = await asyncio.to_thread(prepared, settings_of(tmp_path / "home", **{"gc.grace.seconds": "7"}))
    async with served(settings) as client:
        assert (await client.put("/artifactory/generic-local/first", content=b"1")).status_code == 201
    database = await open_database(settings.home, "")
    assert await value(database, "SELECT keep_until - created FROM blob") == 7000
    await database.close()


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


async def test_a_store_that_cannot_be_marked_for_now_keeps_nobody_from_reading(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Mark, "write", full)
        async with build(settings):
            assert not (settings.home / "blobs" / "@entrepot").exists()
    async with build(settings):
        assert (settings.home / "blobs" / "@entrepot").exists()


async def test_a_first_start_of_this_version_without_the_volume_is_refused(settings: Settings) -> None:
    database = await open_database(settings.home, "")
    await write(
        database,
        "INSERT INTO blob (sha256, sha1, md5, size, storage_key, created, keep_until) VALUES (:a, :a, :a, 1, 'w/h/k', 0, 0)",
        a=b"a",
    )
    await database.close()
    with pytest.raises(NotThisStore, match="none of the objects that the database names; is the volume mounted"):
        async with build(settings):
            pass


async def test_periodic_work_that_others_keep_from_beginning_is_one_line_and_is_tried_again() -> None:
    tried, thrice = 0, asyncio.Event()

    async def refused() -> None:
        nonlocal tried
        tried += 1
        if tried == 3:
            thrice.set()
        raise TooMany(seconds=5)

    with capture_logs() as told:
        async with in_background((0.001, refused, "counting")):
            await asyncio.wait_for(thrice.wait(), 30)
    line = {"work": "counting", "reason": "Too many requests; try again in 5 second(s).", "log_level": "warning"}
    assert told == [{"event": "background.unavailable", **line}]
