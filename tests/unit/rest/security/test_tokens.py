import asyncio
import base64
import json
from typing import Any

import pytest

from entrepot.auth import api_keys
from entrepot.auth.audit import Actor
from entrepot.auth.orders import order_of
from entrepot.auth.tokens import Order
from entrepot.metadata.database import Tx
from entrepot.rest.security import tokens_api
from tests.stores import done_or_waiting
from tests.unit.rest.security.support import PASSWORD, Site, message

TOKENS = "/access/api/v1/tokens"
OLD = "/artifactory/api/security/token"
USERS = "/artifactory/api/security/users"
USER = "applied-permissions/user"


def claims(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


async def made(site: Site, body: Any = None, **who: Any) -> Any:
    reply = await site.ask("POST", TOKENS, body or {}, **who)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def works(site: Site, token: str) -> bool:
    return (await site.ask("GET", TOKENS, token=token)).status_code == 200


# --- the Access API ---------------------------------------------------------------------------------------------------


async def test_a_plain_order_gives_a_token_of_its_user_for_a_year(site: Site) -> None:
    told = (await site.ask("POST", TOKENS, name="bob")).json()
    assert {name: value for name, value in told.items() if name not in ("access_token", "token_id")} == {
        "scope": USER, "token_type": "Bearer", "expires_in": 31_536_000, "username": "bob",
    }  # fmt: skip
    assert claims(told["access_token"])["sub"] == "jfac@01abc/users/bob"
    assert await works(site, told["access_token"])


async def test_an_order_is_taken_as_json_and_as_a_form(site: Site) -> None:
    form = {
        "username": "Bob",
        "expires_in": "60",
        "refreshable": "true",
        "include_reference_token": "true",
        "scope": "",
    }
    told = (await site.ask("POST", TOKENS, data=form)).json()
    assert (told["username"], told["expires_in"], told["scope"]) == ("bob", 60, USER)
    assert told["refresh_token"]
    assert told["reference_token"].startswith("cmVmd")
    assert await works(site, told["reference_token"])


@pytest.mark.parametrize(
    "scope",
    [
        "applied-permissions/admin", "applied-permissions/admin system:metrics:r", 'applied-permissions/groups:"a b",devs',
        "applied-permissions/roles:proj:Developer", "system:identities:r", "artifact:libs/a/**:r,w",
        "api:* member-of-groups:readers",
    ],
)  # fmt: skip
async def test_an_administrator_orders_any_scope_for_anybody_and_it_comes_back_word_for_word(
    site: Site, scope: str
) -> None:
    told = await made(site, {"username": "ci", "scope": scope, "expires_in": 0, "description": "for ci"})
    assert (told["scope"], "expires_in" in told) == (scope, False)
    assert claims(told["access_token"])["scp"] == scope
    assert "exp" not in claims(told["access_token"])
    assert "expiry" not in (await site.ask("GET", f"{TOKENS}/{told['token_id']}")).json()


async def test_a_token_shows_itself_to_its_owner_and_to_administrators(site: Site) -> None:
    told = await made(site, {"description": "mine", "refreshable": True}, name="bob")
    token_id, token = told["token_id"], told["access_token"]
    shown = (await site.ask("GET", f"{TOKENS}/{token_id}")).json()
    assert shown == {
        "token_id": token_id, "subject": "jfac@01abc/users/bob", "issuer": "jfac@01abc", "refreshable": True,
        "scope": USER, "description": "mine", "issued_at": shown["issued_at"], "expiry": claims(token)["exp"],
    }  # fmt: skip
    assert (await site.ask("GET", f"{TOKENS}/{token_id}", name="bob")).json() == shown
    assert (await site.ask("GET", f"{TOKENS}/me", token=token)).json() == shown
    assert (await site.ask("GET", f"{TOKENS}/me", name="bob")).status_code == 404
    await site.ask("PUT", f"{USERS}/ann", {"email": "a", "password": PASSWORD})
    assert (await site.ask("GET", f"{TOKENS}/{token_id}", name="ann")).status_code == 404
    assert (await site.ask("DELETE", f"{TOKENS}/{token_id}", name="ann")).status_code == 404
    assert (await site.ask("GET", TOKENS, name="ann")).json() == {"tokens": []}
    assert (await site.ask("GET", TOKENS, name="bob")).json() == {"tokens": [shown]}
    assert (await site.ask("GET", TOKENS)).json() == {"tokens": [shown]}


@pytest.mark.parametrize("owner", ["bob", "root"])
async def test_a_narrow_token_sees_and_revokes_itself_alone(site: Site, owner: str) -> None:
    whole = await made(site, name=owner)
    narrow = await site.token(owner, "artifact:libs/a:r")
    itself = claims(narrow)["jti"]
    assert [one["token_id"] for one in (await site.ask("GET", TOKENS, token=narrow)).json()["tokens"]] == [itself]
    for method, path, body in (
        ("GET", f"{TOKENS}/{whole['token_id']}", None),
        ("DELETE", f"{TOKENS}/{whole['token_id']}", None),
        ("POST", f"{TOKENS}/revoke", {"token_id": whole["token_id"]}),
    ):
        assert (await site.ask(method, path, body, token=narrow)).status_code == 404
    assert await works(site, whole["access_token"])
    assert (await site.ask("DELETE", f"{TOKENS}/{itself}", token=narrow)).status_code == 200


async def test_a_subject_without_an_account_is_not_the_user_of_its_name(site: Site) -> None:
    mine = await made(site, name="bob")
    order = Order("bob", None, 0, "artifact:libs/a:r", expires_in=60)
    robot = await site.tokens.issue(order, Actor("root", ""))
    told = (await site.ask("GET", TOKENS, token=robot.access_token)).json()["tokens"]
    assert [one["token_id"] for one in told] == [robot.token_id]
    assert (await site.ask("GET", f"{TOKENS}/{mine['token_id']}", token=robot.access_token)).status_code == 404
    rights = "/artifactory/api/security/permissions/users/bob"
    assert (await site.ask("GET", rights, token=robot.access_token)).status_code == 403
    assert (await site.ask("GET", rights, name="bob")).status_code == 200


async def test_lists_are_filtered(site: Site) -> None:
    mine = await made(site, name="bob")
    other = await made(site, {"username": "ci", "scope": "member-of-groups:devs", "refreshable": True})

    async def ids(**query: str) -> list[str]:
        tokens = (await site.ask("GET", TOKENS, params=query)).json()["tokens"]
        return [one["token_id"] for one in tokens]

    assert await ids(username="bob") == [mine["token_id"]]
    assert await ids(refreshable="true") == [other["token_id"]]
    assert await ids(refreshable="false") == [mine["token_id"]]
    assert await ids(username="nobody") == []


@pytest.mark.parametrize("way", ["id", "me", "text", "post", "reference", "form"])
async def test_a_revoked_token_is_over_when_it_is_answered(site: Site, way: str) -> None:
    told = await made(site, {"include_reference_token": True}, name="bob")
    token, token_id = told["access_token"], told["token_id"]
    assert await works(site, token)
    revoke = f"{TOKENS}/revoke"
    method, path, body, who = {
        "id": ("DELETE", f"{TOKENS}/{token_id}", None, {}),
        "me": ("DELETE", f"{TOKENS}/me", None, {"token": token}),
        "text": ("DELETE", revoke, {"token": token}, {"name": "bob"}),
        "post": ("POST", revoke, {"token_id": token_id}, {"name": "bob"}),
        "reference": ("POST", revoke, {"token": told["reference_token"]}, {}),
        "form": ("DELETE", revoke, None, {"data": {"token": token}}),
    }[way]
    answered = await site.ask(method, path, body, **who)
    assert (answered.status_code, answered.json()) == (200, {"revoked_token_id": token_id})
    assert not await works(site, token)
    assert not await works(site, told["reference_token"])
    assert (await site.ask("GET", f"{TOKENS}/{token_id}")).status_code == 404
    assert (await site.ask("POST", revoke, {"token": token})).status_code == 404


async def test_a_refresh_needs_no_other_credentials_and_ends_the_old_pair(site: Site) -> None:
    old = await made(site, {"expires_in": 1, "refreshable": True, "audience": "*@*"}, name="bob")
    assert old["expires_in"] == 1
    body = {
        "grant_type": "refresh_token", "refresh_token": old["refresh_token"], "access_token": old["access_token"],
        "expires_in": 1, "refreshable": True,
    }  # fmt: skip
    new = await made(site, body, name="")
    assert new["expires_in"] == 1
    assert new["access_token"] != old["access_token"]
    assert new["refresh_token"] != old["refresh_token"]
    assert (await site.ask("POST", TOKENS, body, name="")).status_code == 401
    assert not await works(site, old["access_token"])


async def test_a_user_orders_for_itself_what_it_may_itself(site: Site) -> None:
    await site.ask("PATCH", "/access/api/v2/users/bob/groups", {"add": ["devs"]})
    for scope in (USER, "applied-permissions/groups:devs", "api:* member-of-groups:*", "artifact:libs/**:r"):
        assert (await made(site, {"scope": scope, "username": "BOB"}, name="bob"))["scope"] == scope


@pytest.mark.parametrize(
    "body",
    [
        {"username": "root"},
        {"username": "ci", "scope": "api:* member-of-groups:readers"},
        {"scope": "applied-permissions/admin"},
        {"scope": f"{USER} applied-permissions/admin"},
        {"scope": "jfrt@*:admin"},
        {"scope": "applied-permissions/groups:devs"},
        {"scope": "applied-permissions/groups:readers,devs"},
        {"scope": "applied-permissions/roles:p:Developer"},
        {"scope": "system:identities:r"},
        {"expires_in": 0},
        {"expires_in": 31_536_001},
    ],
)
async def test_a_user_orders_nothing_more(site: Site, body: Any) -> None:
    assert (await site.ask("POST", TOKENS, body, name="bob")).status_code == 403
    assert (await site.ask("GET", TOKENS)).json() == {"tokens": []}


async def test_where_tokens_last_for_ever_by_default_those_of_users_last_a_year(site: Site) -> None:
    expiry = "/access/api/v1/config/token/default_expiry"
    assert (await site.ask("PUT", expiry, {"default_token_expiration": 0})).status_code == 200
    assert (await made(site, name="bob"))["expires_in"] == 31_536_000
    assert "expires_in" not in await made(site)
    assert (await site.ask("POST", TOKENS, {"expires_in": 0}, name="bob")).status_code == 403


@pytest.mark.parametrize("owner", ["bob", "root"])
@pytest.mark.parametrize(
    "scope", ["applied-permissions/groups:readers", "artifact:libs/**:*", "member-of-groups:*", "api:*"]
)
async def test_a_narrow_token_orders_nothing(site: Site, owner: str, scope: str) -> None:
    token = await site.token(owner, scope)
    for wanted in (USER, scope, "applied-permissions/admin"):
        assert (await site.ask("POST", TOKENS, {"scope": wanted}, token=token)).status_code == 403
        assert (await site.ask("POST", OLD, data={"scope": wanted}, token=token)).status_code == 403


async def test_a_subject_that_is_no_user_orders_nothing_unless_it_administers(site: Site) -> None:
    token = await site.token("ci", "member-of-groups:readers")
    assert (await site.ask("POST", TOKENS, {}, token=token)).status_code == 403
    wide = await site.token("robot", "applied-permissions/admin")
    assert (await site.ask("POST", TOKENS, {"username": "bob"}, token=wide)).status_code == 200


async def test_a_token_orders_none_that_outlives_it(site: Site) -> None:
    token = await site.token("bob", expires_in=100)
    told = await made(site, {}, token=token)
    assert 90 <= told["expires_in"] <= 101
    assert (await site.ask("POST", TOKENS, {"refreshable": True}, token=token)).status_code == 403
    lasting = await site.token("bob", expires_in=None)
    assert (await made(site, {"expires_in": 1000}, token=lasting))["expires_in"] == 1000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"scope": "nonsense"}, "nonsense"),
        ({"scope": "x" * 501}, "500"),
        ({"username": "x" * 256, "scope": "member-of-groups:a"}, "username"),
        ({"audience": "x" * 256}, "audience"),
        ({"description": "x" * 1025}, "description"),
        ({"expires_in": -1}, "expires_in"),
        ({"expires_in": 10**30}, "expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"expires_in": 1.5}, "expires_in"),
        ({"refreshable": []}, "refreshable"),
        ({"grant_type": "magic"}, "grant_type"),
        ({"username": "absent"}, "absent"),
    ],
)
async def test_an_order_that_is_wrong_says_so(site: Site, body: Any, words: str) -> None:
    refused = await site.ask("POST", TOKENS, body)
    assert refused.status_code == 400
    assert words in message(refused)


