from typing import Any

import pytest

from tests.unit.rest.security.support import Site, message

GROUPS = "/artifactory/api/security/groups"


async def shown(site: Site, name: str, query: str = "") -> Any:
    return (await site.ask("GET", f"{GROUPS}/{name}{query}")).json()


async def test_a_new_group_reads_back_as_its_client_compares_it(site: Site) -> None:
    sent = {
        "name": "ops", "description": "hello", "autoJoin": False, "adminPrivileges": True, "realm": "internal",
        "realmAttributes": "", "watchManager": False, "policyManager": False, "policyViewer": False,
        "reportsManager": False,
    }  # fmt: skip
    created = await site.ask("PUT", f"{GROUPS}/ops", sent)
    assert (created.status_code, created.content) == (201, b"")
    assert await shown(site, "ops", "?includeUsers=true") == sent
    listed = (await site.ask("GET", GROUPS)).json()
    assert {"name": "ops", "uri": f"http://site{GROUPS}/ops"} in listed
    assert [group["name"] for group in listed] == ["devs", "ops", "readers"]


async def test_members_are_shown_to_who_asks_for_them(site: Site) -> None:
    await site.ask("POST", f"{GROUPS}/devs", {"userNames": ["bob", "ROOT"]})
    assert "userNames" not in await shown(site, "devs")
    assert (await shown(site, "devs", "?includeUsers=true"))["userNames"] == ["bob", "root"]
    await site.ask("POST", f"{GROUPS}/devs", {"description": "x"})
    assert (await shown(site, "devs", "?includeUsers=true"))["userNames"] == ["bob", "root"]
    await site.ask("POST", f"{GROUPS}/devs", {"userNames": []})  # by which Terraform says nothing of them
    assert (await shown(site, "devs", "?includeUsers=true"))["userNames"] == ["bob", "root"]
    await site.ask("PUT", f"{GROUPS}/devs", {"userNames": []})
    assert "userNames" not in await shown(site, "devs", "?includeUsers=true")


async def test_an_update_changes_what_it_states_and_replacing_resets_the_rest(site: Site) -> None:
    full = {"description": "d", "externalId": "cn=devs", "realmAttributes": "a", "autoJoin": True, "watchManager": True}
    await site.ask("PUT", f"{GROUPS}/devs", full)
    await site.ask("POST", f"{GROUPS}/devs", {"description": "e"})
    assert {name: (await shown(site, "devs"))[name] for name in full} == {**full, "description": "e"}
    await site.ask("PUT", f"{GROUPS}/devs", {"description": "f"})
    told = await shown(site, "devs")
    assert (told["description"], told["autoJoin"], told["watchManager"]) == ("f", False, False)
    assert "externalId" not in told


async def test_who_joins_a_group_that_administers_administers_at_once(site: Site) -> None:
    assert (await site.ask("GET", GROUPS, name="bob")).status_code == 403
    await site.ask("POST", f"{GROUPS}/devs", {"adminPrivileges": True, "userNames": ["bob"]})
    assert (await site.ask("GET", GROUPS, name="bob")).status_code == 200
    await site.ask("PATCH", "/access/api/v2/groups/devs/members", {"remove": ["bob"]})
    assert (await site.ask("GET", GROUPS, name="bob")).status_code == 403


async def test_the_anonymous_user_joins_no_group_that_administers(site: Site) -> None:
    groups, users = "/access/api/v2/groups", "/access/api/v2/users"
    assert (await site.ask("POST", groups, {"name": "guests", "members": ["anonymous"]})).status_code == 201
    assert (await site.ask("POST", groups, {"name": "admins", "admin_privileges": True})).status_code == 201
    for method, path, body in (
        ("POST", groups, {"name": "wheel", "admin_privileges": True, "members": ["anonymous"]}),
        ("PATCH", f"{groups}/guests", {"admin_privileges": True}),
        ("PATCH", f"{groups}/admins", {"members": ["anonymous"]}),
        ("PATCH", f"{groups}/admins/members", {"add": ["anonymous"]}),
        ("PATCH", f"{users}/anonymous/groups", {"add": ["admins"]}),
    ):
        refused = await site.ask(method, path, body)
        assert (refused.status_code, "'anonymous'" in message(refused)) == (400, True), path
    assert (await site.ask("GET", f"{groups}/admins/members")).json() == {"members": []}


async def test_a_deleted_group_is_gone_with_all_that_it_was_granted(site: Site) -> None:
    removed = await site.ask("DELETE", f"{GROUPS}/DEVS")
    assert (removed.status_code, removed.text) == (200, "Group 'devs' has been removed successfully.")
    assert (await site.ask("GET", f"{GROUPS}/devs")).status_code == 404
    target = (await site.ask("GET", "/access/api/v2/permissions/Anything")).json()
    assert target["resources"]["artifact"]["actions"] == {"users": {"bob": ["READ"]}}


async def test_tokens_of_a_deleted_group_are_none_of_the_next_of_its_name(site: Site) -> None:
    tokens = "/access/api/v1/tokens"
    of_group = await site.token("ci", "applied-permissions/groups:Devs")
    of_two = await site.token("ci", 'applied-permissions/groups:"Devs",readers')
    another = await site.token("ci", "member-of-groups:dev")
    await site.ask("DELETE", f"{GROUPS}/devs")
    await site.ask("PUT", f"{GROUPS}/devs", {})
    assert (await site.ask("GET", tokens, token=of_group)).status_code == 401
    assert (await site.ask("GET", tokens, token=another)).status_code == 200
    assert (await site.ask("GET", f"{tokens}/me", token=of_two)).json()["scope"] == "applied-permissions/groups:readers"


