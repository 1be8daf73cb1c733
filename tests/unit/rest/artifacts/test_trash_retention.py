"""What was in the trash can for long enough goes, on both engines."""

import httpx
import pytest

from entrepot.artifacts import retention
from entrepot.artifacts.branches import Branches
from entrepot.artifacts.retention import TrashRetention
from entrepot.metadata.open import open_database
from entrepot.metadata.tree import Tree
from entrepot.repositories.catalog import TRASH_KEY, Repositories
from entrepot.settings import Settings
from tests.stores import write


async def test_all_that_is_old_goes_in_one_round_however_much_there_is(
    http: httpx.AsyncClient, repo: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_STEP", 2)
    for name in ("a/1", "a/2", "a/3", "b/c/4", "b/c/young", "5"):
        await http.put(f"/artifactory/{repo}/{name}", content=name.encode())
        await http.delete(f"/artifactory/{repo}/{name}")
    database = await open_database(settings.home, settings.database_url)
    try:
        repositories = Repositories.reading(database)
        await repositories.refresh()
        trash = TrashRetention(database, Branches(database, Tree({})), repositories.get)
        can = repositories.get(TRASH_KEY)
        assert can is not None
        old = (
            "UPDATE item SET updated = 0 WHERE repo_id = :id AND name <> 'young' AND (path = :key OR path LIKE :below)"
        )
        await write(database, old, id=can.id, key=repo, below=f"{repo}/%")
        assert await trash.round() == 5
        assert await trash.round() == 0
    finally:
        await database.close()
    left = await http.get(f"/artifactory/api/storage/{TRASH_KEY}/{repo}?list&deep=1&listFolders=1")
    assert sorted(one["uri"] for one in left.json()["files"]) == ["/b", "/b/c", "/b/c/young"]
