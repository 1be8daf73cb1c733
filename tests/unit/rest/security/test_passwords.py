import asyncio

import pytest

from entrepot.auth import accounts
from entrepot.configuration.documents import Documents, Entry, read
from entrepot.metadata.database import DatabaseUnavailable, Tx
from entrepot.metadata.versions import bump
from tests.stores import done_or_waiting
from tests.unit.auth.support import configured
from tests.unit.rest.security.support import PASSWORD, Directory, Site, message

CHANGE = "/artifactory/api/security/users/authorization/changePassword"
SELF = "/access/api/v1/tokens"
ENCRYPTED = "/artifactory/api/security/encryptedPassword"
NEW = "Another1"


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


async def test_a_password_that_an_administrator_gives_meanwhile_is_not_overwritten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = site.passwords.hash

    async def overtaken(password: str) -> str:
        monkeypatch.setattr(site.passwords, "hash", hashed)
        given = await site.ask("PUT", "/access/api/v2/users/bob/password", {"password": "Given1234"})
        assert given.status_code == 204
        return await hashed(password)

    monkeypatch.setattr(site.passwords, "hash", overtaken)
    assert (await site.ask("POST", CHANGE, body(), name="")).status_code == 409
    assert (await site.ask("GET", SELF, auth=("bob", NEW))).status_code == 401
    assert (await site.ask("GET", SELF, auth=("bob", "Given1234"))).status_code == 200


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


async def encrypted(site: Site, name: str = "bob") -> str:
    return (await site.ask("GET", ENCRYPTED, name=name)).text


async def security(site: Site, **settings: object) -> None:
    await configured(site.documents, Entry("security", "", settings))


async def test_an_encrypted_password_stands_for_the_password_until_that_is_changed(site: Site) -> None:
    text = await encrypted(site)
    assert (await site.ask("GET", SELF, auth=("bob", text))).status_code == 200
    assert (await site.ask("GET", SELF, auth=("root", text))).status_code == 401
    assert (await site.ask("GET", SELF, auth=("bob", text[:-1] + "?"))).status_code == 401
    await site.ask("POST", CHANGE, body(), name="")
    assert (await site.ask("GET", SELF, auth=("bob", text))).status_code == 401


async def test_no_cache_keeps_an_encrypted_password(site: Site) -> None:
    assert (await site.ask("GET", ENCRYPTED, name="bob")).headers["cache-control"] == "no-store"


async def test_an_encrypted_password_ends_with_its_user(site: Site) -> None:
    text = await encrypted(site)
    await site.ask("POST", "/artifactory/api/security/users/bob", {"status": "DISABLED"})
    assert (await site.ask("GET", SELF, auth=("bob", text))).status_code == 401
    await site.ask("POST", "/artifactory/api/security/users/bob", {"status": "ENABLED"})
    assert (await site.ask("GET", SELF, auth=("bob", text))).status_code == 401


async def test_only_a_password_gives_its_encrypted_form(site: Site) -> None:
    for scope in ("applied-permissions/user", "applied-permissions/groups:readers"):
        token = await site.token("bob", scope, expires_in=None)
        assert (await site.ask("GET", ENCRYPTED, token=token)).status_code == 403
    site.anonymous = True
    assert (await site.ask("GET", ENCRYPTED, name="")).status_code == 401


async def test_where_encryption_is_required_a_password_in_clear_opens_its_encrypted_form_only(site: Site) -> None:
    await security(site, passwordSettings={"encryptionPolicy": "REQUIRED"})
    refused = await site.ask("GET", SELF, name="bob")
    assert (refused.status_code, "encrypted password" in message(refused)) == (401, True)
    text = await encrypted(site)
    assert (await site.ask("GET", SELF, auth=("bob", text))).status_code == 200
    assert (await site.ask("GET", SELF, token=await site.token("bob"))).status_code == 200


async def test_where_encryption_is_unsupported_clients_are_told(site: Site) -> None:
    text = await encrypted(site)
    await security(site, passwordSettings={"encryptionPolicy": "UNSUPPORTED"})
    refused = await site.ask("GET", ENCRYPTED, name="bob")
    assert (refused.status_code, message(refused)) == (409, "Server doesn't support encrypted passwords")
    assert (await site.ask("GET", SELF, auth=("bob", text))).status_code == 401


