"""What others do between the look at a folder and the change of it, over HTTP, on both engines."""

from collections.abc import Awaitable, Callable, Sequence

import httpx
import pytest

from entrepot.artifacts.journeys import Count, Journey, Journeys
from entrepot.metadata.items import Item

Happening = Callable[[], Awaitable[object]]
Meanwhile = Callable[[Happening], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Let something happen once files were looked at, and before the transaction over them."""
    step = Journeys._step

    def arrange(happening: Happening) -> None:
        async def after_the_look(journeys: Journeys, journey: Journey, items: Sequence[Item], count: Count) -> None:
            if items[0].is_file:
                monkeypatch.setattr(Journeys, "_step", step)
                await happening()
            await step(journeys, journey, items, count)

        monkeypatch.setattr(Journeys, "_step", after_the_look)

    return arrange


async def test_a_move_takes_what_was_deployed_meanwhile(
    http: httpx.AsyncClient, repo: str, meanwhile: Meanwhile
) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"old")
    meanwhile(lambda: http.put(f"/artifactory/{repo}/a.txt", content=b"new"))
    assert (await http.post(f"/artifactory/api/move/{repo}/a.txt?to=/{repo}/b.txt")).status_code == 200
    assert (await http.get(f"/artifactory/{repo}/b.txt")).content == b"new"
    assert (await http.get(f"/artifactory/{repo}/a.txt")).status_code == 404


async def test_what_was_deployed_over_a_file_that_is_being_deleted_is_in_the_trash(
    http: httpx.AsyncClient, repo: str, meanwhile: Meanwhile
) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"old")
    meanwhile(lambda: http.put(f"/artifactory/{repo}/a.txt", content=b"new"))
    assert (await http.delete(f"/artifactory/{repo}/a.txt")).status_code == 204
    assert (await http.get(f"/artifactory/auto-trashcan/{repo}/a.txt")).content == b"new"


async def test_a_file_that_went_meanwhile_is_not_moved(
    http: httpx.AsyncClient, repo: str, meanwhile: Meanwhile
) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"old")
    meanwhile(lambda: http.delete(f"/artifactory/{repo}/a.txt"))
    assert (await http.post(f"/artifactory/api/move/{repo}/a.txt?to=/{repo}/b.txt")).status_code == 404
    assert (await http.get(f"/artifactory/{repo}/b.txt")).status_code == 404


async def test_a_file_that_went_from_a_folder_meanwhile_is_not_moved_with_it(
    http: httpx.AsyncClient, repo: str, meanwhile: Meanwhile
) -> None:
    await http.put(f"/artifactory/{repo}/d/a.txt", content=b"old")
    await http.put(f"/artifactory/{repo}/d/b.txt", content=b"stays")
    meanwhile(lambda: http.delete(f"/artifactory/{repo}/d/a.txt"))
    answer = await http.post(f"/artifactory/api/move/{repo}/d?to=/{repo}/e")
    assert "1 artifacts and 1 folders were moved" in answer.json()["messages"][0]["message"]
    assert (await http.get(f"/artifactory/{repo}/e/a.txt")).status_code == 404
    assert (await http.get(f"/artifactory/{repo}/e/b.txt")).content == b"stays"
