"""What clients of registries are told when they may not, so that they can tell their users what to do."""

import asyncio
from pathlib import Path

import pytest

from entrepot.settings import Settings
from tests.served import prepared, served, settings_of

UPLOADS = "/v2/docker-local/app/blobs/uploads/"
CONFIGURATION = "/artifactory/api/system/configuration"


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    return await asyncio.to_thread(prepared, settings_of(tmp_path / "home"))


async def test_a_token_that_does_not_cover_a_push_says_which_one_would(settings: Settings) -> None:
    async with served(settings) as client:
        assert (await client.patch(CONFIGURATION, content="security: {anonAccessEnabled: true}")).status_code == 200
        for auth, message in ((None, "authentication required"), (("admin", "Admin-pass-1"), "does not cover this")):
            scope = {"scope": "repository:docker-local/app:pull", "service": "entrepot.test"}
            token = (await client.get("/v2/token", params=scope, auth=auth)).json()["token"]
            refused = await client.post(UPLOADS, headers={"authorization": f"Bearer {token}"}, auth=None)
            assert refused.status_code == 401
            assert message in refused.json()["errors"][0]["message"]
            challenge = refused.headers["www-authenticate"]
            assert 'scope="repository:docker-local/app:pull,push"' in challenge
            assert ('error="insufficient_scope"' in challenge) is (auth is not None)  # which Docker shows as `denied`


async def test_a_repository_that_is_not_there_is_named(settings: Settings) -> None:
    async with served(settings) as client:
        for path, hint in (
            ("/v2/nowhere/app/blobs/uploads/", "there is no Docker repository nowhere"),
            ("/v2/generic-local/app/blobs/uploads/", "there is no Docker repository generic-local"),
            ("/v2/app/blobs/uploads/", "a name begins with that of a repository here, as docker-local/app does"),
        ):
            refused = await client.post(path)
            told = refused.json()["errors"][0]
            assert (refused.status_code, told["code"]) == (404, "NAME_UNKNOWN")
            assert told["message"] == f"repository name not known to registry: {hint}"
