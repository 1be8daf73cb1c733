"""What logs and metrics tell of requests."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from entrepot.cluster import draining
from entrepot.cluster.home import logs_folder
from entrepot.metadata import items
from entrepot.metadata.database import DatabaseUnavailable
from entrepot.settings import Settings
from entrepot.store import blob_folder
from tests.served import PASSWORD, prepared, served, settings_of

FILE = "/artifactory/generic-local/file"
READY = "/artifactory/api/v1/system/readiness"


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    return await asyncio.to_thread(prepared, settings_of(tmp_path / "home"))


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def received(client: httpx.AsyncClient) -> float:
    found = re.search(r"^entrepot_received_bytes_total (\S+)$", await metrics(client), re.MULTILINE)
    assert found is not None
    return float(found[1])


async def metrics(client: httpx.AsyncClient) -> str:
    async with asyncio.timeout(5):
        await asyncio.sleep(1.1)  # they are gathered for a second
    return (await client.get("/artifactory/api/v1/metrics")).text


async def test_bytes_are_counted_as_they_arrive(settings: Settings) -> None:
    async with served(settings) as client:
        before = await received(client)
        assert (await client.put(FILE, content=chunks(b"abc", b"defg"))).status_code == 201
        assert (await client.put(FILE, content=bytes(1000), auth=None)).status_code == 401
        assert await received(client) - before == 7
    lines = (logs_folder(settings.home) / "artifactory-request.log").read_text().splitlines()
    sizes = [line.split("|")[7] for line in lines if "|PUT|" in line]
    assert sizes == ["7", "0"]


async def test_a_store_that_cannot_be_written_is_told_to_the_log_and_to_load_balancers(settings: Settings) -> None:
    async with served(settings) as client:
        blobs = blob_folder(settings)
        assert blobs is not None
        blobs.rename(blobs.with_name("away"))
        blobs.write_text("in its place")
        with capture_logs() as logs:
            assert (await client.put(FILE, content=bytes(1 << 20))).status_code == 503
        [told] = [line for line in logs if line["event"] == "request.unavailable"]
        assert (told["method"], told["path"]) == ("PUT", FILE)
        assert re.search(rf"NotADirectoryError: .*{blobs}", told["reason"])
        assert (await client.get(READY)).status_code == 503
        blobs.unlink()
        blobs.with_name("away").rename(blobs)
        assert (await client.put(FILE, content=bytes(1 << 20))).status_code == 201
        assert (await client.get(READY)).status_code == 200


async def test_bytes_that_are_lost_are_told_to_the_log_with_their_object(settings: Settings) -> None:
    async with served(settings) as client:
        assert (await client.put(FILE, content=bytes(1 << 20))).status_code == 201
        blobs = blob_folder(settings)
        assert blobs is not None
        [object_] = [path for path in blobs.rglob("*/*") if path.is_file()]
        object_.unlink()
        with capture_logs() as logs:
            assert (await client.get(FILE)).status_code == 503
            assert (await client.get(READY)).status_code == 200
        [told] = logs
        assert told["event"] == "request.unavailable"
        assert str(object_.relative_to(blobs)) in told["reason"]


async def test_a_file_that_was_cut_is_an_answer_of_its_own_and_told_to_the_logs(settings: Settings) -> None:
    async with served(settings) as client:
        assert (await client.put(FILE, content=bytes(1 << 20))).status_code == 201
        blobs = blob_folder(settings)
        assert blobs is not None
        [object_] = [path for path in blobs.rglob("*/*") if path.is_file()]
        object_.chmod(0o600)
        os.truncate(object_, 0)
        with capture_logs() as logs:
            answer = await client.get(FILE)
            assert (answer.status_code, answer.json()["errors"][0]["status"]) == (503, 503)
        assert str(object_) in logs[0]["reason"]
        # Its beginning is there, and its end is not: that is seen too late to be told.
        os.truncate(object_, (1 << 20) - 1)
        with pytest.raises(OSError, match="shorter than its blob"):
            await client.get(FILE)
    request = (logs_folder(settings.home) / "artifactory-request.log").read_text()
    assert f"|GET|/generic-local/file|200|0|{(1 << 20) - 1}|" in request
    assert "|GET|/generic-local/file|503|" in request


async def test_a_node_that_stops_is_not_ready_and_no_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(settings) as client:
        monkeypatch.setattr(draining, "begun", lambda: True)
        with capture_logs() as logs:
            assert (await client.get(READY)).status_code == 503
        assert logs == []


async def test_what_fails_before_the_first_byte_of_a_stream_is_told_like_any_other_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> list[object]:
        raise DatabaseUnavailable

    async with served(settings) as client:
        assert (await client.put(FILE, content=b"a")).status_code == 201
        monkeypatch.setattr(items, "children", fails)
        answer = await client.get("/artifactory/api/storage/generic-local?list")
        assert (answer.status_code, answer.json()["errors"][0]["status"]) == (503, 503)
    request = (logs_folder(settings.home) / "artifactory-request.log").read_text()
    assert "|GET|/api/storage/generic-local?list|503|" in request


async def test_a_refused_push_is_somebodys(settings: Settings) -> None:
    async with served(settings) as client:
        user = {"email": "bob@example.org", "password": "Bobs-pass-1", "admin": False}
        assert (await client.put("/artifactory/api/security/users/bob", json=user)).status_code == 201
        scope = {"scope": "repository:docker-local/app:pull,push", "service": "entrepot.test"}
        token = (await client.get("/v2/token", params=scope, auth=("bob", "Bobs-pass-1"))).json()["token"]
        bearer = {"authorization": f"Bearer {token}"}
        refused = await client.post("/v2/docker-local/app/blobs/uploads/", headers=bearer, auth=None)
        assert refused.status_code == 403
    request = (logs_folder(settings.home) / "artifactory-request.log").read_text()
    assert re.search(r"\|bob\|POST\|/v2/docker-local/app/blobs/uploads/\|403\|", request)
    access = (logs_folder(settings.home) / "artifactory-access.log").read_text()
    assert re.search(r"\[DENIED DEPLOY\] /v2/docker-local/app/blobs/uploads/ for client : bob / ", access)


async def test_who_asks_for_a_token_is_named_in_the_request_log(settings: Settings) -> None:
    async with served(settings) as client:
        assert (await client.get("/v2/token", params={"service": "x"})).status_code == 200
        login = {"username": "admin", "password": PASSWORD, "service": "x", "access_type": "offline"}
        given = await client.post("/v2/token", data={"grant_type": "password", **login}, auth=None)
        again = {"grant_type": "refresh_token", "refresh_token": given.json()["refresh_token"], "service": "x"}
        assert (await client.post("/v2/token", data=again, auth=None)).status_code == 200
    lines = (logs_folder(settings.home) / "artifactory-request.log").read_text().splitlines()
    assert [line.split("|")[3] for line in lines if "/v2/token" in line] == ["admin"] * 3


WRONG = "Wrong-pass-1"


async def by_header(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await client.get(FILE, auth=(name, WRONG))


async def by_docker_login(client: httpx.AsyncClient, name: str) -> httpx.Response:
    form = {"grant_type": "password", "username": name, "password": WRONG, "service": "entrepot.test"}
    return await client.post("/v2/token", data=form, auth=None)


async def by_login_form(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await client.post("/ui/api/v1/ui/auth/login", json={"user": name, "password": WRONG}, auth=None)


async def by_changing_it(client: httpx.AsyncClient, name: str) -> httpx.Response:
    names = {"userName": name, "oldPassword": WRONG, "newPassword1": "New-pass-1", "newPassword2": "New-pass-1"}
    path = "/artifactory/api/security/users/authorization/changePassword"
    return await client.post(path, json=names, auth=None)


@pytest.mark.parametrize("way", [by_header, by_docker_login, by_login_form, by_changing_it])
async def test_a_wrong_password_is_logged_with_its_account_and_nobodys_name_is_not(
    settings: Settings, way: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]
) -> None:
    async with served(settings) as client:
        assert (await way(client, "admin")).status_code in {400, 401}
        assert (await way(client, "a-password-in-the-wrong-field")).status_code in {400, 401}
    lines = (logs_folder(settings.home) / "artifactory-access.log").read_text().splitlines()
    assert [re.sub(r".*\[DENIED LOGIN\].* for client : (\S+) / .*", r"\1", line) for line in lines] == ["admin", "NA"]
    logs = "".join(file.read_text() for file in logs_folder(settings.home).iterdir())
    assert WRONG not in logs
    assert "a-password-in-the-wrong-field" not in logs


async def test_who_has_to_wait_after_wrong_passwords_is_a_refused_login(settings: Settings) -> None:
    async with served(settings) as client:
        answers = [await client.get(FILE, auth=("admin", f"{WRONG}{number}")) for number in range(8)]
    refused = [answer.status_code for answer in answers]
    assert set(refused) == {401, 403}
    access = (logs_folder(settings.home) / "artifactory-access.log").read_text()
    assert len(re.findall(r"\[DENIED LOGIN\] \S+ for client : admin / ", access)) == len(refused)