async def test_a_plus_sign_in_a_path_is_a_space_where_no_group_has_one(site: Site) -> None:
    assert (await site.ask("PUT", f"{GROUPS}/two+words", {"name": "two words"})).status_code == 201
    assert (await site.ask("GET", f"{GROUPS}/two%20words")).json()["name"] == "two words"
    assert (await site.ask("POST", f"{GROUPS}/two+words", {"description": "d"})).status_code == 200
    assert (await site.ask("GET", f"{GROUPS}/two+words")).json()["description"] == "d"
    assert (await site.ask("PUT", f"{GROUPS}/c++", {"name": "c++"})).status_code == 201
    assert (await site.ask("GET", f"{GROUPS}/C++")).json()["name"] == "c++"
    assert (await site.ask("DELETE", f"{GROUPS}/two+words")).status_code == 200
    assert (await site.ask("GET", f"{GROUPS}/two%2Bwords")).status_code == 404


async def test_somebody_administers_whatever_happens_to_groups(site: Site) -> None:
    await site.ask("POST", f"{GROUPS}/devs", {"adminPrivileges": True, "userNames": ["bob"]})
    users = "/artifactory/api/security/users/root"
    assert (await site.ask("POST", users, {"admin": False}, name="bob")).status_code == 200
    for method, body in (
        ("DELETE", None),
        ("POST", {"adminPrivileges": False}),
        ("PUT", {"userNames": []}),
        ("PUT", {"userNames": ["bob"]}),
    ):
        assert (await site.ask(method, f"{GROUPS}/devs", body, name="bob")).status_code == 403
    left = await site.ask("PATCH", "/access/api/v2/users/bob/groups", {"remove": ["devs"]}, name="bob")
    assert left.status_code == 403


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("ops", {"autoJoin": True, "adminPrivileges": True}),
        ("ops", {"userNames": ["nobody"]}),
        ("ops", {"userNames": "bob"}),
        ("ops", {"name": "other"}),
        ("o%2Fps", {}),
        ("%20ops", {}),
        ("a" * 65, {}),
    ],
)
async def test_a_group_beyond_the_rules_is_refused(site: Site, name: str, body: Any) -> None:
    assert (await site.ask("PUT", f"{GROUPS}/{name}", body)).status_code == 400
    assert len((await site.ask("GET", GROUPS)).json()) == 2


async def test_the_unknown_are_not_found(site: Site) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert (await site.ask(method, f"{GROUPS}/nobody", {} if method == "POST" else None)).status_code == 404


async def test_every_change_is_in_the_audit_trail(site: Site) -> None:
    await site.ask("PUT", f"{GROUPS}/ops", {})
    await site.ask("POST", f"{GROUPS}/ops", {})
    await site.ask("DELETE", f"{GROUPS}/ops")
    assert [row[0] for row in await site.audit()] == ["group.replace", "group.update", "group.delete"]


ACCESS = "/access/api/v2/groups"


async def test_the_access_api_has_the_same_groups(site: Site) -> None:
    made = await site.ask(
        "POST", ACCESS, {"name": "Qa", "members": ["bob"], "external_id": "x", "policy_manager": True}
    )
    assert made.status_code == 201
    told = made.json()
    assert (told["name"], told["members"], told["external_id"], told["description"]) == ("qa", ["bob"], "x", None)
    assert (told["policy_manager"], told["policy_viewer"], told["auto_join"], told["realm"]) == (
        True,
        True,
        False,
        "internal",
    )
    assert (await site.ask("POST", ACCESS, {"name": "qa"})).status_code == 409
    assert (await site.ask("GET", f"{ACCESS}/qa")).json() == told
    assert (await site.ask("PATCH", f"{ACCESS}/qa", {"description": "d"})).json() == {**told, "description": "d"}
    assert (await site.ask("GET", "/artifactory/api/security/groups/qa")).json()["description"] == "d"
    page = (await site.ask("GET", f"{ACCESS}?limit=2")).json()
    assert [one["group_name"] for one in page["groups"]] == ["devs", "qa"]
    assert [one["name"] for one in (await site.ask("GET", f"{ACCESS}?cursor={page['cursor']}")).json()["groups"]] == [
        "readers"
    ]
    assert (await site.ask("DELETE", f"{ACCESS}/qa")).status_code == 204
    assert (await site.ask("DELETE", f"{ACCESS}/qa")).status_code == 404


async def test_members_come_and_go_one_by_one(site: Site) -> None:
    members = f"{ACCESS}/devs/members"
    assert (await site.ask("PATCH", members, {"add": ["bob", "root"]})).json() == {"members": ["bob", "root"]}
    assert (await site.ask("PATCH", members, {"remove": ["root"]})).json() == {"members": ["bob"]}
    assert (await site.ask("GET", members)).json() == {"members": ["bob"]}
    assert (await site.ask("PATCH", members, {"add": ["nobody"]})).status_code == 404
    assert (await site.ask("PATCH", f"{ACCESS}/none/members", {"add": ["bob"]})).status_code == 404
