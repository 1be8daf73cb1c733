"""Multi-part uploads over HTTP, the job between included; what others may do with a ticket, a part, or somebody's checksum."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from entrepot.artifacts.deploy import Deploy, Deployed
from entrepot.artifacts.multipart import KIND, FindChecksums
from entrepot.jobs.queue import Queue
from entrepot.settings import Settings
from entrepot.store import open_store, writing
from tests.served import PASSWORD

API = "/artifactory/api/v1/uploads"
PARTS = [b"a" * 100_000, b"b" * 100_000, b"c" * 7]
WHOLE = b"".join(PARTS)


def sha1(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


class Client:
    """What `jf` does, step by step."""

    def __init__(self, http: httpx.AsyncClient, path: str) -> None:
        self.http, self.path, self.ticket = http, path, ""

    async def create(self, repository: str = "libs") -> httpx.Response:
        reply = await self.http.post(f"{API}/create?repoKey={repository}&repoPath={self.path}&partSizeMB=20")
        if reply.status_code == 200:
            self.ticket = reply.json()["token"]
        return reply

    async def ask(self, step: str) -> httpx.Response:
        bare = httpx.AsyncClient(transport=self.http._transport, base_url=self.http.base_url)
        return await bare.post(f"{API}/{step}", headers={"authorization": f"Bearer {self.ticket}"})

    async def part(self, number: int, body: bytes) -> int:
        url = (await self.ask(f"urlPart?partNumber={number}")).json()["url"]
        bare = httpx.AsyncClient(transport=self.http._transport)
        return (await bare.put(url, content=body)).status_code

    async def deploy(self, ticket: str, body: bytes = WHOLE, path: str = "", **headers: str) -> httpx.Response:
        stated = {
            "X-Checksum-Deploy": "true",
            "X-Checksum-Sha1": sha1(body),
            "X-Checksum-Deploy-Token": ticket,
            **headers,
        }
        return await self.http.put(f"/artifactory/libs/{path or self.path}", headers=stated)


@pytest.fixture(autouse=True)
async def libs(http: httpx.AsyncClient) -> None:
    if (await http.head("/artifactory/api/storage/libs")).status_code != 200:
        body = {"rclass": "local", "packageType": "generic"}
        assert (await http.put("/artifactory/api/repositories/libs", json=body)).status_code == 200


@pytest.fixture
async def hashing(settings: Settings) -> AsyncIterator[Queue]:
    store = await open_store(settings)
    async with writing(store):
        yield Queue(store.database, {KIND: FindChecksums(store.database, store.content, 60_000)}, "n")
    await store.driver.close()
    await store.database.close()


async def uploaded(
    http: httpx.AsyncClient, queue: Queue, path: str, announced: str = sha1(WHOLE)
) -> tuple[Client, Any]:
    client = Client(http, path)
    assert (await client.create()).status_code == 200
    assert await asyncio.gather(*(client.part(number, PARTS[number - 1]) for number in (3, 1, 2))) == [200] * 3
    assert (await client.ask("status")).json() == {"status": "PARTS"}
    assert (await client.ask(f"complete?sha1={announced}")).status_code == 202
    assert (await client.ask(f"complete?sha1={announced}")).status_code == 202
    assert (await client.ask("status")).json() == {"status": "PROCESSING", "progress": 0}
    assert await queue.round() == 1
    return client, (await client.ask("status")).json()


async def test_a_file_goes_in_by_parts_in_any_order(http: httpx.AsyncClient, hashing: Queue) -> None:
    assert (await http.get(f"{API}/config")).json() == {"supported": True}
    client, told = await uploaded(http, hashing, "big/one.bin")
    assert (told["status"], told["progress"]) == ("FINISHED", 100)
    done = await client.deploy(told["checksumToken"])
    assert done.status_code == 201
    assert done.json()["checksums"] == {
        "sha1": sha1(WHOLE), "md5": hashlib.md5(WHOLE).hexdigest(), "sha256": hashlib.sha256(WHOLE).hexdigest(),
    }  # fmt: skip
    assert (await http.get("/artifactory/libs/big/one.bin")).content == WHOLE
    again = await client.deploy(told["checksumToken"])  # the first answer may have been lost
    assert (again.status_code, again.json()["checksums"]) == (201, done.json()["checksums"])
    assert (await client.ask("abort")).status_code == 204
    assert (await http.get("/artifactory/libs/big/one.bin")).content == WHOLE


async def test_a_deploy_may_be_repeated_before_the_first_is_answered(
    http: httpx.AsyncClient, hashing: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, told = await uploaded(http, hashing, "big/twice.bin")
    arrived, other = Deploy.arrived, []

    async def interrupted(deploy: Deploy, *arguments: object) -> Deployed:
        monkeypatch.setattr(Deploy, "arrived", arrived)
        other.append(await client.deploy(told["checksumToken"]))
        return await arrived(deploy, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Deploy, "arrived", interrupted)
    answer = await client.deploy(told["checksumToken"])
    assert (answer.status_code, other[0].status_code) == (201, 201)
    assert answer.json()["checksums"] == other[0].json()["checksums"]
    assert (await http.get("/artifactory/libs/big/twice.bin")).content == WHOLE


async def test_a_part_that_comes_again_replaces_the_first(http: httpx.AsyncClient, hashing: Queue) -> None:
    client = Client(http, "big/again.bin")
    await client.create()
    for body in (b"wrong", b"right"):
        assert await client.part(1, body) == 200
    await client.ask(f"complete?sha1={sha1(b'right')}")
    await hashing.round()
    told = (await client.ask("status")).json()
    assert (await client.deploy(told["checksumToken"], b"right")).status_code == 201
    assert (await http.get("/artifactory/libs/big/again.bin")).content == b"right"


async def test_what_came_is_compared_with_what_was_announced(http: httpx.AsyncClient, hashing: Queue) -> None:
    client, told = await uploaded(http, hashing, "big/other.bin", announced="0" * 40)
    assert told["status"] == "NON_RETRYABLE_ERROR"
    assert sha1(WHOLE) in told["error"]
    assert (await client.deploy(client.ticket)).status_code == 404
    assert await client.part(1, b"x") == 409


@pytest.mark.parametrize("name", ["X-Checksum-Sha1", "X-Checksum-Sha256", "X-Checksum-Md5"])
async def test_what_is_stated_at_the_end_is_compared_too(http: httpx.AsyncClient, hashing: Queue, name: str) -> None:
    client, told = await uploaded(http, hashing, f"big/{name}.bin")
    assert (await client.deploy(told["checksumToken"], **{name: "1" * 40})).status_code == 409
    assert (await http.get(f"/artifactory/libs/big/{name}.bin")).status_code == 404
    assert (await client.deploy(told["checksumToken"])).status_code == 201
    assert (await client.deploy(told["checksumToken"], **{name: "1" * 40})).status_code == 409


async def test_missing_parts_are_named(http: httpx.AsyncClient) -> None:
    client = Client(http, "big/hole.bin")
    await client.create()
    assert (await client.ask("complete")).status_code == 400
    for number in (1, 3):
        await client.part(number, b"x")
    refused = await client.ask("complete")
    assert "2 came, the last one is number 3" in refused.json()["errors"][0]["message"]
    for number in ("0", "x", "-1", "100001", ""):
        assert (await client.ask(f"urlPart?partNumber={number}")).status_code in {200, 400}
        bare = httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
        assert (
            await bare.put(f"{API}/part?partNumber={number}&token={client.ticket}", content=b"x")
        ).status_code == 400
    assert await client.part(2, b"") == 400


async def test_an_upload_that_was_given_up_leaves_nothing(http: httpx.AsyncClient, settings: Settings) -> None:
    client = Client(http, "big/gone.bin")
    await client.create()
    await client.part(1, b"x" * 1000)
    assert (await client.ask("abort")).status_code == 204
    assert (await client.ask("status")).json() == {"status": "ABORTED"}
    assert await client.part(1, b"x") == 409
    assert (await client.ask("complete")).status_code == 409
    assert (await client.deploy(client.ticket)).status_code == 404
    from entrepot.metadata.open import open_database
    from entrepot.metadata.sql import sql

    database = await open_database(settings.home, settings.database_url)
    count = await database.row(
        sql("SELECT COUNT(*) FROM upload_segment WHERE upload_id = :id"), id=client.ticket.partition("-")[0]
    )
    await database.close()
    assert count is not None
    assert count[0] == 0


@pytest.mark.parametrize("ticket", ["", "x", "a-b", "0" * 32 + "-" + "0" * 64, "\u00e9"])
async def test_a_ticket_that_was_not_given_opens_nothing(http: httpx.AsyncClient, ticket: str) -> None:
    bare = httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
    headers = {"authorization": f"Bearer {ticket}".encode()}
    for step in ("urlPart?partNumber=1", "complete", "status", "abort"):
        assert (await bare.post(f"{API}/{step}", headers=headers)).status_code == 401, step
    assert (await bare.put(f"{API}/part?partNumber=1&token={ticket or 'x'}", content=b"x")).status_code == 401


async def test_only_who_may_deploy_begins_and_only_who_began_ends(http: httpx.AsyncClient, hashing: Queue) -> None:
    for name in ("mp-writer", "mp-other"):
        await http.put(
            f"/artifactory/api/security/users/{name}", json={"email": f"{name}@x.test", "password": PASSWORD}
        )
    target = {
        "repositories": ["libs"],
        "principals": {"users": {"mp-writer": ["w"], "mp-other": ["w"]}},
        "includesPattern": "mp/**",
    }
    assert (
        await http.put("/artifactory/api/security/permissions/mp", json={"name": "mp", **target})
    ).status_code == 201
    writer, other = (
        httpx.AsyncClient(transport=http._transport, base_url=http.base_url, auth=(name, PASSWORD))
        for name in ("mp-writer", "mp-other")
    )
    assert (await Client(writer, "elsewhere/x").create()).status_code == 403
    assert (await Client(writer, "mp/x/").create()).status_code == 400
    assert (await Client(writer, "mp/../elsewhere/x").create()).status_code in {400, 403}
    assert (await Client(writer, "mp/x").create("none")).status_code in {403, 404}
    client, told = await uploaded(writer, hashing, "mp/mine.bin")
    for http_of, path in ((other, "mp/mine.bin"), (writer, "mp/else.bin")):
        refused = await Client(http_of, path).deploy(told["checksumToken"])
        assert refused.status_code == 404
    assert (await client.deploy(told["checksumToken"])).status_code == 201  # the bytes were nowhere else
    client, told = await uploaded(writer, hashing, "mp/mine.bin")
    assert (await client.deploy(told["checksumToken"])).status_code == 201  # the same again
    await http.put("/artifactory/libs/mp/taken.bin", content=b"here before")
    client, told = await uploaded(writer, hashing, "mp/taken.bin")
    assert (await client.deploy(told["checksumToken"])).status_code == 403  # overwriting needs delete
    assert (await http.get("/artifactory/libs/mp/taken.bin")).content == b"here before"


async def test_a_docker_upload_is_none_of_these(http: httpx.AsyncClient) -> None:
    started = await http.post("/v2/docker-local/app/blobs/uploads/")
    ticket = started.headers["docker-upload-uuid"]
    client = Client(http, "x")
    client.ticket = ticket
    assert (await client.ask("status")).status_code == 401
