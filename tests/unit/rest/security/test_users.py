from typing import Any

import pytest

from entrepot.auth import accounts, groups
from entrepot.metadata.database import Tx
from tests.unit.rest.security.support import PASSWORD, Site, message

V1 = "/artifactory/api/security/users"
V2 = "/access/api/v2/users"
ANN = {"name": "ann", "email": "ann@example.org", "password": PASSWORD}


async def test_a_new_user_reads_back_as_its_client_compares_it(site: Site) -> None:
    sent = {
        **ANN, "admin": False, "profileUpdatable": True, "disableUIAccess": False, "internalPasswordDisabled": False,
        "realm": "internal", "shouldInvite": False, "watchManager": False, "reportsManager": False, "policyManager": False,
    }  # fmt: skip
    created = await site.ask("PUT", f"{V1}/ann", sent)
    assert (created.status_code, created.content) == (201, b"")
    del sent["password"]
    told = (await site.ask("GET", f"{V1}/ann")).json()
    assert told == {**sent, "groups": ["readers"], "offlineMode": False, "status": "enabled"}


async def test_a_user_can_log_in_with_what_was_set(site: Site) -> None:
    await site.ask("PUT", f"{V1}/ann", ANN)
    assert (await site.ask("GET", f"{V1}/ann", name="ann")).status_code == 403
    assert "lastLoggedInMillis" in (await site.ask("GET", f"{V1}/ann")).json()


async def test_no_groups_are_no_field(site: Site) -> None:
    assert (await site.ask("POST", f"{V1}/bob", {"groups": []})).status_code == 200
    assert "groups" not in (await site.ask("GET", f"{V1}/bob")).json()


async def test_names_are_lower_case_and_found_in_any(site: Site) -> None:
    await site.ask("PUT", f"{V1}/Ann", {**ANN, "name": "ANN"})
    assert (await site.ask("GET", f"{V1}/aNN")).json()["name"] == "ann"


async def test_the_list_tells_names_addresses_realms_and_states(site: Site) -> None:
    await site.ask("POST", f"{V1}/bob", {"status": "DISABLED"})
    assert (await site.ask("GET", V1)).json() == [
        {"name": "anonymous", "uri": f"http://site{V1}/anonymous", "realm": "internal", "status": "enabled"},
        {"name": "bob", "uri": f"http://site{V1}/bob", "realm": "internal", "status": "disabled"},
        {"name": "root", "uri": f"http://site{V1}/root", "realm": "internal", "status": "enabled"},
    ]


async def test_an_update_changes_what_it_states_and_nothing_else(site: Site) -> None:
    before = (await site.ask("GET", f"{V1}/bob")).json()
    await site.ask("POST", f"{V1}/bob", {"email": "new@example.org", "disableUIAccess": True, "groups": ["devs"]})
    after = (await site.ask("GET", f"{V1}/bob")).json()
    assert after == {**before, "email": "new@example.org", "disableUIAccess": True, "groups": ["devs"]}


async def test_replacing_resets_what_is_not_stated(site: Site) -> None:
    before = {"admin": True, "disableUIAccess": True, "status": "disabled", "groups": ["devs"]}
    await site.ask("POST", f"{V1}/bob", before)
    assert (await site.ask("PUT", f"{V1}/bob", {**ANN, "name": "bob"})).status_code == 201
    told = (await site.ask("GET", f"{V1}/bob")).json()
    assert (told["admin"], told["disableUIAccess"], told["status"]) == (False, False, "enabled")
    assert told["groups"] == ["readers"]  # as a new user of those fields
    await site.ask("PUT", f"{V1}/bob", {**ANN, "name": "bob", "groups": ["devs"]})
    assert (await site.ask("GET", f"{V1}/bob")).json()["groups"] == ["devs"]


@pytest.mark.parametrize("way", ["v1", "access"])
async def test_a_disabled_user_is_out_and_comes_back_when_enabled(site: Site, way: str) -> None:
    method, path, words = (
        ("POST", V1, ("DISABLED", "ENABLED")) if way == "v1" else ("PATCH", V2, ("disabled", "enabled"))
    )
    token = await site.token("bob")
    assert (await site.ask("GET", "/access/api/v1/tokens", token=token)).status_code == 200
    assert (await site.ask(method, f"{path}/bob", {"status": words[0]})).status_code == 200
    assert (await site.ask("GET", f"{V1}/bob")).json()["status"] == "disabled"
    for credential in ({"name": "bob"}, {"token": token}):
        assert (await site.ask("GET", "/access/api/v1/tokens", **credential)).status_code == 401
    await site.ask(method, f"{path}/bob", {"status": words[1]})
    assert (await site.ask("GET", "/access/api/v1/tokens", name="bob")).status_code == 200
    assert (await site.ask("GET", "/access/api/v1/tokens", token=token)).status_code == 401


