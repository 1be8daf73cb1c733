"""Archives that are taken apart all at once, over HTTP, on both engines."""

import asyncio
import io
import zipfile

import httpx
import pytest

from entrepot.artifacts import explode

ATOMIC = {"X-Explode-Archive-Atomic": "true"}


def zipped(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def many(count: int, content: bytes = b"x") -> bytes:
    return zipped(*((f"d{number % 3}/{number}.txt", content) for number in range(count)))


async def listed(http: httpx.AsyncClient, repo: str) -> list[str]:
    answer = await http.get(f"/artifactory/api/storage/{repo}?list&deep=1")
    return sorted(one["uri"] for one in answer.json()["files"])


async def test_all_entries_are_placed_with_their_properties(http: httpx.AsyncClient, repo: str) -> None:
    archive = zipped(("a.txt", b"one"), ("d/b.txt", b"two" * 9000), ("d/c.txt", b"one"))
    answer = await http.put(f"/artifactory/{repo}/in/x.zip;k=v", content=archive, headers=ATOMIC)
    assert (answer.status_code, answer.json()) == (200, {"deployed": 3})
    assert await listed(http, repo) == ["/in/a.txt", "/in/d/b.txt", "/in/d/c.txt"]
    assert (await http.get(f"/artifactory/{repo}/in/d/b.txt")).content == b"two" * 9000
    told = await http.get(f"/artifactory/api/storage/{repo}/in/d/c.txt?properties")
    assert told.json()["properties"] == {"k": ["v"]}
    again = await http.put(f"/artifactory/{repo}/in/x.zip", content=zipped(("a.txt", b"new")), headers=ATOMIC)
    assert again.status_code == 200
    assert (await http.get(f"/artifactory/{repo}/in/a.txt")).content == b"new"


async def test_one_entry_that_cannot_be_placed_keeps_all_others_away(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/in/z/taken.txt", content=b"a file")
    before = await listed(http, repo)
    for name, status in (("z/taken.txt/below.txt", 409), ("z", 409)):
        archive = zipped(("a.txt", b"one"), ("m/b.txt", b"two"), (name, b"three"))
        answer = await http.put(f"/artifactory/{repo}/in/x.zip", content=archive, headers=ATOMIC)
        assert answer.status_code == status, answer.text
        assert await listed(http, repo) == before
    within = zipped(("p", b"a file"), ("p/q", b"below it"))
    assert (await http.put(f"/artifactory/{repo}/in/x.zip", content=within, headers=ATOMIC)).status_code == 409
    assert await listed(http, repo) == before


async def test_who_may_not_overwrite_one_file_deploys_none(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/b.txt", content=b"old")
    person = {"name": "adder", "email": "a@x.test", "password": "Rosebud-1941"}
    await http.put("/artifactory/api/security/users/adder", json=person)
    target = {
        "name": f"add-{repo}",
        "repo": {"repositories": [repo], "actions": {"users": {"adder": ["read", "write"]}}},
    }
    assert (await http.put(f"/artifactory/api/v2/security/permissions/add-{repo}", json=target)).status_code < 300
    adder = httpx.BasicAuth("adder", "Rosebud-1941")
    archive = zipped(("a.txt", b"one"), ("b.txt", b"new"))
    answer = await http.put(f"/artifactory/{repo}/x.zip", content=archive, headers=ATOMIC, auth=adder)
    assert answer.status_code == 403
    assert "needs DELETE permission" in answer.json()["errors"][0]["message"]
    assert await listed(http, repo) == ["/b.txt"]
    same = zipped(("a.txt", b"one"), ("b.txt", b"old"))
    answer = await http.put(f"/artifactory/{repo}/x.zip", content=same, headers=ATOMIC, auth=adder)
    assert answer.status_code == 200
    assert await listed(http, repo) == ["/a.txt", "/b.txt"]


async def test_a_path_that_comes_twice_holds_what_came_last(http: httpx.AsyncClient, repo: str) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = zipped(("a.txt", b"first"), ("a.txt", b"last"))
    await http.put(f"/artifactory/{repo}/x.zip", content=archive, headers=ATOMIC)
    assert (await http.get(f"/artifactory/{repo}/a.txt")).content == b"last"


async def test_nobody_sees_a_part_of_it(http: httpx.AsyncClient, repo: str) -> None:
    seen = set()
    sent = asyncio.create_task(http.put(f"/artifactory/{repo}/x.zip", content=many(150), headers=ATOMIC))
    while not sent.done():
        seen.add(len(await listed(http, repo)))
        await asyncio.sleep(0)
    assert (await sent).json() == {"deployed": 150}
    assert seen <= {0, 150}
    assert len(await listed(http, repo)) == 150


async def test_two_at_once_on_the_same_paths_both_end_well(http: httpx.AsyncClient, repo: str) -> None:
    sent = (http.put(f"/artifactory/{repo}/x.zip", content=many(60, word), headers=ATOMIC) for word in (b"1", b"2"))
    assert [one.status_code for one in await asyncio.gather(*sent)] == [200, 200]
    held = {(await http.get(f"/artifactory/{repo}/d{number % 3}/{number}.txt")).content for number in range(60)}
    assert len(held) == 1


async def test_more_than_one_transaction_should_place_is_refused(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explode, "MOST_AT_ONCE", 5)
    answer = await http.put(f"/artifactory/{repo}/x.zip", content=many(6), headers=ATOMIC)
    assert answer.status_code == 400
    told = "The archive has 6 entries, and at most 5 can be deployed all at once; X-Explode-Archive takes more."
    assert answer.json()["errors"][0]["message"] == told
    assert await listed(http, repo) == []
    plain = await http.put(f"/artifactory/{repo}/x.zip", content=many(6), headers={"X-Explode-Archive": "true"})
    assert plain.json() == {"deployed": 6}


async def test_what_waits_too_long_for_its_place_is_sent_again(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> bool:
        return False

    monkeypatch.setattr("entrepot.artifacts.deploy.keep", gone)
    answer = await http.put(f"/artifactory/{repo}/x.zip", content=many(2), headers=ATOMIC)
    assert answer.status_code == 503
    assert await listed(http, repo) == []


@pytest.mark.parametrize("header", ["X-Explode-Archive", "X-Explode-Archive-Atomic"])
async def test_no_entry_takes_the_place_of_the_root(http: httpx.AsyncClient, repo: str, header: str) -> None:
    archive = zipped(("a.txt", b"one"), (".", b"a page"))
    answer = await http.put(f"/artifactory/{repo}/x.zip", content=archive, headers={header: "true"})
    assert answer.status_code == 400
    assert await listed(http, repo) == []
