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