async def test_nothing_is_ordered_for_who_is_disabled(site: Site) -> None:
    await site.ask("POST", f"{USERS}/bob", {"status": "disabled"})
    assert (await site.ask("POST", TOKENS, {"username": "bob"})).status_code == 400


@pytest.mark.parametrize("anonymous", [False, True])
async def test_without_credentials_there_is_nothing_to_see_or_order(site: Site, anonymous: bool) -> None:
    site.anonymous = anonymous
    for method, path in (
        ("POST", TOKENS), ("GET", TOKENS), ("GET", f"{TOKENS}/x"), ("DELETE", f"{TOKENS}/x"), ("GET", f"{TOKENS}/me"),
        ("POST", f"{TOKENS}/revoke"), ("POST", OLD), ("GET", OLD), ("POST", f"{OLD}/revoke"),
    ):  # fmt: skip
        refused = await site.ask(method, path, {} if method == "POST" else None, name="")
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("path", [TOKENS, OLD])
async def test_the_names_of_fields_are_looked_at_for_those_only_who_say_who_they_are(site: Site, path: str) -> None:
    assert (await site.ask("POST", path, {"usrname": "ci"}, name="")).status_code == 401
    assert (await site.ask("POST", path, {"usrname": "ci"}, name="bob")).status_code == 400
    many = {f"username{number}": "ci" for number in range(200)}
    assert (await site.ask("POST", path, many, name="")).status_code == 401
    assert (await site.ask("POST", path, many, name="bob")).status_code == 400


