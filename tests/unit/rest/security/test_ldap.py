"""Directory servers by REST: the documents of the descriptor in the Access API's spelling, without their secrets."""

from collections.abc import Iterator

import pytest

from entrepot.auth.directory.settings import GROUPS, SETTINGS
from tests.parts.slapd import MANAGER, MANAGER_PASSWORD, Slapd, slapd
from tests.unit.rest.security.support import Site

PATH = "/access/api/v1/ldap/settings"
BODY = {
    "key": "corp", "enabled": True, "ldap_url": "ldaps://ldap.example.org/dc=example,dc=org", "user_dn_pattern": "uid={0},ou=People",
    "search": {"search_filter": "(uid={0})", "search_base": "ou=a|ou=b", "search_sub_tree": True, "manager_dn": "cn=m",
               "manager_password": "hush"},
    "auto_create_user": True, "email_attribute": "mail", "ldap_poisoning_protection": True,
    "allow_user_to_access_profile": False, "paging_support_enabled": True,
}  # fmt: skip


async def test_a_server_is_echoed_without_its_password_and_used_with_it(site: Site) -> None:
    told = (await site.ask("POST", PATH, BODY)).json()
    shown = {**BODY, "search": {name: value for name, value in BODY["search"].items() if name != "manager_password"}}  # type: ignore[attr-defined]
    assert {**told, **shown} == told
    assert "hush" not in str(told)
    assert (await site.ask("GET", f"{PATH}/corp")).json() == told
    assert (await site.ask("GET", PATH)).json() == [told]
    assert site.documents.revealed(SETTINGS)["corp"]["search"]["managerPassword"] == "hush"
    assert "hush" not in str(site.documents.section(SETTINGS))


async def test_a_change_that_does_not_state_the_password_keeps_it(site: Site) -> None:
    await site.ask("POST", PATH, BODY)
    told = (await site.ask("GET", f"{PATH}/corp")).json()
    assert (await site.ask("PUT", f"{PATH}/corp", {**told, "enabled": False})).status_code == 200
    assert site.documents.revealed(SETTINGS)["corp"]["search"]["managerPassword"] == "hush"
    assert site.documents.section(SETTINGS)["corp"]["enabled"] is False
    assert (await site.ask("DELETE", f"{PATH}/corp")).status_code == 204
    assert (await site.ask("GET", f"{PATH}/corp")).status_code == 404


@pytest.mark.parametrize("attribute", ["", "mail_attr", "1.2.840", "mail;lang-en"])
async def test_the_attribute_of_addresses_may_be_none_or_one_that_a_schema_allows(site: Site, attribute: str) -> None:
    answer = await site.ask("POST", PATH, {**BODY, "email_attribute": attribute})
    assert answer.status_code == (201 if attribute in {"", "mail_attr"} else 400), answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"ldap_url": "http://x"},
        {"ldap_url": "ldap://a..b/dc=x"},
        {"ldap_url": f"ldap://{'a' * 64}.test/dc=x"},
        {"user_dn_pattern": "uid=x"},
        {"search": {"search_filter": "(uid={0}"}},
        {"enabled": 7},
        {"key": ""},
    ],
)
async def test_settings_that_cannot_work_are_refused(site: Site, wrong: dict[str, object]) -> None:
    assert (await site.ask("POST", PATH, {**BODY, **wrong})).status_code == 400


async def test_groups_of_a_server_are_configured_too(site: Site) -> None:
    body = {
        "name": "teams",
        "enabled_ldap": "corp",
        "group_base_dn": "ou=groups",
        "group_member_attribute": "member",
        "strategy": "STATIC",
    }
    told = (await site.ask("POST", "/access/api/v1/ldap/groups", body)).json()
    assert {**told, **body} == told
    assert site.documents.section(GROUPS)["teams"]["groupMemberAttribute"] == "member"
    assert (
        await site.ask("POST", "/access/api/v1/ldap/groups", {**body, "name": "x", "strategy": "GUESS"})
    ).status_code == 400


# --- with a real server -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory() -> Iterator[Slapd]:
    with slapd() as server:
        dn = server.person("erin", "directory-pw-1")
        server.group("staff", dn)
        yield server


async def test_users_of_a_directory_that_was_configured_by_rest_come_in_with_their_groups(
    site: Site, directory: Slapd
) -> None:
    server = {
        "key": "corp", "ldap_url": directory.url,
        "search": {"search_filter": "(uid={0})", "manager_dn": MANAGER, "manager_password": MANAGER_PASSWORD},
    }  # fmt: skip
    assert (await site.ask("POST", PATH, server)).status_code == 201
    teams = {"name": "teams", "enabled_ldap": "corp", "group_base_dn": "ou=groups", "group_member_attribute": "member"}
    assert (await site.ask("POST", "/access/api/v1/ldap/groups", teams)).status_code == 201
    imported = {"name": "staff", "realm": "ldap", "realm_attributes": "ldapGroupName=staff;groupsStrategy=STATIC"}
    assert (await site.ask("POST", "/access/api/v2/groups", imported)).status_code == 201
    told = (await site.ask("GET", "/ui/api/v1/ui/auth/current", auth=("erin", "directory-pw-1"))).json()
    assert (told["name"], told["realm"], told["groups"]) == ("erin", "ldap", ["readers", "staff"])
    assert (await site.ask("GET", "/access/api/v1/tokens", auth=("erin", "wrong"))).status_code == 401
    key = (await site.ask("POST", "/artifactory/api/security/apiKey", auth=("erin", "directory-pw-1"))).json()["apiKey"]
    assert (
        await site.ask("GET", "/access/api/v1/tokens", name="", headers={"X-JFrog-Art-Api": key})
    ).status_code == 200
    off = {**server, "enabled": False, "search": {"search_filter": "(uid={0})"}}
    assert (await site.ask("PUT", f"{PATH}/corp", off)).status_code == 200
    assert (await site.ask("GET", "/access/api/v1/tokens", auth=("erin", "directory-pw-1"))).status_code == 401