async def test_without_basic_authentication_tokens_still_count_and_no_form_of_a_password(site: Site) -> None:
    text = await encrypted(site)
    await security(site, basicAuthenticationEnabled=False)
    for path in (SELF, ENCRYPTED):
        assert (await site.ask("GET", path, name="bob")).status_code == 401
        assert (await site.ask("GET", path, auth=("bob", text))).status_code == 401
    assert (await site.ask("GET", SELF, token=await site.token("bob"))).status_code == 200


async def test_nobody_who_comes_by_a_password_locks_passwords_out(site: Site) -> None:
    path, off = "/access/api/v1/config/security/authentication/basic_authentication_enabled", {"enabled": False}
    refused = await site.ask("PUT", path, off)
    assert (refused.status_code, "with a token" in refused.text) == (409, True)
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200
    token = await site.token("root", "applied-permissions/admin")
    assert (await site.ask("PUT", path, off, token=token)).status_code == 200
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    assert (await site.ask("PUT", path, {"enabled": True}, token=token)).status_code == 200


async def test_an_expired_password_opens_the_door_to_a_new_one_and_no_other(site: Site) -> None:
    await site.ask("POST", "/artifactory/api/security/users/authorization/expirePasswords/bob")
    refused = await site.ask("GET", SELF, name="bob")
    assert (refused.status_code, "changePassword" in message(refused)) == (401, True)
    assert (await site.ask("GET", SELF, auth=("bob", "Wrong"))).json() != refused.json()
    assert (await site.ask("POST", CHANGE, body(), name="")).status_code == 200
    assert (await site.ask("GET", SELF, auth=("bob", NEW))).status_code == 200


async def test_passwords_expire_with_age(site: Site) -> None:
    policy = "/artifactory/api/security/configuration/passwordExpirationPolicy"
    assert (await site.ask("PUT", policy, {"enabled": True, "passwordMaxAge": 30})).status_code == 200
    token = await site.token("root", "applied-permissions/admin", expires_in=10_000_000)
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200
    site.database.ahead += 31 * 86_400_000
    await site.epochs.look(site.database)
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    assert (await site.ask("GET", policy, token=token)).json() == {
        "enabled": True, "passwordMaxAge": 30, "notifyByEmail": True,
    }  # fmt: skip


async def test_the_password_of_a_directory_s_user_neither_expires_here_nor_is_changed_here(
    directory: Directory, site: Site
) -> None:
    login = {"user": "lena", "password": directory.password}
    policy = {"enabled": True, "passwordMaxAge": 30}
    await site.ask("PUT", "/artifactory/api/security/configuration/passwordExpirationPolicy", policy)
    assert (await site.ask("POST", "/ui/api/v1/ui/auth/login", login, name="")).status_code == 200
    site.database.ahead += 31 * 86_400_000
    await site.epochs.look(site.database)
    assert (await site.ask("POST", "/ui/api/v1/ui/auth/login", login, name="")).status_code == 200
    refused = await site.ask("POST", CHANGE, body("lena", directory.password), name="")
    assert (refused.status_code, "kept by a directory" in message(refused)) == (403, True)


async def test_all_passwords_may_be_let_expire_but_those_of_administrators(site: Site) -> None:
    await site.ask("POST", "/access/api/v2/users/expire_password_for_all_users")
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    assert (await site.ask("POST", "/access/api/v2/users/unexpire_password_for_all_users")).status_code == 204
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200


async def test_the_password_policy_says_all_that_is_missing(site: Site) -> None:
    policy = "/access/api/v1/config/security/password_policy"
    assert (await site.ask("PUT", policy, {"uppercase": 1, "digit": 2, "length": 8})).status_code == 200
    assert (await site.ask("PATCH", policy, {"special_char": 1, "not_match_old": 1})).json() == {
        "uppercase": 1, "lowercase": 0, "digit": 2, "special_char": 1, "length": 8, "not_match_old": 1,
    }  # fmt: skip
    refused = await site.ask("POST", "/artifactory/api/security/users/bob", {"password": "abc"})
    assert (refused.status_code, message(refused)) == (
        400,
        (
            "The password must have at least 1 upper-case letters, at least 2 digits, at least 1 special characters,"
            " at least 8 characters."
        ),
    )
    assert (await site.ask("PUT", "/access/api/v2/users/bob/password", {"password": "Abcdef12!"})).status_code == 204
    again = {"userName": "bob", "oldPassword": "Abcdef12!", "newPassword1": "Abcdef12!", "newPassword2": "Abcdef12!"}
    assert "differ" in message(await site.ask("POST", CHANGE, again, name=""))
    assert (await site.ask("PUT", policy, {"length": 101})).status_code == 400


