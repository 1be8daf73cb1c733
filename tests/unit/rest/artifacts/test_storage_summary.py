"""The storage summary, as those who watch it parse its texts."""

import re
import shutil
from pathlib import Path

import httpx
import pytest

from entrepot.rest import storage_summary
from entrepot.rest.storage_summary import units

# What the exporter for Prometheus takes for a size, for a share, and for both.
SIZE = r"\d{1,3}(\d|(,\d{3})*(\.\d{1,2})?)? ?(%|bytes|[KMGT]B)?"
SPACE = r"\d{1,3}(\d|(,\d{3})*(\.\d{1,2})?)? ?[KMGT]B \(\d{1,2}(\.\d{1,2})?%\)"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"), (1, "1 bytes"), (1023, "1,023 bytes"), (1024, "1.00 KB"), (1023 << 10, "1,023.00 KB"),
        (1 << 20, "1.00 MB"), (5 << 40, "5.00 TB"), (12345 << 40, "12,345.00 TB"),
    ],
)  # fmt: skip
def test_sizes_are_told_in_units_that_are_parsed(size: int, text: str) -> None:
    assert units(size) == text
    assert re.fullmatch(SIZE, text)


async def test_every_text_of_the_summary_is_parsed_also_where_nothing_is_stored(http: httpx.AsyncClient, repo: str) -> None:
    assert (await http.post("/artifactory/api/storageinfo/calculate")).status_code == 202
    told = (await http.get("/artifactory/api/storageinfo")).json()
    assert [text for text in told["binariesSummary"].values() if not re.fullmatch(SIZE, text)] == []
    empty = next(one for one in told["repositoriesSummaryList"] if one["repoKey"] == repo)
    assert (empty["usedSpace"], empty["usedSpaceInBytes"], empty["percentage"]) == ("0 bytes", 0, "0.00%")
    store = told["fileStoreSummary"]
    assert re.fullmatch(SIZE, store["totalSpace"])
    assert re.fullmatch(SPACE, store["usedSpace"])
    assert re.fullmatch(SPACE, store["freeSpace"])


def test_a_disk_that_is_empty_or_full_is_parsed_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for used in (0, 1 << 40):
        usage = type("Usage", (), {"total": 1 << 40, "used": used or 1024, "free": (1 << 40) - used or 1024})
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        summary = storage_summary.StorageSummaryApi(None, list, tmp_path)._file_store()  # type: ignore[arg-type]
        assert re.fullmatch(SPACE, summary["usedSpace"])
        assert re.fullmatch(SPACE, summary["freeSpace"])
