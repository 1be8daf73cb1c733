"""What `docker login` stores, and what it is bought with."""

from typing import Any

import pytest

from entrepot.auth.jwt import TokenRevoked
from entrepot.rest.docker_token import DockerTokens
from tests.unit.auth.support import asking
from tests.unit.auth.test_credentials import Headers
from tests.unit.rest.security.support import Site

DOCKER = "/v2/token"
TOKENS = "/access/api/v1/tokens"
KEY = "/artifactory/api/security/apiKey"


@pytest.fixture
def shop(site: Site) -> Site:
    made = DockerTokens(
        site.database, site.authenticator, site.tokens, granter=site.granter, anonymous=lambda: site.anonymous
    )
    site.serve((*site.rows, *made.rows()))
    return site


async def bought(shop: Site, **who: Any) -> dict[str, Any]:
    """What a client gets that wants something to store."""
    reply = await shop.ask("GET", f"{DOCKER}?service=x&offline_token=true", **who)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def with_stored(shop: Site, secret: str, **form: str) -> tuple[int, dict[str, Any]]:
    fields = {"grant_type": "refresh_token", "refresh_token": secret, "service": "x", **form}
    reply = await shop.ask("POST", DOCKER, name="", data=fields)
    return reply.status_code, reply.json()


async def caller_of(shop: Site, token: str) -> str:
    request = asking(Headers(authorization=f"Bearer {token}"))
    return (await shop.authenticator.caller(request, docker=True)).name


async def test_what_docker_stores_for_a_password_lasts_a_year(shop: Site) -> None:
    secret = (await bought(shop, name="bob"))["refresh_token"]
    shop.database.wait(seconds=364 * 86_400)
    await shop.epochs.look(shop.database)
    assert (await with_stored(shop, secret))[0] == 200
    shop.database.wait(seconds=2 * 86_400)
    await shop.epochs.look(shop.database)
    assert (await with_stored(shop, secret))[0] == 401


async def test_what_docker_stores_ends_with_the_token_that_bought_it(shop: Site) -> None:
    token = await shop.token("bob", expires_in=100)
    secret = (await bought(shop, token=token))["refresh_token"]
    status, told = await with_stored(shop, secret, access_type="offline")
    assert status == 200
    shop.database.wait(seconds=102)
    await shop.epochs.look(shop.database)
    for stored in (secret, told["refresh_token"]):
        assert (await with_stored(shop, stored))[0] == 401


async def test_revoking_a_token_ends_all_that_was_bought_with_it_at_any_remove(shop: Site) -> None:
    token = await shop.token("bob")
    first = (await bought(shop, token=token))["refresh_token"]
    second = (await with_stored(shop, first, access_type="offline"))[1]
    third = (await with_stored(shop, second["refresh_token"], access_type="offline"))[1]
    assert await caller_of(shop, third["token"]) == "bob"
    assert (await shop.ask("DELETE", f"{TOKENS}/me", token=token)).status_code == 200
    for stored in (first, second["refresh_token"], third["refresh_token"]):
        assert (await with_stored(shop, stored))[0] == 401
    for bearer in (second["token"], third["token"]):
        with pytest.raises(TokenRevoked):
            await caller_of(shop, bearer)


async def test_an_api_key_buys_nothing_that_would_outlive_it(shop: Site) -> None:
    key = (await shop.ask("POST", KEY, name="bob")).json()["apiKey"]
    told = await bought(shop, auth=("bob", key))
    assert "refresh_token" not in told
    assert await caller_of(shop, told["token"]) == "bob"