async def test_a_deleted_user_is_gone_with_all_that_it_was_granted(site: Site) -> None:
    removed = await site.ask("DELETE", f"{V1}/bob")
    assert (removed.status_code, removed.text) == (200, "User 'bob' has been removed successfully.")
    assert (await site.ask("GET", f"{V1}/bob")).status_code == 404
    assert (await site.ask("DELETE", f"{V1}/bob")).status_code == 404
    target = (await site.ask("GET", "/access/api/v2/permissions/Anything")).json()
    assert target["resources"]["artifact"]["actions"] == {"groups": {"devs": ["READ"]}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**ANN, "email": None}, "email"),
        ({"name": "ann", "password": PASSWORD}, "email"),
        ({"name": "ann", "email": "x"}, "password"),
        ({**ANN, "password": ""}, "password"),
        ({**ANN, "password": "x" * 1025}, "1024"),
        ({**ANN, "name": "other"}, "path"),
        ({**ANN, "groups": ["nobody"]}, "'nobody'"),
        ({**ANN, "groups": "devs"}, "groups"),
        ({**ANN, "admin": "yes"}, "admin"),
        ({**ANN, "status": "asleep"}, "status"),
        ([], "object"),
    ],
)
async def test_a_body_that_is_wrong_says_so(site: Site, body: Any, words: str) -> None:
    refused = await site.ask("PUT", f"{V1}/ann", body)
    assert refused.status_code == 400
    assert words in message(refused)
    assert (await site.ask("GET", f"{V1}/ann")).status_code == 404


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b'{"email":"\\ud800"}', b"\xff", b"1e9"]
)
async def test_a_body_that_is_no_json_is_refused(site: Site, text: bytes) -> None:
    assert (await site.ask("PUT", f"{V1}/ann", content=text)).status_code == 400


async def test_a_body_without_end_is_refused(site: Site) -> None:
    assert (await site.ask("PUT", f"{V1}/ann", content=b" " * ((1 << 20) + 1))).status_code == 413


@pytest.mark.parametrize("name", ["a b", "a%2Fb", "xray", "a:b", "%C3%A4", "a" * 256, "..", "a%00b"])
async def test_a_name_beyond_the_rules_is_refused(site: Site, name: str) -> None:
    refused = await site.ask("PUT", f"{V1}/{name}", {**ANN, "name": None})
    assert refused.status_code in (400, 404)
    assert len((await site.ask("GET", V1)).json()) == 3


async def test_a_name_that_is_no_text_is_nobody_s(site: Site) -> None:
    assert (await site.ask("GET", f"{V1}/%ff")).status_code == 404


async def test_a_user_without_a_password_may_be_made_where_it_needs_none(site: Site) -> None:
    body = {"email": "x", "internalPasswordDisabled": True}
    assert (await site.ask("PUT", f"{V1}/ann", body)).status_code == 201
    assert (await site.ask("GET", "/access/api/v1/tokens", name="ann")).status_code == 401


async def test_the_unknown_are_not_found(site: Site) -> None:
    for method, path in (("GET", V1), ("POST", V1), ("DELETE", V1), ("GET", V2), ("PATCH", V2), ("DELETE", V2)):
        assert (
            await site.ask(method, f"{path}/nobody", {} if method in ("POST", "PATCH") else None)
        ).status_code == 404


async def test_the_anonymous_user_stays_and_never_gets_a_password(site: Site) -> None:
    body = {**ANN, "name": "anonymous"}
    assert (await site.ask("PUT", f"{V1}/anonymous", body)).status_code == 400
    assert (await site.ask("POST", f"{V1}/anonymous", {"password": PASSWORD})).status_code == 400
    assert (await site.ask("DELETE", f"{V1}/anonymous")).status_code == 400
    assert (await site.ask("GET", f"{V1}/anonymous")).status_code == 200


async def test_somebody_administers_whatever_happens(site: Site) -> None:
    assert (await site.ask("DELETE", f"{V1}/root")).status_code == 403
    for change in ({"admin": False}, {"status": "DISABLED"}):
        assert (await site.ask("POST", f"{V1}/root", change)).status_code == 403
    await site.ask("POST", f"{V1}/bob", {"admin": True})
    assert (await site.ask("POST", f"{V1}/root", {"admin": False}, name="bob")).status_code == 200
    assert (await site.ask("GET", V1)).status_code == 403


