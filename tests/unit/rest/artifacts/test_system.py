"""What the Java client asks, over HTTP, on both engines."""

import httpx
import pytest

from entrepot.artifacts.multipart import KIND
from entrepot.errors import Conflict
from entrepot.jobs.queue import Job, Queue, Renew, enqueue
from entrepot.metadata.open import open_database
from entrepot.settings import Settings
from tests.stores import write

LABEL = '<label for="male">Male, | And Female = Love</label>'


async def test_the_machine_and_the_process_are_told_in_numbers(http: httpx.AsyncClient) -> None:
    answer = await http.get("/artifactory/api/system/info")
    assert answer.status_code == 200
    told = answer.json()
    assert len(told) == 17
    assert all(isinstance(value, int | float) and value >= 0 for value in told.values())
    assert told["numberOfCores"] > 0
    assert told["maxFileDescriptorCount"] >= told["openFileDescriptorCount"] > 0
    assert told["heapMemoryMax"] >= told["heapMemoryUsage"] > 0


async def test_the_machine_and_the_instance_are_told_as_text(http: httpx.AsyncClient) -> None:
    answer = await http.get("/artifactory/api/system")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain")
    told = dict(line.split("|", 1) for line in answer.text.splitlines() if "|" in line)
    lines = {name.strip(): value.strip() for name, value in told.items()}
    assert lines["database"] in {"sqlite", "postgresql"}
    assert int(lines["numberOfCores"]) > 0
    assert {"entrepot.version", "node.id", "blob.store", "host", "jvmUpTime"} <= set(lines)


async def test_the_nodes_whose_processes_beat_are_told_each_once(http: httpx.AsyncClient, settings: Settings) -> None:
    database = await open_database(settings.home, settings.database_url)
    now = database.now()
    for place, node, heartbeat, fenced in [
        (1, "other a:/srv", now, None), (2, "other a:/srv", now, None), (3, "dead b:/srv", now - 60_000, None),
        (4, "gone c:/srv", now, now), (5, f"{settings.node_id} here:/srv", now, None),
    ]:  # fmt: skip
        await write(
            database, "INSERT INTO writer (id, node, started, heartbeat, fenced) VALUES (:id, :node, :at, :at, :fenced)",
            id=f"w{place}", node=node, at=heartbeat, fenced=fenced,
        )  # fmt: skip
    await database.close()
    told = (await http.get("/artifactory/api/system/status")).json()["nodes"]
    assert [(one["id"], one["state"]) for one in told] == [(settings.node_id, "RUNNING"), ("other", "RUNNING")]


async def test_jobs_are_told_by_what_became_of_them(http: httpx.AsyncClient, settings: Settings) -> None:
    database = await open_database(settings.home, settings.database_url)
    seen: list[dict[str, str]] = []

    async def handle(job: Job, renew: Renew) -> None:
        seen.extend((await http.get("/artifactory/api/tasks")).json()["tasks"])
        raise Conflict("no luck")

    assert (await http.get("/artifactory/api/tasks")).json() == {"tasks": []}
    await database.transact(lambda tx: enqueue(tx, KIND, {}, max_attempts=1))
    await database.transact(lambda tx: enqueue(tx, "later", {}))
    await Queue(database, {KIND: handle}, "n1").round()
    seen += (await http.get("/artifactory/api/tasks")).json()["tasks"]
    await write(database, "DELETE FROM job")
    await database.close()
    told = [(one["type"], one["state"], one["description"], one.get("nodeId")) for one in seen]
    words = "Computes the checksums of a multi-part upload"
    waiting = ("later", "scheduled", "later", None)
    assert told == [(KIND, "running", words, "n1"), waiting, waiting, (KIND, "stopped", f"{words}: no luck", None)]


async def test_what_is_encoded_divides_nothing_where_each_pair_ends_with_a_semicolon(
    http: httpx.AsyncClient, repo: str
) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"a")
    place = f"http://entrepot.test/artifactory/api/storage/{repo}/a.txt"
    label = "%3Clabel+for%3D%22male%22%3EMale%2C+%7C+And+Female+%3D+Love%3C%2Flabel%3E"
    pairs = f"label={label};many=1,2,%3B;back=%5C,x%5C%2Cy;"
    assert (await http.put(httpx.URL(f"{place}?properties={pairs}&recursive=0"))).status_code == 204
    held = (await http.get(f"{place}?properties")).json()["properties"]
    assert held == {"label": [LABEL], "many": ["1", "2", ";"], "back": ["\\", "x\\,y"]}


async def test_what_is_encoded_divides_where_no_semicolon_ends_it(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"a")
    place = f"http://entrepot.test/artifactory/api/storage/{repo}/a.txt"
    assert (await http.put(httpx.URL(f"{place}?properties=k=a%2Cb;l=x%5C%2Cy&recursive=0"))).status_code == 204
    assert (await http.get(f"{place}?properties")).json()["properties"] == {"k": ["a", "b"], "l": ["x,y"]}


@pytest.mark.parametrize("pairs", [";", "%20;", "k%zz=%ff;", "k=%00;", "1=2;", "k=" + "x" * 5000 + ";", "k=v\\;"])
async def test_pairs_that_are_none_are_refused(http: httpx.AsyncClient, repo: str, pairs: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"a")
    answer = await http.put(f"http://entrepot.test/artifactory/api/storage/{repo}/a.txt?properties={pairs}")
    assert answer.status_code in {204, 400}
    assert answer.status_code == 400 or pairs.startswith("k=v")


async def test_a_slash_at_the_end_changes_nothing(http: httpx.AsyncClient, repo: str) -> None:
    listed = await http.get("/artifactory/api/repositories/?type=local")
    assert listed.status_code == 200
    assert repo in [one["key"] for one in listed.json()]
    assert (await http.get(f"/artifactory/api/storage/{repo}/?permissions")).json()["principals"]
    assert (await http.get(f"/artifactory/api/storage/{repo}/")).json()["path"] == "/"
