"""What `docker login` stores, and what it is bought with."""

from dataclasses import replace
from typing import Any

import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.auth import groups
from entrepot.auth.jwt import TokenExpired, TokenRevoked
from entrepot.errors import EntrepotError
from entrepot.metadata.database import Tx
from entrepot.rest.docker_token import DockerTokens
from tests.unit.auth.support import asking
from tests.unit.auth.test_credentials import Headers
from tests.unit.rest.security.support import Directory, Site

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


async def caller_of(shop: Site, token: str) -> Caller:
    request = asking(Headers(authorization=f"Bearer {token}"))
    return await shop.authenticator.caller(request, docker=True)


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
    assert (await caller_of(shop, third["token"])).name == "bob"
    assert (await shop.ask("DELETE", f"{TOKENS}/me", token=token)).status_code == 200
    for stored in (first, second["refresh_token"], third["refresh_token"]):
        assert (await with_stored(shop, stored))[0] == 401
    for bearer in (second["token"], third["token"]):
        with pytest.raises(TokenRevoked):
            await caller_of(shop, bearer)


async def test_a_docker_token_is_no_more_than_what_its_token_has_become(shop: Site) -> None:
    bearer = (await bought(shop, token=await shop.token("ci", "applied-permissions/groups:devs,readers")))["token"]
    assert (await caller_of(shop, bearer)).groups == {"devs", "readers"}
    await shop.ask("DELETE", "/artifactory/api/security/groups/devs")
    await shop.ask("PUT", "/artifactory/api/security/groups/devs", {})
    assert (await caller_of(shop, bearer)).groups == {"readers"}


async def test_an_api_key_buys_nothing_that_would_outlive_it(shop: Site) -> None:
    key = (await shop.ask("POST", KEY, name="bob")).json()["apiKey"]
    told = await bought(shop, auth=("bob", key))
    assert "refresh_token" not in told
    assert (await caller_of(shop, told["token"])).name == "bob"


@pytest.mark.parametrize("end", ["DELETE", "PUT"])
async def test_what_an_api_key_bought_ends_when_it_is_revoked_or_renewed(shop: Site, end: str) -> None:
    key = (await shop.ask("POST", KEY, name="bob")).json()["apiKey"]
    token, by_password = (await bought(shop, auth=("bob", key)))["token"], (await bought(shop, name="bob"))["token"]
    assert (await caller_of(shop, token)).name == "bob"
    assert (await shop.ask(end, KEY, name="bob")).status_code == 200
    with pytest.raises(TokenRevoked):
        await caller_of(shop, token)
    assert (await caller_of(shop, by_password)).name == "bob"


# --- who has no account here -----------------------------------------------------------------------------------------


@pytest.fixture
async def guests(directory: Directory, shop: Site) -> Site:
    directory.create = False

    async def imported(tx: Tx) -> None:
        await groups.alter(tx, replace(await groups.get(tx, "devs"), realm="ldap"))

    await shop.epochs.change(shop.database, "security", imported)
    return shop


def may(shop: Site, caller: Caller, action: Action) -> bool:
    try:
        shop.granter.grant(caller, action, "docker-local", "app")
    except EntrepotError:
        return False
    return True


async def test_a_directory_s_user_without_an_account_pulls_what_its_groups_may(guests: Site) -> None:
    scope = "repository:docker-local/app:pull,push"
    reply = await guests.ask("GET", f"{DOCKER}?service=x&offline_token=true&scope={scope}", auth=("lena", "dirpw"))
    told = reply.json()
    assert "refresh_token" not in told
    caller = await caller_of(guests, told["token"])
    assert (caller.name, caller.user_id, caller.groups) == ("lena", None, {"readers", "devs"})
    assert [may(guests, caller, action) for action in (Action.READ, Action.DEPLOY)] == [True, False]
    assert caller.is_bound_to("docker-local/app", Action.READ)
    assert not caller.may_administer


async def test_a_token_of_who_has_no_account_counts_no_longer_than_what_its_directory_said(guests: Site) -> None:
    told = await bought(guests, auth=("lena", "dirpw"))
    assert 290 <= told["expires_in"] <= 300
    guests.database.wait(seconds=302)
    await guests.epochs.look(guests.database)
    with pytest.raises(TokenExpired):
        await caller_of(guests, told["token"])


async def test_who_has_no_account_and_too_many_groups_is_told(guests: Site) -> None:
    async def many(tx: Tx) -> None:
        for number in range(20):
            await groups.create(tx, groups.Group(f"{'x' * 30}-{number}", auto_join=True))

    await guests.epochs.change(guests.database, "security", many)
    refused = await guests.ask("GET", f"{DOCKER}?service=x", auth=("lena", "dirpw"))
    assert (refused.status_code, "groups" in refused.text) == (403, True)
