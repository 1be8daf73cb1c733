"""What the settings mean to the rooms that are wired with them."""

from pathlib import Path

import pytest

from entrepot.settings import load
from entrepot.wiring import blob_folder


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
