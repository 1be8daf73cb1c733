"""What administrators may ask of the store, over HTTP, on both engines."""

import json

import httpx

from entrepot.jobs.asked import KIND
from entrepot.jobs.pruning import KIND as PRUNE
from entrepot.metadata.open import open_database
from entrepot.metadata.sql import sql
from entrepot.settings import Settings
from tests.stores import write

STORAGE = "/artifactory/api/system/storage"


async def test_who_asks_for_a_collection_is_answered_at_once_and_it_is_queued_once(
    http: httpx.AsyncClient, settings: Settings
) -> None:
    for _ in range(2):
        answer = await http.post(f"{STORAGE}/gc")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain")
    told = (await http.get("/artifactory/api/tasks")).json()["tasks"]
    assert [(one["type"], one["state"]) for one in told if one["type"] == KIND] == [(KIND, "scheduled")]
    database = await open_database(settings.home, settings.database_url)
    await write(database, "DELETE FROM job")
    await database.close()


async def test_what_has_nothing_to_do_here_is_accepted(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{STORAGE}/optimize")).status_code == 202
    assert (await http.post(f"{STORAGE}/compress")).status_code == 200


async def test_pruning_is_started_once_told_and_stopped(http: httpx.AsyncClient, settings: Settings) -> None:
    for method, word in (("GET", "status"), ("POST", "stop")):
        assert (await http.request(method, f"{STORAGE}/prune/{word}")).status_code == 412
    for wrong in ({"binaryOlderThanDays": -1}, {"binaryOlderThanDays": 36_501}, {"binaryOlderThanDays": True}, {"dryRun": 1}):
        assert (await http.post(f"{STORAGE}/prune/start", json=wrong)).status_code == 400
    wish = {"dryRun": True, "binaryOlderThanDays": 3, "startFromDirectory": "00"}
    assert (await http.post(f"{STORAGE}/prune/start", json=wish)).status_code == 202
    assert (await http.post(f"{STORAGE}/prune/start")).status_code == 412
    told = (await http.get(f"{STORAGE}/prune/status")).json()
    assert (told["status"], told["dryRun"]) == ("running", True)
    assert told["report"] == {"totalBinariesProcessed": 0, "totalBinariesCleaned": 0, "totalBytesCleaned": 0}
    assert set(told["timing"]) == {
        "startedAtMillis", "startedAt", "durationMillis", "duration", "lastUpdatedMillis", "lastUpdated"
    }  # fmt: skip
    assert (await http.post(f"{STORAGE}/prune/stop")).status_code == 202
    database = await open_database(settings.home, settings.database_url)
    jobs = await database.rows(sql("SELECT kind, payload FROM job"))
    assert [(kind, json.loads(payload)) for kind, payload in jobs] == [(PRUNE, {"dry": True, "days": 3})]
    await write(database, "DELETE FROM job")
    await database.close()
    told = (await http.get(f"{STORAGE}/prune/status")).json()
    assert (told["status"], told["error"]) == ("error", "The processes that did it ended before it was done.")
    assert (await http.post(f"{STORAGE}/prune/start")).status_code == 202


async def test_the_size_of_all_blobs_is_a_number_that_counts_the_same_bytes_once(
    http: httpx.AsyncClient, repo: str
) -> None:
    before = int((await http.get(f"{STORAGE}/size")).text)
    for name in ("a", "b"):
        assert (await http.put(f"/artifactory/{repo}/{name}", content=repo.encode() * 10_000)).status_code == 201
    assert int((await http.get(f"{STORAGE}/size")).text) - before == len(repo) * 10_000
