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
