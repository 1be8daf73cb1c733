import pytest

from entrepot.auth import accounts
from tests.unit.rest.security.support import PASSWORD, Site, message

CHANGE = "/artifactory/api/security/users/authorization/changePassword"
SELF = "/access/api/v1/tokens"


def body(name: str = "bob", old: str = PASSWORD, new: str = "Another1", again: str = "Another1") -> dict[str, str]:
    return {"userName": name, "oldPassword": old, "newPassword1": new, "newPassword2": again}


async def test_a_user_changes_its_password_and_the_old_one_is_over(site: Site) -> None:
    token = await site.token("bob")
    changed = await site.ask("POST", CHANGE, body(), name="")
    assert (changed.status_code, changed.text) == (200, "Password has been successfully changed")
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    assert (await site.ask("GET", SELF, token=token)).status_code == 401
    assert (await site.authenticator.password("bob", "Another1", "192.0.2.1")).caller.name == "bob"
    assert [tuple(row[:3]) for row in await site.audit()][-1] == ("user.password", "bob", "bob")


@pytest.mark.parametrize("wrong", [{"old": "wrong"}, {"name": "nobody"}, {"again": "typo"}, {"new": "", "again": ""}])
async def test_a_change_that_is_wrong_changes_nothing(site: Site, wrong: dict[str, str]) -> None:
    assert (await site.ask("POST", CHANGE, body(**wrong), name="")).status_code == 400
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200


async def test_known_and_unknown_users_are_refused_alike(site: Site) -> None:
    known = await site.ask("POST", CHANGE, body(old="wrong"), name="")
    unknown = await site.ask("POST", CHANGE, body(name="nobody"), name="")
    assert message(known) == message(unknown)


async def test_a_token_is_no_old_password(site: Site) -> None:
    token = await site.token("bob")
    assert (await site.ask("POST", CHANGE, body(old=token), name="")).status_code == 400


async def test_who_may_not_change_its_profile_keeps_its_password(site: Site) -> None:
    await site.ask("POST", "/artifactory/api/security/users/bob", {"profileUpdatable": False})
    assert (await site.ask("POST", CHANGE, body(), name="")).status_code == 403


async def test_guessing_through_this_door_is_slowed_down_too(site: Site) -> None:
    refused = [
        (await site.ask("POST", CHANGE, body(old=f"guess {number}"), name="")).status_code for number in range(10)
    ]
    assert refused.count(400) <= 5
    assert refused[-1] == 403


async def test_encrypted_passwords_are_not_offered(site: Site) -> None:
    refused = await site.ask("GET", "/artifactory/api/security/encryptedPassword", name="bob")
    assert (refused.status_code, message(refused)) == (409, "Server doesn't support encrypted passwords")
    site.anonymous = True
    assert (await site.ask("GET", "/artifactory/api/security/encryptedPassword", name="")).status_code == 401


async def test_a_password_given_by_an_administrator_counts_at_once(site: Site) -> None:
    before = await accounts.get(site.database, "bob")
    await site.ask("POST", "/artifactory/api/security/users/bob", {"password": "Given1234"})
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    after = await accounts.get(site.database, "bob")
    assert after.security_epoch == before.security_epoch + 1