async def test_a_body_that_is_neither_form_nor_json_is_refused(site: Site) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for text in (b"\xff", b"a=%ff", b"&".join(b"a=1" for _ in range(101))):
        assert (await site.ask("POST", TOKENS, content=text, headers=headers)).status_code == 400
    for text in (b"[]", b"{", b"[" * 10_000, b'{"a":' * 10_000, b"\xff", b" "):
        assert (await site.ask("POST", TOKENS, content=text)).status_code == 400


KEY = "/artifactory/api/security/apiKey"


async def bought_with_key(site: Site, owner: str) -> list[str]:
    """Tokens that an API key buys: at once, for another user, with a token of its own, with a refresh token."""
    key = (await site.ask("PUT", KEY, name=owner)).json()["apiKey"]
    lasting = {"expires_in": 0} if owner == "root" else {}
    first = await made(site, lasting, auth=(owner, key))
    second = await made(site, lasting, token=first["access_token"])
    refreshable = {"grant_type": "client_credentials", "scope": "member-of-groups:*", "refreshable": "true"}
    of_jf = await site.ask("POST", OLD, data={**refreshable, "expires_in": "3600", "username": owner}, auth=(owner, key))
    assert of_jf.status_code == 200, of_jf.text  # `jf config` orders this before anything else
    again = {"grant_type": "refresh_token", "refresh_token": of_jf.json()["refresh_token"]}
    renewed = (await site.ask("POST", OLD, data=again, name="")).json()
    tokens = [first["access_token"], second["access_token"], renewed["access_token"]]
    if owner == "root":
        wide = await made(site, {"expires_in": 0, "refreshable": True}, token=first["access_token"])
        tokens += [wide["access_token"], (await made(site, {"username": "bob"}, auth=(owner, key)))["access_token"]]
    for token in tokens:
        assert await works(site, token)
    return tokens