async def test_neither_the_anonymous_user_nor_one_that_is_disabled_is_the_last_who_administers(site: Site) -> None:
    async def former(tx: Tx) -> None:
        await groups.create(tx, groups.Group("admins", admin=True))
        for name in ("anonymous", "bob"):
            await groups.join(tx, (await accounts.get(tx, name)).id, ["admins"])

    await site.database.transact(former)
    await site.ask("POST", f"{V1}/bob", {"status": "DISABLED"})
    assert (await site.ask("POST", f"{V1}/root", {"admin": False})).status_code == 403


# --- the Access API ---------------------------------------------------------------------------------------------------


async def test_the_access_api_creates_shows_changes_and_removes(site: Site) -> None:
    body = {
        "username": "ann", "password": PASSWORD, "email": "a@example.org", "groups": ["devs"], "admin": False,
        "profile_updatable": True, "disable_ui_access": False, "internal_password_disabled": False,
    }  # fmt: skip
    created = await site.ask("POST", V2, body)
    assert created.status_code == 201
    told = created.json()
    assert told == {
        "username": "ann", "email": "a@example.org", "groups": ["devs", "readers"], "realm": "internal",
        "status": "enabled", "admin": False, "effective_admin": False, "profile_updatable": True,
        "disable_ui_access": False, "internal_password_disabled": False, "watch_manager": False,
        "policy_manager": False, "policy_viewer": False, "reports_manager": False, "manage_resources": False,
    }  # fmt: skip
    assert (await site.ask("POST", V2, body)).status_code == 409
    changed = await site.ask("PATCH", f"{V2}/ann", {"email": "b@example.org", "disable_ui_access": True})
    assert changed.json() == {**told, "email": "b@example.org", "disable_ui_access": True}
    assert (await site.ask("GET", f"{V2}/ann")).json() == changed.json()
    assert (await site.ask("DELETE", f"{V2}/ann")).status_code == 204
    gone = await site.ask("DELETE", f"{V2}/ann")
    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, "NOT_FOUND")


async def test_groups_are_changed_one_by_one(site: Site) -> None:
    changed = await site.ask("PATCH", f"{V2}/bob/groups", {"add": ["devs"], "remove": ["readers"]})
    assert (changed.status_code, changed.json()) == (200, {"groups": ["devs"]})
    assert (await site.ask("PATCH", f"{V2}/bob/groups", {"add": ["absent"]})).status_code == 400
    assert (await site.ask("PATCH", f"{V2}/nobody/groups", {"add": ["devs"]})).status_code == 404


async def test_the_access_api_lists_page_by_page(site: Site) -> None:
    first = (await site.ask("GET", V2, params={"limit": 2})).json()
    assert [user["username"] for user in first["users"]] == ["anonymous", "bob"]
    rest = (await site.ask("GET", V2, params={"limit": 2, "cursor": first["cursor"]})).json()
    assert rest == {
        "users": [{"username": "root", "uri": f"http://site{V2}/root", "realm": "internal", "status": "enabled"}]
    }
    assert len((await site.ask("GET", V2)).json()["users"]) == 3
    for wrong in ("0", "-1", "x", "²", "00"):
        assert (await site.ask("GET", V2, params={"limit": wrong})).status_code == 400


async def test_who_administers_is_listed_whether_by_itself_or_through_a_group(site: Site) -> None:
    await site.ask("POST", "/access/api/v2/groups", {"name": "admins", "admin_privileges": True, "members": ["bob"]})
    listed = (await site.ask("GET", V2, params={"only_admins": "true"})).json()["users"]
    assert [user["username"] for user in listed] == ["bob", "root"]


async def test_a_login_shows(site: Site) -> None:
    await site.ask("GET", V1, name="bob")
    assert (await site.ask("GET", f"{V2}/bob")).json()["last_logged_in"].endswith("Z")


async def test_every_change_is_in_the_audit_trail_without_secrets(site: Site) -> None:
    await site.ask("PUT", f"{V1}/ann", ANN)
    await site.ask("POST", f"{V1}/ann", {"password": "Secret123", "email": "x"})
    await site.ask("PATCH", f"{V2}/ann/groups", {"add": ["devs"]})
    await site.ask("DELETE", f"{V1}/ann")
    trail = await site.audit()
    assert [tuple(row[:3]) for row in trail] == [
        ("user.replace", "root", "ann"), ("user.update", "root", "ann"), ("user.groups", "root", "ann"),
        ("user.delete", "root", "ann"),
    ]  # fmt: skip
    assert trail[1][3] == "email password"
    assert "Secret123" not in str(trail)


async def test_a_refused_change_leaves_no_trail(site: Site) -> None:
    await site.ask("POST", f"{V1}/root", {"admin": False})
    assert await site.audit() == []
    assert (await accounts.get(site.database, "root")).admin
