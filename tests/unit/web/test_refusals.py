"""What clients of registries are told when they may not, so that they can tell their users what to do."""

import asyncio
import re
from pathlib import Path

import pytest

from entrepot.errors import Unavailable
from entrepot.settings import Settings
from entrepot.web.errors import error_reply
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


async def test_who_may_not_push_at_all_is_denied_and_not_sent_for_another_token(settings: Settings) -> None:
    async with served(settings) as client:
        user = {"email": "bob@example.org", "password": "Bobs-pass-1", "admin": False}
        assert (await client.put("/artifactory/api/security/users/bob", json=user)).status_code == 201
        scope = {"scope": "repository:docker-local/app:pull,push", "service": "entrepot.test"}
        token = (await client.get("/v2/token", params=scope, auth=("bob", "Bobs-pass-1"))).json()["token"]
        refused = await client.post(UPLOADS, headers={"authorization": f"Bearer {token}"}, auth=None)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "DENIED")


@pytest.mark.parametrize("auth", [("admin", "Admin-pass-1"), None])
async def test_a_token_that_was_asked_for_nothing_only_tells_who_asks(
    settings: Settings, auth: tuple[str, str] | None
) -> None:
    async with served(settings) as client:
        assert (await client.patch(CONFIGURATION, content="security: {anonAccessEnabled: true}")).status_code == 200
        token = (await client.get("/v2/token", params={"service": "entrepot.test"}, auth=auth)).json()["token"]
        bearer = {"authorization": f"Bearer {token}"}
        assert (await client.get("/v2/", headers=bearer, auth=None)).status_code == 200
        for path, scope in (
            ("/v2/docker-local/app/tags/list", "repository:docker-local/app:pull"),
            ("/v2/_catalog", "registry:catalog:*"),
        ):
            refused = await client.get(path, headers=bearer, auth=None)
            assert (refused.status_code, f'scope="{scope}"' in refused.headers["www-authenticate"]) == (401, True)


@pytest.mark.parametrize(("scope", "status"), [("registry:catalog:*", 200), ("repository:docker-local/app:pull", 401)])
async def test_a_token_lists_images_if_it_was_asked_for_the_catalog(settings: Settings, scope: str, status: int) -> None:
    async with served(settings) as client:
        asked = {"scope": scope, "service": "entrepot.test"}
        bearer = {"authorization": f"Bearer {(await client.get('/v2/token', params=asked)).json()['token']}"}
        assert (await client.get("/v2/_catalog", headers=bearer, auth=None)).status_code == status


async def test_a_token_to_push_also_tells_of_an_upload_and_cancels_it(settings: Settings) -> None:
    async with served(settings) as client:
        scope = {"scope": "repository:docker-local/app:pull,push", "service": "entrepot.test"}
        bearer = {"authorization": f"Bearer {(await client.get('/v2/token', params=scope)).json()['token']}"}
        begun = (await client.post(UPLOADS, headers=bearer, auth=None)).headers["location"]
        assert (await client.get(begun, headers=bearer, auth=None)).status_code == 204
        anybody = await client.delete(begun, auth=None)
        assert 'scope="repository:docker-local/app:pull,push"' in anybody.headers["www-authenticate"]
        assert (await client.delete(begun, headers=bearer, auth=None)).status_code == 204


async def test_who_must_say_who_asks_is_told_so_in_one_way_by_each_face(settings: Settings) -> None:
    async with served(settings) as client:
        registry = [await client.get(path, auth=None) for path in ("/v2/", "/v2/token", "/v2/_catalog")]
        registry += [
            await client.get("/v2/docker-local/app/tags/list", auth=None),
            await client.post(UPLOADS, auth=None),
        ]
        assert {one.json()["errors"][0]["message"] for one in registry} == {"authentication required"}
        paths = ("/artifactory/docker-local/app", "/artifactory/api/repositories", CONFIGURATION)
        rest = [await client.get(path, auth=None) for path in paths]
        assert {one.status_code for one in (*registry, *rest)} == {401}
        assert {one.json()["errors"][0]["message"] for one in rest} == {"Authentication is required."}


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


@pytest.mark.parametrize("base", ["", "https://registry.example.org"])
async def test_a_sub_domain_leads_to_tokens_that_count_there_whatever_the_base_url(tmp_path: Path, base: str) -> None:
    flags = {"docker.subdomain": "entrepot.test", **({"base.url": base} if base else {})}
    settings = await asyncio.to_thread(prepared, settings_of(tmp_path / "home", **flags))
    host = {"host": "docker-local.entrepot.test"}
    async with served(settings) as client:
        refused = await client.post("/v2/app/blobs/uploads/", headers=host, auth=None)
        challenge = refused.headers["www-authenticate"]
        realm, scope = (re.search(f'{name}="([^"]*)"', challenge) for name in ("realm", "scope"))
        assert realm is not None
        assert scope is not None
        assert realm[1].startswith(base or "http://docker-local.entrepot.test")
        path = "/" + realm[1].partition("://")[2].partition("/")[2]
        own = {} if base else host
        token = (await client.get(path, params={"scope": scope[1], "service": "x"}, headers=own)).json()["token"]
        bearer = {"authorization": f"Bearer {token}", **host}
        assert (await client.post("/v2/app/blobs/uploads/", headers=bearer, auth=None)).status_code == 202


def outages(kind: type[Unavailable] = Unavailable) -> list[type[Unavailable]]:
    return [kind, *(one for below in kind.__subclasses__() for one in outages(below))]


@pytest.mark.parametrize("kind", [one for one in outages() if "try again in a" in (one.__doc__ or "")])
def test_who_is_to_try_again_reads_the_same_time_in_the_text_and_in_the_header(kind: type[Unavailable]) -> None:
    error = kind()
    assert dict(error_reply(error, "oci", "").headers)["retry-after"] == "5"
    assert error.message.endswith("; try again in a few seconds.")
