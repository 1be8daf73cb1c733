"""Repository configuration over HTTP, on both engines."""

import httpx


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