async def test_different_wrong_passwords_lock_a_user_and_the_same_one_over_and_over_does_not(site: Site) -> None:
    policy = {"enabled": True, "loginAttempts": 3}
    told = await site.ask("PUT", "/artifactory/api/security/userLockPolicy", policy)
    assert (told.status_code, told.text) == (200, "UserLockPolicy was successfully updated")
    assert (await site.ask("GET", "/artifactory/api/security/userLockPolicy")).json() == policy
    for _ in range(6):
        await site.ask("GET", SELF, auth=("bob", "stale"))
        await site.at.demands.lockout.flush()
        site.database.ahead += 700_000  # nothing is remembered any more
        await site.epochs.look(site.database)
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200  # which forgives the stale one
    for guess in ("a", "b", "c"):
        await site.ask("GET", SELF, auth=("bob", guess))
    await site.at.demands.lockout.flush()
    site.database.ahead += 10_000
    await site.epochs.look(site.database)
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    assert (await site.ask("GET", "/artifactory/api/security/lockedUsers")).json() == ["bob"]
    assert (await site.ask("GET", "/access/api/v2/users?status=locked")).json()["users"][0]["username"] == "bob"
    assert (await site.ask("GET", SELF, token=await site.token("bob"))).status_code == 200
    assert (await site.ask("POST", "/artifactory/api/security/unlockUsers/bob")).status_code == 200
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200
    assert ("user.lock", "bob", "bob", "wrong passwords") in await site.audit()


LOCK = ("/artifactory/api/security/userLockPolicy", {"enabled": True, "loginAttempts": 2})


async def test_a_wrong_password_costs_no_more_for_a_name_that_has_an_account(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.ask("PUT", *LOCK)
    with monkeypatch.context() as patch:
        patch.setattr(site.database, "transact", None)  # nothing is written before the answer
        for name in ("bob", "nobody"):
            assert (await site.ask("GET", SELF, auth=(name, "wrong"))).status_code == 401


async def test_wrong_passwords_are_counted_once_the_database_is_there_and_not_for_who_is_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_body: object) -> None:
        raise DatabaseUnavailable

    await site.ask("PUT", *LOCK)
    await site.ask("PUT", "/artifactory/api/security/users/ann", {"email": "a", "password": PASSWORD})
    for name, password in (("bob", "a"), ("ann", "a"), ("bob", "b")):
        await site.ask("GET", SELF, auth=(name, password))
    with monkeypatch.context() as patch:
        patch.setattr(site.database, "transact", full)
        with pytest.raises(DatabaseUnavailable):
            await site.at.demands.lockout.flush()
    await site.ask("DELETE", "/artifactory/api/security/users/ann")
    await site.at.demands.lockout.flush()
    assert (await site.ask("GET", "/artifactory/api/security/lockedUsers")).json() == ["bob"]


async def test_the_right_password_forgives_the_wrong_ones_before_it(site: Site) -> None:
    await site.ask("PUT", *LOCK)
    for password in ("a", "b", PASSWORD):
        await site.ask("GET", SELF, auth=("bob", password))
    await site.at.demands.lockout.flush()
    assert (await site.ask("GET", "/artifactory/api/security/lockedUsers")).json() == []


async def locked(site: Site) -> list[str]:
    found: list[str] = (await site.ask("GET", "/artifactory/api/security/lockedUsers")).json()
    return found


async def guess_a_second_ago(site: Site) -> None:
    await site.ask("PUT", *LOCK)
    site.database.ahead -= 1_000
    for guess in ("a", "b"):
        assert (await site.ask("GET", SELF, auth=("bob", guess))).status_code == 401
    site.database.ahead += 1_000


async def test_wrong_passwords_from_before_an_unlock_that_wait_to_be_counted_do_not_lock_again(site: Site) -> None:
    await guess_a_second_ago(site)
    assert (await site.ask("POST", "/artifactory/api/security/unlockUsers/bob")).status_code == 200
    await site.at.demands.lockout.flush()
    assert await locked(site) == []
    for guess, names in (("c", []), ("d", ["bob"])):
        site.database.ahead += 10_000  # else guessing is slowed down
        await site.ask("GET", SELF, auth=("bob", guess))
        await site.at.demands.lockout.flush()
        assert await locked(site) == names


