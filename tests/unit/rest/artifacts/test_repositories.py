"""Repository configuration over HTTP, on both engines."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from entrepot.repositories.catalog import Repositories


async def test_what_is_put_again_is_replaced_and_not_called_created(http: httpx.AsyncClient, repo: str) -> None:
    url = f"/artifactory/api/repositories/{repo}"
    again = {"rclass": "local", "packageType": "generic", "description": "second"}
    answer = await http.put(url, json=again)
    assert (answer.status_code, answer.text) == (200, f"Repository {repo} update successfully.\n")
    assert (await http.get(url)).json()["description"] == "second"
    assert (await http.put(url, json={**again, "rclass": "virtual"})).status_code == 400
    fresh = await http.put(f"{url}-2", json=again)
    assert fresh.text == f"Successfully created repository '{repo}-2' \n"


async def test_who_makes_changes_and_removes_a_repository_is_in_the_audit_trail(
    http: httpx.AsyncClient, repo: str
) -> None:
    url = f"/artifactory/api/repositories/{repo}-audited"
    await http.put(url, json={"rclass": "local", "packageType": "generic"})
    await http.post(url, json={"description": "other"})
    await http.delete(url)
    found = (await http.get("/access/api/v1/audit?actor=admin")).json()["events"]
    told = [event["action"] for event in found if event["subject"] == f"{repo}-audited"]
    assert sorted(told) == ["repository.create", "repository.delete", "repository.update"]


async def test_a_docker_repository_that_no_image_name_can_hold_is_made_with_a_word_about_it(
    http: httpx.AsyncClient, repo: str
) -> None:
    config = {"rclass": "local", "packageType": "docker"}
    told = [(await http.put(f"/artifactory/api/repositories/{repo}-{end}", json=config)).text for end in ("D", "d2")]
    made = [f"Successfully created repository '{repo}-{end}' \n" for end in ("D", "d2")]
    assert told[0].startswith(f"{made[0]}'{repo}-D' cannot be part of an image's name")
    assert told[1] == made[1]


async def test_a_repository_of_another_class_by_now_is_not_replaced(
    http: httpx.AsyncClient, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/artifactory/api/repositories/{repo}-soon"
    real = Repositories.update

    async def meanwhile(self: Repositories, *words: Any) -> None:
        monkeypatch.setattr(Repositories, "update", real)
        await http.delete(url)
        await http.put(url, json={"rclass": "virtual", "packageType": "generic"})
        await real(self, *words)

    await http.put(url, json={"rclass": "local", "packageType": "generic"})
    monkeypatch.setattr(Repositories, "update", meanwhile)
    assert (await http.put(url, json={"rclass": "local", "packageType": "generic"})).status_code == 400
    assert (await http.get(url)).json()["rclass"] == "virtual"


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (("-a", "remote"), ("-a-cache", "local"), 400),
        (("-b-cache", "local"), ("-b", "remote"), 400),
        (("-c-cache", "remote"), ("-C", "local"), 200),
        (("-e-cache-cache", "local"), ("-e-cache", "remote"), 400),
        (("-d-cache", "local"), ("-d", "local"), 200),
    ],
)
async def test_no_repository_has_the_name_of_what_a_remote_one_keeps(
    http: httpx.AsyncClient, repo: str, first: tuple[str, str], second: tuple[str, str], status: int
) -> None:
    answers = [
        await http.put(
            f"/artifactory/api/repositories/{repo}{end}",
            json={"rclass": rclass, "packageType": "generic", "url": "http://127.0.0.1:1/"},
        )
        for end, rclass in (first, second)
    ]
    assert [one.status_code for one in answers] == [200, status], answers[1].text


async def test_the_name_of_what_a_remote_repository_keeps_replaces_nothing(http: httpx.AsyncClient, repo: str) -> None:
    config = {"rclass": "remote", "packageType": "generic", "url": "http://127.0.0.1:1/"}
    url = f"/artifactory/api/repositories/{repo}-far"
    await http.put(url, json=config)
    assert (await http.put(f"{url}-cache", json=config)).status_code == 400


@pytest.mark.parametrize(("sent", "status"), [("7", 200), ("\u00b2", 400), ("--5", 400), ("-", 400), ("1_0", 400)])
async def test_a_number_may_come_as_text_if_it_is_one(
    http: httpx.AsyncClient, repo: str, sent: str, status: int
) -> None:
    answer = await http.post(f"/artifactory/api/repositories/{repo}", json={"maxUniqueSnapshots": sent})
    assert answer.status_code == status


async def test_a_change_of_a_repository_that_is_not_there_says_so_and_what_creates_it(http: httpx.AsyncClient, repo: str) -> None:
    message = f"Repository {repo}-no does not exist; PUT /artifactory/api/repositories/{repo}-no creates it"
    for url, body in (
        (f"/artifactory/api/repositories/{repo}-no", {"description": "x"}),
        ("/artifactory/api/v2/repositories/batch", [{"key": f"{repo}-no", "description": "x"}]),
    ):
        answer = await http.post(url, json=body)
        assert (answer.status_code, answer.json()) == (400, {"errors": [{"status": 400, "message": message}]})
    own = await http.post("/artifactory/api/repositories/auto-trashcan", json={"description": "x"})
    assert (own.status_code, "the system's own" in own.text) == (400, True)


async def test_a_field_that_looks_like_a_slip_is_passed_over_and_named_in_the_answer_and_the_log(
    http: httpx.AsyncClient, repo: str
) -> None:
    key = f"{repo}-slip"
    url, batch = f"/artifactory/api/repositories/{key}", "/artifactory/api/v2/repositories/batch"
    body = {"rclass": "local", "packageType": "docker", "maxUniqTags": 3, "fieldOfAnotherProduct": 1}
    with capture_logs() as told:
        answers = [
            await http.put(url, json=body),
            await http.post(url, json=body),
            await http.put(batch, json=[{**body, "key": f"{key}-2"}]),
            await http.post(batch, json=[{**body, "key": f"{key}-2"}]),
        ]
    words = "There is no field 'maxUniqTags', which was passed over; did you mean 'maxUniqueTags'?\n"
    assert [(one.status_code, one.text.endswith(f"\n{words}")) for one in answers] == [
        (status, True) for status in (200, 200, 201, 200)
    ]
    slip = {"event": "repository.field.unknown", "field": "maxUniqTags", "meant": "maxUniqueTags", "log_level": "warning"}
    found = [line for line in told if line["event"] == "repository.field.unknown"]
    assert found == [{**slip, "repository": name} for name in (key, key, f"{key}-2", f"{key}-2")]
    assert (await http.get(url)).json()["maxUniqueTags"] == 0
