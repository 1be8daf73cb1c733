"""What clients and load balancers are told while the disk of everything is full."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from entrepot.worker import build
from tests.parts.disks import fill, small_disk
from tests.served import client_of, prepared, served, settings_of
from tests.world import MANIFEST, manifest, sha256

IMAGE = "/v2/docker-local/app"
FULL = "The disk of the database is full; make room or ask an administrator."


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    with small_disk(tmp_path / "disk", 24 << 10) as folder:
        yield folder


async def push_blob(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await client.post(f"{IMAGE}/blobs/uploads/?digest={sha256(content)}", content=content)


async def push_manifest(client: httpx.AsyncClient, tag: str, *layers: bytes) -> httpx.Response:
    body = manifest(*layers, note=tag)
    return await client.put(f"{IMAGE}/manifests/{tag}", content=body, headers={"content-type": MANIFEST})


async def test_a_full_disk_under_the_database_is_told_to_each_client_in_its_words_and_passes(home: Path) -> None:
    settings = await asyncio.to_thread(prepared, settings_of(home))
    async with served(settings) as client:
        assert (await push_blob(client, b"layer")).status_code == 201
        assert (await push_manifest(client, "kept", b"layer")).status_code == 201
        filler = fill(home)
        user = {"email": "a@example.com", "password": "Passw0rd!x"}
        refused = [
            await push_blob(client, b"small"),
            await push_manifest(client, "new", b"layer"),
            await client.put("/artifactory/api/security/users/someone", json=user),
        ]
        assert [reply.status_code for reply in refused] == [507, 507, 507]
        errors = [reply.json()["errors"][0] for reply in refused]
        assert [error["message"] for error in errors] == [FULL, FULL, FULL]
        assert [error.get("code") for error in errors] == ["UNAVAILABLE", "UNAVAILABLE", None]
        assert (await client.get(f"{IMAGE}/manifests/kept")).status_code == 200
        filler.unlink()
        assert (await push_blob(client, b"small")).status_code == 201
        assert (await push_manifest(client, "new", b"layer")).status_code == 201


async def test_a_node_whose_disk_is_full_stays_ready_for_those_who_read(home: Path) -> None:
    settings = await asyncio.to_thread(prepared, settings_of(home))
    async with served(settings) as client:
        layer = bytes(1 << 20)
        assert (await push_blob(client, layer)).status_code == 201
        filler = fill(home)
        assert (await client.get("/artifactory/api/v1/system/readiness")).json() == {"code": "OK"}
        assert (await client.get("/router/api/v1/system/health")).status_code == 200
        assert (await push_blob(client, bytes(2 << 20))).status_code == 507
        assert (await client.get(f"{IMAGE}/blobs/{sha256(layer)}")).content == layer
        filler.unlink()


async def test_a_start_on_a_full_blob_store_is_ready_and_logs_that_it_is_full(tmp_path: Path, home: Path) -> None:
    settings = settings_of(tmp_path / "home", **{"blob.store": f"file://{home}/blobs"})
    await asyncio.to_thread(prepared, settings)
    (home / "blobs").mkdir()
    fill(home)
    notes: dict[str, str] = {}
    with capture_logs() as logs:
        async with build(settings, notes) as application, client_of(application) as client:
            assert (await client.get("/artifactory/api/v1/system/readiness")).status_code == 200
    assert notes == {}
    assert "blob.store.full" in [line["event"] for line in logs]