@pytest.mark.parametrize("end", ["DELETE", "PUT", "deleteAll", "user"])
async def test_what_an_api_key_bought_ends_with_it(site: Site, end: str) -> None:
    await site.ask("PUT", f"{USERS}/zoe", {"email": "z@example.org", "password": PASSWORD, "admin": True})
    mine, others = await bought_with_key(site, "root"), await bought_with_key(site, "bob")
    match end:
        case "user":
            assert (await site.ask("DELETE", f"{USERS}/root", name="zoe")).status_code == 200
        case "deleteAll":
            assert (await site.ask("DELETE", f"{KEY}?deleteAll=1")).status_code == 200
        case _:
            assert (await site.ask(end, KEY)).status_code == 200
    assert [await works(site, token) for token in mine] == [False] * 5
    assert [await works(site, token) for token in others] == [end != "deleteAll"] * 3


async def test_an_api_key_that_is_revoked_meanwhile_buys_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await site.ask("POST", KEY, name="bob")).json()["apiKey"]

    async def revoked_before(*arguments: Any, **stated: Any) -> Order:
        order = await order_of(*arguments, **stated)
        assert (await site.ask("DELETE", KEY, name="bob")).status_code == 200
        return order

    monkeypatch.setattr(tokens_api, "order_of", revoked_before)
    assert (await site.ask("POST", TOKENS, {}, auth=("bob", key))).status_code == 401
    assert (await site.ask("GET", TOKENS)).json() == {"tokens": []}


