"""Users of a real directory server as users here: on both databases, with a clock that moves when it is told."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher
from structlog.testing import capture_logs

from entrepot.access.caller import Caller
from entrepot.auth import accounts, groups, ssh_keys, targets
from entrepot.auth.accounts import Account, Change, Profile
from entrepot.auth.admission import Admissions
from entrepot.auth.api_keys import ApiKeys
from entrepot.auth.audit import Actor
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.by_token import GivenOut
from entrepot.auth.credentials import BadCredentials
from entrepot.auth.directory import source
from entrepot.auth.directory.connection import Unreachable
from entrepot.auth.directory.fixed import fixed
from entrepot.auth.directory.lookup import Directory
from entrepot.auth.directory.source import LdapSource
from entrepot.auth.epochs import Epochs
from entrepot.auth.guard import Blocked
from entrepot.auth.jwt import TokenRevoked
from entrepot.auth.keys import SigningKey, TextSeals, Vault
from entrepot.auth.outside import Outside, Person, SourceUnavailable
from entrepot.auth.passwords import Passwords
from entrepot.auth.tokens import Order, Tokens
from entrepot.configuration.documents import Documents, Entry
from entrepot.errors import Invalid
from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump
from entrepot.settings import Secret, Settings
from tests.parts.processes import free_port
from tests.parts.slapd import GROUPS, MANAGER, MANAGER_PASSWORD, PEOPLE, Slapd, slapd
from tests.unit.auth.support import Clocked, asking, configured
from tests.unit.auth.test_credentials import Headers, basic

HERE = "192.0.2.1"
LOCAL = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("localpw")
NUMBERS = itertools.count(1)
ROOTED: list[bool] = []  # whether the server, which tests share, has an impostor


def setting(server: Slapd, **rest: object) -> dict[str, object]:
    search = {"searchFilter": "(uid={0})", "searchBase": "ou=people", "managerDn": MANAGER,
              "managerPassword": MANAGER_PASSWORD}  # fmt: skip
    return {"ldapUrl": server.url, "search": search, **rest}


KNOWN_BEFORE = sql("UPDATE account SET external_id = :written || external_id WHERE name = :name")
KNOWN_AS = sql("SELECT external_id FROM account WHERE name = :name")
OF_GROUPS = sql("SELECT detail FROM audit WHERE action = 'user.groups' AND subject = :name ORDER BY id")
GROUPS_OF = {"enabledLdap": "main", "groupBaseDn": "ou=groups", "groupMemberAttribute": "member"}


class Company:
    """A directory server, an instance that asks it, and what their administrators do."""

    def __init__(self, database: Clocked, epochs: Epochs, key: SigningKey, server: Slapd) -> None:
        self.database, self.epochs, self.server = database, epochs, server
        self.documents = Documents(database, bump=bump, announce=epochs.announce, seals=TextSeals(Vault(b"k" * 32)))
        self.tokens = Tokens(database, epochs, key, "01abc")
        self.api_keys = ApiKeys(database, epochs, Vault(b"k" * 32))
        self.passwords = Passwords(database)
        self.authenticator = self.another_process()

    def another_process(self) -> Authenticator:
        outside = Outside([LdapSource(self.documents)], Admissions(self.database, self.epochs), self.database)
        given = GivenOut(self.tokens, self.api_keys)
        return Authenticator(self.database, self.epochs, given, self.passwords, outside=outside)

    async def ask(self, *servers: dict[str, object]) -> None:
        entries = [Entry("ldapSettings", name, body) for name, body in zip(("main", "second"), servers, strict=False)]
        await configured(self.documents, *entries, Entry("ldapGroupSettings", "g", GROUPS_OF))

    def person(self, password: str = "directorypw", **rest: str) -> str:
        """Add somebody new to the directory; return the name."""
        name = f"u{next(NUMBERS)}"
        self.server.person(name, password, **rest)
        return name

    async def login(self, name: str, password: str = "directorypw") -> Caller:
        return await self.authenticator.caller(asking(Headers(authorization=basic(f"{name}:{password}"))))

    async def token(self, name: str) -> str:
        account = await self.account(name)
        order = Order(name, account.id, account.security_epoch, "applied-permissions/user", expires_in=86_400)
        return (await self.tokens.issue(order, Actor(name, HERE))).access_token

    async def with_token(self, token: str) -> Caller:
        return await self.authenticator.caller(asking(Headers(authorization=f"Bearer {token}")))

    async def account(self, name: str) -> Account:
        return await accounts.get(self.database, name)

    async def disable(self, name: str) -> None:
        async def work(tx: Tx) -> None:
            await accounts.alter(tx, await accounts.get(tx, name), Change(disabled=True))

        await self.epochs.change(self.database, "security", work)

    async def granted_everything(self, name: str, team: str) -> Account:
        """Let somebody in, and give the account all that an administrator can."""
        await self.login(name)
        actions = {"users": {name: ["READ"]}}
        resource = {"actions": actions, "targets": {"ANY": {"include_patterns": ["**"], "exclude_patterns": []}}}

        async def work(tx: Tx) -> Account:
            account = await accounts.get(tx, name)
            await groups.create(tx, groups.Group(team))
            await targets.create(tx, {"name": team, "resources": {"artifact": resource}})
            await ssh_keys.add(tx, account.id, ssh_keys.SshKey(f"SHA256:{team}", "", "ssh-ed25519 AAAA"))
            return await accounts.alter(tx, account, Change(admin=True, email="former@x", groups=("readers", team)))

        return await self.epochs.change(self.database, "security", work)

    async def imported(self, name: str, **rest: bool) -> str:
        """Add a group to the directory, and the same here; return the name of its entry."""
        dn = self.server.group(name, f"cn=nobody,{GROUPS}")
        profile = groups.Profile(realm_attributes=f"ldapGroupName={name};groupsStrategy=STATIC;groupDn={dn}")

        async def work(tx: Tx) -> None:
            await groups.create(tx, groups.Group(name, realm="ldap", profile=profile, **rest))

        await self.epochs.change(self.database, "security", work)
        return dn


@pytest.fixture
async def company(database: Clocked, epochs: Epochs, key: SigningKey, slapd_server: Slapd) -> AsyncIterator[Company]:
    async def people(tx: Tx) -> None:
        await groups.create(tx, groups.Group("readers", auto_join=True))
        await accounts.create(tx, "root", Change(admin=True, password_hash=LOCAL))

    await database.transact(people)
    made = Company(database, epochs, key, slapd_server)
    await made.ask(setting(slapd_server))
    await epochs.look(database)
    yield made
    made.passwords.close()


async def test_who_logs_in_first_gets_an_account_that_joins_what_all_join(company: Company) -> None:
    name = company.person()
    caller = await company.login(name.upper())
    account = await company.account(name)
    assert (caller.name, caller.user_id, caller.groups) == (name, account.id, frozenset({"readers"}))
    assert (account.realm, account.email, account.password_hash) == ("ldap", f"{name}@ent.test", None)
    assert account.profile == Profile(internal_password_disabled=True, profile_updatable=False)
    assert (await company.account(name)).last_login is not None


async def test_wrong_and_empty_passwords_and_strangers_are_refused_alike(company: Company) -> None:
    name = company.person()
    for who, password in ((name, "wrong"), (name, ""), ("stranger", "directorypw"), ("*", "directorypw")):
        with pytest.raises(BadCredentials):
            await company.login(who, password)
    assert await accounts.find(company.database, name) is None


async def test_the_name_of_somebody_who_has_a_password_here_is_not_for_a_directory_to_give(company: Company) -> None:
    if not ROOTED:
        company.server.person("root", "directorypw")
        ROOTED.append(True)
    with pytest.raises(BadCredentials):
        await company.login("root", "directorypw")
    assert (await company.login("root", "localpw")).is_admin
    with pytest.raises(BadCredentials):
        await company.login("anonymous", "directorypw")


async def test_an_account_made_beforehand_without_a_password_becomes_the_directorys(company: Company) -> None:
    name = company.person()
    profile = Profile(internal_password_disabled=True)
    await company.database.transact(lambda tx: accounts.create(tx, name, Change(email="x@y", profile=profile)))
    await company.login(name)
    account = await company.account(name)
    assert (account.realm, account.email) == ("ldap", "x@y")


async def test_an_address_that_an_account_lacks_is_taken_from_the_directory(company: Company) -> None:
    name = company.person()
    await company.login(name)

    async def work(tx: Tx) -> None:
        await accounts.alter(tx, await accounts.get(tx, name), Change(email=""))

    await company.epochs.change(company.database, "security", work)
    company.database.wait(seconds=301)
    await company.login(name)
    assert (await company.account(name)).email == f"{name}@ent.test"


async def test_groups_that_were_imported_follow_the_directory_and_no_others_do(company: Company) -> None:
    name = company.person()
    unique = f"{company.database.engine}-{next(NUMBERS)}"
    team, rest = (
        await company.imported(f"team-{unique}"),
        company.server.group(f"rest-{unique}", f"uid={name},{PEOPLE}"),
    )
    assert rest
    await company.database.transact(lambda tx: groups.create(tx, groups.Group(f"rest-{unique}")))
    company.server.member(team, f"uid={name},{PEOPLE}")
    assert (await company.login(name)).groups == {"readers", f"team-{unique}"}
    company.server.member(team, f"uid={name},{PEOPLE}", change="delete")
    company.database.wait(seconds=299)
    assert f"team-{unique}" in (await company.login(name)).groups
    company.database.wait(seconds=2)
    assert (await company.login(name)).groups == {"readers"}
    assert (await company.account(name)).groups == ("readers",)


async def test_a_group_of_that_name_elsewhere_in_the_directory_is_not_the_one_imported(company: Company) -> None:
    name, unique = company.person(), f"{company.database.engine}-{next(NUMBERS)}"
    await company.imported(f"admins-{unique}", admin=True)
    company.server.group(f"admins-{unique}", f"uid={name},{PEOPLE}", below=f"ou=eng,{PEOPLE}")
    await configured(company.documents, Entry("ldapGroupSettings", "g", {**GROUPS_OF, "groupBaseDn": ""}))
    caller = await company.login(name)
    assert (caller.groups, caller.is_admin) == (frozenset({"readers"}), False)


async def test_who_is_deleted_there_loses_password_and_tokens_within_five_minutes_of_the_last_answer(
    company: Company,
) -> None:
    name = company.person()
    await company.login(name)
    token = await company.token(name)
    for _ in range(4):  # use does not make it last longer
        assert (await company.with_token(token)).name == name
        company.database.wait(seconds=60)
    company.server.delete(f"uid={name},{PEOPLE}")
    company.database.wait(seconds=61)
    with pytest.raises(TokenRevoked):
        await company.with_token(token)
    with pytest.raises(BadCredentials):
        await company.login(name)


async def test_who_is_deleted_there_is_in_no_imported_group_any_more(company: Company) -> None:
    name, team = company.person(), f"crew-{company.database.engine}-{next(NUMBERS)}"
    company.server.member(await company.imported(team), f"uid={name},{PEOPLE}")
    await company.login(name)
    token = await company.token(name)
    assert (await company.account(name)).groups == (team, "readers")
    company.server.delete(f"uid={name},{PEOPLE}")
    company.database.wait(seconds=301)
    with pytest.raises(TokenRevoked):
        await company.with_token(token)
    assert (await company.account(name)).groups == ("readers",)


async def test_each_change_of_what_somebody_is_in_leaves_a_trail_and_a_login_that_changes_nothing_none(
    company: Company,
) -> None:
    name, team = company.person(), f"crew-{company.database.engine}-{next(NUMBERS)}"
    company.server.member(await company.imported(team), f"uid={name},{PEOPLE}")
    for _ in range(2):
        await company.login(name)
        company.database.wait(seconds=301)
    token = await company.token(name)
    company.server.delete(f"uid={name},{PEOPLE}")
    for _ in range(2):
        with pytest.raises(TokenRevoked):
            await company.with_token(token)
        company.database.wait(seconds=301)
    trail = await company.database.rows(OF_GROUPS, name=name)
    assert [" ".join(row[0].split()) for row in trail] == [f"add {team} remove", f"remove {team}"]


async def test_tokens_follow_the_groups_of_their_user(company: Company) -> None:
    name, team = company.person(), f"crew-{company.database.engine}-{next(NUMBERS)}"
    dn = await company.imported(team)
    company.server.member(dn, f"uid={name},{PEOPLE}")
    await company.login(name)
    token = await company.token(name)
    assert team in (await company.with_token(token)).groups
    company.server.member(dn, f"uid={name},{PEOPLE}", change="delete")
    company.database.wait(seconds=301)
    assert team not in (await company.with_token(token)).groups


async def test_another_person_of_the_same_name_does_not_inherit_tokens(company: Company) -> None:
    name = company.person()
    await company.login(name)
    token = await company.token(name)
    company.server.delete(f"uid={name},{PEOPLE}")
    company.server.person(name, "otherpw")
    company.database.wait(seconds=301)
    assert (await company.login(name, "otherpw")).name == name
    with pytest.raises(TokenRevoked):
        await company.with_token(token)


async def test_another_person_of_the_same_name_inherits_nothing_else_either(company: Company) -> None:
    name, team = company.person(), f"board-{company.database.engine}-{next(NUMBERS)}"
    before = await company.granted_everything(name, team)
    key = await company.api_keys.create(before.id, name, Actor(name, HERE))
    assert (await company.with_token(key)).is_admin
    company.server.delete(f"uid={name},{PEOPLE}")
    company.server.person(name, "otherpw")
    company.database.wait(seconds=301)
    with pytest.raises(TokenRevoked):
        await company.with_token(key)
    caller = await company.login(name, "otherpw")
    assert (caller.groups, caller.is_admin) == (frozenset({"readers"}), False)
    with pytest.raises(BadCredentials):
        await company.with_token(key)
    [(_, body)] = await targets.page(company.database)
    assert name not in body
    assert await ssh_keys.of(company.database, caller.user_id or 0) == []
    assert (await company.account(name)).email == f"{name}@ent.test"


async def test_another_person_of_a_disabled_name_stays_out_until_it_is_enabled(company: Company) -> None:
    name = company.person()
    await company.login(name)
    await company.disable(name)
    company.server.delete(f"uid={name},{PEOPLE}")
    company.server.person(name, "otherpw")
    company.database.wait(seconds=301)
    with pytest.raises(BadCredentials):
        await company.login(name, "otherpw")


async def test_who_shall_have_no_account_has_groups_and_nothing_else(company: Company) -> None:
    await company.ask(setting(company.server, autoCreateUser=False))
    name, team = company.person(), f"guests-{company.database.engine}-{next(NUMBERS)}"
    company.server.member(await company.imported(team, admin=True), f"uid={name},{PEOPLE}")
    await company.imported(f"others-{team}")
    caller = await company.login(name)
    assert (caller.user_id, caller.groups, caller.is_admin) == (None, {"readers", team}, False)
    assert await accounts.find(company.database, name) is None


async def test_a_disabled_account_stays_out_whatever_the_directory_says(company: Company) -> None:
    name = company.person()
    await company.login(name)
    await company.disable(name)
    with pytest.raises(BadCredentials):
        await company.login(name)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("spelling", ["{} ", " {}", "\uff55{}"])
async def test_another_spelling_of_a_name_lets_in_nobody_who_is_disabled_here(
    company: Company, create: bool, spelling: str
) -> None:
    name = company.person()
    await company.login(name)
    await company.disable(name)
    await company.ask(setting(company.server, autoCreateUser=create))
    written = spelling.format(name.removeprefix("u") if "\uff55" in spelling else name)
    with pytest.raises(BadCredentials):
        await company.login(written)


async def test_several_servers_are_asked_in_order_and_a_dead_one_does_not_keep_out_the_next(company: Company) -> None:
    dead = {**setting(company.server), "ldapUrl": f"ldap://127.0.0.1:{free_port()}/dc=ent,dc=test"}
    await company.ask(dead, setting(company.server))
    assert (await company.login(company.person())).user_id is not None
    with pytest.raises(SourceUnavailable):  # perhaps the dead one knows
        await company.login("stranger")


@pytest.mark.parametrize("written", ["", "main:"])
async def test_a_second_server_of_the_same_directory_knows_its_users_as_the_same(
    company: Company, written: str
) -> None:
    await company.ask(setting(company.server), setting(company.server))
    name = company.person()
    await company.login(name)
    if written:  # as ids were stored once
        await company.database.transact(lambda tx: tx.execute(KNOWN_BEFORE, name=name, written=written))
    token = await company.token(name)
    await configured(company.documents, Entry("ldapSettings", "main", setting(company.server, enabled=False)))
    company.database.wait(seconds=301)
    assert (await company.with_token(token)).name == name
    company.server.delete(f"uid={name},{PEOPLE}")
    company.server.person(name, "otherpw")
    company.database.wait(seconds=301)
    await company.login(name, "otherpw")
    with pytest.raises(TokenRevoked):
        await company.with_token(token)


@pytest.mark.parametrize(
    ("stored", "told", "kept", "then"),
    [
        ("entryuuid:0a", "entryuuid:0b", False, "entryuuid:0b"),
        ("main:entryuuid:0a", "entryuuid:0b", False, "entryuuid:0b"),
        ("main:entryuuid:0a", "entryuuid:0a", True, "main:entryuuid:0a"),
        ("main:dn:uid=a", "main:dn:uid=b", False, "main:dn:uid=b"),
        ("main:dn:uid=a", "entryuuid:0a", True, "entryuuid:0a"),
        ("main:entryuuid:0a", "objectguid:0b", True, "objectguid:0b"),
        ("entryuuid:0a", "main:dn:uid=a", True, "entryuuid:0a"),
        ("", "entryuuid:0a", True, "entryuuid:0a"),
        ("entryuuid:0a", "", True, "entryuuid:0a"),
    ],
)
async def test_only_another_id_of_the_same_kind_is_another_person(
    company: Company, stored: str, told: str, kept: bool, then: str
) -> None:
    admissions, name = Admissions(company.database, company.epochs), f"p{next(NUMBERS)}"
    before, after = [await admissions.admit(Person("ldap", name, unique)) for unique in (stored, told)]
    assert isinstance(before, Account)
    assert isinstance(after, Account)
    assert (before.id == after.id) is kept
    assert tuple(await company.database.row(KNOWN_AS, name=name) or ()) == (then,)


async def test_a_server_that_hangs_keeps_out_its_users_with_a_clear_word_and_nobody_else(
    company: Company, database: Clocked
) -> None:
    with slapd() as own:
        own.person("alice", "alicepw")
        await company.ask(setting(own))
        assert (await company.login("alice", "alicepw")).name == "alice"
        token = await company.token("alice")
        own.hang()
        database.wait(seconds=301)
        async with asyncio.timeout(30):
            many = [company.login("alice", f"pw{n}") for n in range(3)]
            waiting = asyncio.gather(company.with_token(token), *many, return_exceptions=True)
            async with asyncio.timeout(5):
                assert (await company.login("root", "localpw")).name == "root"
            for refused in await waiting:
                assert isinstance(refused, SourceUnavailable)
                assert refused.status == 503
        await company.epochs.look(database)
        async with asyncio.timeout(1):  # it has been found out, and is left alone for a while
            with pytest.raises(SourceUnavailable):
                await company.login("alice", "another")
        own.go_on()


async def test_who_comes_when_many_wait_for_a_server_is_told_at_once_and_nobody_is_later(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories, answering = LdapSource(company.documents), asyncio.Event()

    async def login(*_: object) -> None:
        await answering.wait()

    monkeypatch.setattr(Directory, "login", login)
    waiting = [asyncio.create_task(directories.login(f"user{number}", "x")) for number in range(80)]
    await asyncio.sleep(0)
    with pytest.raises(SourceUnavailable):
        await directories.login("one", "more")
    answering.set()
    assert await asyncio.gather(*waiting) == [None] * 80
    assert await directories.login("one", "more") is None


async def test_who_is_one_too_many_at_a_server_is_not_sent_to_the_next_and_logged_once_a_minute(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.ask(setting(company.server), setting(company.server))
    asked: list[str] = []

    async def login(directory: Directory, *_: object) -> None:
        asked.append(directory.setting.key)
        await asyncio.Event().wait()

    monkeypatch.setattr(Directory, "login", login)
    directories = LdapSource(company.documents)
    waiting = [asyncio.create_task(directories.login(f"user{number}", "x")) for number in range(80)]
    await asyncio.sleep(0)
    with capture_logs() as logged:
        for since in (60.0, 60.0, 60.0, 0.0):
            monkeypatch.setattr(source, "_COMPLAINT", since)
            with pytest.raises(SourceUnavailable):
                await directories.login("one", "more")
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert asked == ["main"] * 16
    assert [one["event"] for one in logged] == ["directory.busy"] * 2


async def test_a_server_that_is_down_is_logged_when_it_is_found_out_and_not_at_each_login(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def login(*_: object) -> None:
        await asyncio.sleep(0)  # all that there is room for ask at once
        raise Unreachable("connection refused")

    monkeypatch.setattr(Directory, "login", login)
    directories = LdapSource(company.documents)

    async def logged() -> list[str]:
        with capture_logs() as lines:
            many = [directories.login(f"user{number}", "x") for number in range(40)]
            for refused in await asyncio.gather(*many, return_exceptions=True):
                assert isinstance(refused, SourceUnavailable)
        return [line["reason"] for line in lines]

    assert await logged() == ["connection refused"] * 2  # the second failure closes the circuit
    assert await logged() == []
    directories._circuits["main"].closed_until = 0.0
    assert await logged() == ["connection refused"]  # who tried it again


async def test_many_guesses_that_wait_for_a_server_keep_nobody_from_a_password_here_and_are_told_one_by_one(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering = asyncio.Event()

    async def login(*_: object) -> None:
        await answering.wait()

    monkeypatch.setattr(Directory, "login", login)
    guesses = [asyncio.create_task(company.login(f"user{number}", "x")) for number in range(50)]
    async with asyncio.timeout(5):
        assert (await company.login("root", "localpw")).name == "root"
    answering.set()
    outcomes = [type(one) for one in await asyncio.gather(*guesses, return_exceptions=True)]
    assert {one: outcomes.count(one) for one in outcomes} == {BadCredentials: 5, Blocked: 45}


async def test_one_stale_password_does_not_lock_its_owner_out_at_the_directory(company: Company) -> None:
    """The directory is told of a wrong password once in a minute, however often a robot sends it."""
    name = company.person()
    before = connections(company.server)
    for _ in range(20):
        with pytest.raises(BadCredentials):
            await company.login(name, "stale")
    assert connections(company.server) - before <= 2  # ours, and the one that counts
    assert (await company.login(name)).name == name


async def test_a_change_of_the_settings_is_in_force_at_once(company: Company) -> None:
    name = company.person()
    await company.login(name)
    await configured(company.documents, Entry("ldapSettings", "main", setting(company.server, enabled=False)))
    company.authenticator = company.another_process()
    with pytest.raises(BadCredentials):
        await company.login(name)


async def test_the_managers_password_is_nowhere_in_the_database_as_it_is(company: Company) -> None:
    assert MANAGER_PASSWORD not in str(dict(company.documents.section("ldapSettings")))
    shown = company.documents.section("ldapSettings")["main"]["search"]["managerPassword"]
    assert shown.startswith("{sealed}")
    again = dict(company.documents.section("ldapSettings")["main"])  # as who reads the configuration writes it back
    await configured(company.documents, Entry("ldapSettings", "main", again))
    assert (await company.login(company.person())).name


def connections(server: Slapd) -> int:
    """How many connections the server has had."""
    from tests.parts.presence import tool
    from tests.parts.processes import run

    url = f"ldap://127.0.0.1:{server.port}"
    base = "cn=Total,cn=Connections,cn=Monitor"
    told = run([tool("ldapsearch"), "-LLL", "-x", "-H", url, "-b", base, "-s", "base", "monitorCounter"])
    return int(told.out.rpartition("monitorCounter: ")[2])


async def test_a_server_of_the_settings_file_comes_before_what_rest_says_under_its_name(company: Company) -> None:
    name = company.person()
    stated = {"ldap_url": company.server.url, "user_dn_pattern": "uid={0},ou=people"}
    settings = Settings(ldap_servers=Secret(json.dumps({"main": stated})))
    outside = Outside(
        [LdapSource(company.documents, fixed(settings))], Admissions(company.database, company.epochs), company.database
    )
    company.authenticator = Authenticator(
        company.database, company.epochs, GivenOut(company.tokens), company.passwords, outside=outside
    )
    await company.ask(
        {**setting(company.server), "enabled": False}
    )  # a document of the same name, which is passed over
    assert (await company.login(name)).name == name


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"ldap_url": "http://x", "user_dn_pattern": "uid={0}"}, "ldap.servers.main: The ldap_url must be"),
        ({"user_dn_pattern": "uid={0}"}, "ldap.servers.main: Object missing required field `ldapUrl`"),
        ({"ldap_url": "ldap://x", "user_dn_patern": "uid={0}"}, "there is no field 'user_dn_patern'"),
        ({"ldap_url": "ldap://x", "search": {"filter": "(uid={0})"}}, "there is no field 'filter'"),
    ],
)
def test_a_settings_file_that_cannot_work_is_refused_with_the_place(stated: dict[str, object], told: str) -> None:
    with pytest.raises(Invalid, match=re.escape(told)):
        fixed(Settings(ldap_servers=Secret(json.dumps({"main": stated}))))
