"""Sessions of browsers: cookies, forged requests, the end of a session."""

import httpx
import pytest

from entrepot.auth.sessions import prune
from tests.unit.rest.security.support import PASSWORD, Site, message

LOGIN, CURRENT, LOGOUT = (f"/ui/api/v1/ui/auth/{word}" for word in ("login", "current", "logout"))
TOKENS = "/access/api/v1/tokens"


async def login(site: Site, name: str = "bob", password: str = PASSWORD, base: str = "http://site") -> httpx.Response:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        return await client.post(LOGIN, json={"user": name, "password": password, "type": "login"})


def session(reply: httpx.Response) -> str:
    assert reply.status_code == 200
    return reply.headers["set-cookie"].partition(";")[0]


async def ask(site: Site, cookie: str, method: str, path: str, csrf: str = "", **rest: object) -> httpx.Response:
    headers = {"cookie": cookie} | ({"x-csrf-token": csrf} if csrf else {})
    return await site.ask(method, path, name="", headers=headers, **rest)


async def test_a_login_gives_a_cookie_that_scripts_and_other_sites_cannot_use(site: Site) -> None:
    reply = await login(site)
    assert reply.headers["set-cookie"].split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]
    assert reply.headers["cache-control"] == "no-store"
    told = reply.json()
    assert (told["name"], told["admin"], told["groups"]) == ("bob", False, ["readers"])
    current = await ask(site, session(reply), "GET", CURRENT)
    assert current.json() == told


async def test_what_changes_anything_must_carry_the_token_of_its_session(site: Site) -> None:
    reply, other = await login(site), await login(site)
    cookie, csrf = session(reply), reply.json()["csrfToken"]
    for forged in ("", "x", other.json()["csrfToken"]):
        for path in (TOKENS, LOGOUT):  # of which the first is open to all and identifies the caller itself
            refused = await ask(site, cookie, "POST", path, forged)
            assert (refused.status_code, "X-CSRF-Token" in message(refused)) == (403, True)
    assert (await ask(site, cookie, "POST", TOKENS, csrf)).status_code == 200


async def test_a_logout_ends_the_session_and_no_other(site: Site) -> None:
    reply, other = await login(site), await login(site)
    ended = await ask(site, session(reply), "POST", LOGOUT, reply.json()["csrfToken"])
    assert (ended.status_code, "Max-Age=0" in ended.headers["set-cookie"]) == (200, True)
    assert (await ask(site, session(reply), "GET", CURRENT)).status_code == 401
    assert (await ask(site, session(other), "GET", CURRENT)).status_code == 200


@pytest.mark.parametrize("seconds", [31 * 60, 13 * 3600])
async def test_a_session_ends_when_it_is_not_used(site: Site, seconds: int) -> None:
    cookie = session(await login(site))
    site.database.ahead += seconds * 1000
    await site.epochs.look(site.database)
    assert (await ask(site, cookie, "GET", CURRENT)).status_code == 401
    assert await prune(site.database) == 1


async def test_a_session_that_is_used_lasts_and_yet_not_for_ever(site: Site) -> None:
    cookie = session(await login(site))
    statuses = []
    for _ in range(37):
        site.database.ahead += 20 * 60 * 1000
        await site.epochs.look(site.database)
        statuses.append((await ask(site, cookie, "GET", CURRENT)).status_code)
    assert statuses == [200] * 35 + [401] * 2


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"status": "disabled"}, {"status": "enabled"}),
        ({"disable_ui_access": True}, None),
        ({"password": "New1"}, None),
    ],
)
async def test_a_session_ends_with_what_its_user_loses(
    site: Site, change: dict[str, object], again: dict[str, object]
) -> None:
    cookie = session(await login(site))
    await site.ask("PATCH", "/access/api/v2/users/bob", change)
    assert (await ask(site, cookie, "GET", CURRENT)).status_code == 401
    if again:
        await site.ask("PATCH", "/access/api/v2/users/bob", again)
        assert (await ask(site, cookie, "GET", CURRENT)).status_code == 401


async def test_tokens_and_keys_do_not_log_in_nor_whoever_has_no_access_to_the_ui(site: Site) -> None:
    assert (await login(site, password=await site.token("bob"))).status_code == 401
    assert (await login(site, password="wrong")).status_code == 401
    await site.ask("PATCH", "/access/api/v2/users/bob", {"disable_ui_access": True})
    assert (await login(site)).status_code == 403


async def test_all_sessions_are_ended_by_administrators(site: Site) -> None:
    cookie = session(await login(site))
    assert (await site.ask("POST", "/artifactory/api/system/security/logout")).status_code == 200
    assert (await ask(site, cookie, "GET", CURRENT)).status_code == 401


async def test_a_header_goes_before_a_cookie(site: Site) -> None:
    cookie = session(await login(site))
    async with site.client("root") as client:
        assert (await client.get(CURRENT, headers={"cookie": cookie})).json()["name"] == "root"