async def test_who_revokes_an_api_key_waits_for_what_is_just_being_bought(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    if site.database.engine == "sqlite":
        pytest.skip("there is one writer at a time")
    key, hold = (await site.ask("POST", KEY, name="bob")).json()["apiKey"], api_keys.hold
    revoking: list[asyncio.Task[Any]] = []

    async def held(tx: Tx, of: str) -> None:
        await hold(tx, of)
        revoking.append(asyncio.create_task(site.ask("DELETE", KEY, name="bob")))
        await done_or_waiting(site.database, revoking[0])

    monkeypatch.setattr(api_keys, "hold", held)
    told = await made(site, {}, auth=("bob", key))
    assert (await revoking[0]).status_code == 200
    assert not await works(site, told["access_token"])


# --- the old API ------------------------------------------------------------------------------------------------------


async def old(site: Site, **form: str) -> Any:
    reply = await site.ask("POST", OLD, data=form)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_the_old_api_gives_an_hour_unless_asked_otherwise(site: Site) -> None:
    told = await old(
        site, username="anonymous", scope="api:* member-of-groups:readers", refreshable="true", audience="jfrt@*"
    )
    assert {name: value for name, value in told.items() if not name.endswith("_token")} == {
        "scope": "api:* member-of-groups:readers", "token_type": "Bearer", "expires_in": 3600,
    }  # fmt: skip
    assert claims(told["access_token"])["aud"] == "jfrt@*"
    assert told["refresh_token"]
    assert "expires_in" not in await old(site, expires_in="0")


@pytest.mark.parametrize("scope", ["member-of-groups:*", "api:* member-of-groups:*"])
async def test_all_groups_of_a_user_mean_its_own_rights_in_the_old_api(site: Site, scope: str) -> None:
    assert (await old(site, username="bob", scope=scope))["scope"] == USER
    assert (await old(site, username="nobody-here", scope=scope))["scope"] == scope
    kept = "member-of-groups:* member-of-groups:readers"
    assert (await old(site, username="bob", scope=kept))["scope"] == kept
    mine = await site.ask("POST", OLD, data={"username": "bob", "scope": scope}, name="bob")
    assert mine.json()["scope"] == USER
    others = await site.ask("POST", OLD, data={"username": "admin", "scope": scope}, name="bob")
    assert (others.status_code, others.json()["error"]) == (403, "unauthorized_client")
    narrow = await site.token("bob", "member-of-groups:*")
    assert (await site.ask("POST", OLD, data={"username": "bob", "scope": scope}, token=narrow)).status_code == 403


async def test_the_old_api_lists_what_is_valid(site: Site) -> None:
    await old(site, username="bob")
    await old(site, username="bob", expires_in="1", refreshable="true")
    kept = await old(site, username="bob", refreshable="true")
    site.database.wait(seconds=3)
    listed = (await site.ask("GET", OLD)).json()["tokens"]
    assert [one["subject"].endswith("/bob") for one in listed] == [True, True]
    assert listed[1]["token_id"] == claims(kept["access_token"])["jti"]
    assert (await site.ask("GET", OLD, name="bob")).status_code == 403


@pytest.mark.parametrize("by", ["access_token", "refresh_token", "token_id"])
async def test_the_old_api_revokes_by_either_token_or_by_id(site: Site, by: str) -> None:
    told = await old(site, username="bob", refreshable="true")
    form = {"token_id": claims(told["access_token"])["jti"]} if by == "token_id" else {"token": told[by]}
    assert (await site.ask("POST", f"{OLD}/revoke", data=form)).text == "Token revoked"
    again = await site.ask("POST", f"{OLD}/revoke", data=form)
    assert (again.status_code, again.text) == (200, "Token not found")
    assert not await works(site, told["access_token"])


async def test_the_old_api_refreshes(site: Site) -> None:
    told = await old(site, username="bob", refreshable="true")
    form = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], "access_token": told["access_token"]}
    reply = await site.ask("POST", OLD, data=form, name="")
    assert reply.json()["expires_in"] == 3600
    again = await site.ask("POST", OLD, data=form, name="")
    assert (again.status_code, again.json()["error"]) == (401, "invalid_grant")