async def test_wrong_passwords_that_are_counted_while_an_administrator_unlocks_do_not_lock_again(site: Site) -> None:
    if site.database.engine == "sqlite":
        pytest.skip("there is one writer at a time")
    await guess_a_second_ago(site)

    async def unlock(tx: Tx) -> asyncio.Task[None]:
        await accounts.alter(tx, await accounts.get(tx, "bob"), accounts.Change(locked=False))
        counting = asyncio.create_task(site.at.demands.lockout.flush())
        await done_or_waiting(site.database, counting)
        assert not counting.done()
        return counting

    await (await site.database.transact(unlock))
    assert await locked(site) == []


@pytest.mark.parametrize("attempts", [0, 101, -1])
async def test_a_user_is_locked_after_a_number_of_attempts_that_makes_sense(site: Site, attempts: int) -> None:
    policy = {"enabled": True, "loginAttempts": attempts}
    refused = await site.ask("PUT", "/artifactory/api/security/userLockPolicy", policy)
    assert (refused.status_code, message(refused)) == (400, "LoginAttempts must be between 1 - 100")


@pytest.mark.parametrize("noun", ["Password", "Passwords"])
async def test_one_password_expires_and_counts_again_by_either_spelling(site: Site, noun: str) -> None:
    base = "/artifactory/api/security/users/authorization"
    assert (await site.ask("POST", f"{base}/expire{noun}/bob")).status_code == 200
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    assert (await site.ask("POST", f"{base}/unexpire{noun}/bob")).status_code == 200
    assert (await site.ask("GET", SELF, name="bob")).status_code == 200


async def test_settings_of_passwords_are_read_and_set_in_one(site: Site) -> None:
    path = "/artifactory/api/security/passwordSettings"
    expiration = {"enabled": False, "passwordMaxAge": 60, "notifyByEmail": True}
    settings = {"encryptionPolicy": "SUPPORTED", "expirationPolicy": expiration}
    assert (await site.ask("GET", path)).json() == settings
    new = {"encryptionPolicy": "UNSUPPORTED", "expirationPolicy": {**expiration, "passwordMaxAge": 90}}
    assert (await site.ask("PUT", path, new)).json() == new
    assert (await site.ask("GET", path)).json() == new
    assert site.at.policies.encryption() == "UNSUPPORTED"
    assert (await site.ask("PUT", path, {"encryptionPolicy": "REQUIERD"})).status_code == 400


async def test_a_password_given_by_an_administrator_counts_at_once(site: Site) -> None:
    before = await accounts.get(site.database, "bob")
    await site.ask("POST", "/artifactory/api/security/users/bob", {"password": "Given1234"})
    assert (await site.ask("GET", SELF, name="bob")).status_code == 401
    after = await accounts.get(site.database, "bob")
    assert after.security_epoch == before.security_epoch + 1


async def test_a_patch_of_the_policy_keeps_what_another_process_has_set_a_moment_ago(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.ask("GET", SELF)
    elsewhere = Documents(site.database, bump=bump, announce=site.epochs.announce)
    await configured(elsewhere, Entry("passwordPolicy", "", {"length": 12}))
    with monkeypatch.context() as patched:  # its request has begun before, so to say
        patched.setattr(site.documents, "refresh", lambda: asyncio.sleep(0))
        policy = "/access/api/v1/config/security/password_policy"
        assert (await site.ask("PATCH", policy, {"digit": 1})).status_code == 200
    assert await read(site.database, "passwordPolicy") == {"length": 12, "digit": 1}


async def test_a_misspelt_policy_is_refused_and_the_one_before_it_stays(site: Site) -> None:
    policy = "/access/api/v1/config/security/password_policy"
    assert (await site.ask("PUT", policy, {"length": 10})).status_code == 200
    refused = await site.ask("PUT", policy, {"lenght": 8})
    assert refused.status_code == 400
    assert "did you mean 'length'" in refused.text
    assert (await site.ask("GET", policy)).json()["length"] == 10
    refused = await site.ask("POST", "/access/api/v1/tokens", {"usrname": "ci"})
    assert refused.status_code == 400
    assert "did you mean 'username'" in refused.text