@pytest.mark.parametrize(
    ("path", "form", "status", "error"),
    [
        (OLD, {"scope": "nonsense"}, 400, "invalid_scope"),
        (OLD, {"expires_in": "soon"}, 400, "invalid_request"),
        (OLD, {"grant_type": "password"}, 400, "unsupported_grant_type"),
        (f"{OLD}/revoke", {}, 400, "invalid_request"),
        (f"{OLD}/revoke", {"token": "a", "token_id": "b"}, 400, "invalid_request"),
    ],
)
async def test_the_old_api_refuses_as_oauth_does(site: Site, path: str, form: Any, status: int, error: str) -> None:
    refused = await site.ask("POST", path, data=form or {"x": "y"})
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert refused.json()["error_description"]


async def test_the_old_api_gives_a_user_no_more_than_an_hour(site: Site) -> None:
    refused = await site.ask("POST", OLD, data={"expires_in": "3601"}, name="bob")
    assert (refused.status_code, refused.json()["error"]) == (403, "unauthorized_client")
    assert (await site.ask("POST", OLD, data={"expires_in": "3600"}, name="bob")).status_code == 200


async def test_the_old_api_says_when_a_guesser_may_try_again_and_lets_nobody_keep_a_token(site: Site) -> None:
    told = await site.ask("POST", OLD, data={"username": "bob", "refreshable": "true"})
    assert told.headers["cache-control"] == "no-store"
    form = {"grant_type": "refresh_token", "refresh_token": told.json()["refresh_token"]}
    assert (await site.ask("POST", OLD, data=form, name="")).headers["cache-control"] == "no-store"
    for number in range(4):
        refused = await site.ask("POST", OLD, data={"scope": USER}, auth=("bob", f"guess {number}"))
    assert (refused.status_code, refused.json()["error"]) == (403, "unauthorized_client")
    assert int(refused.headers["retry-after"]) >= 1
