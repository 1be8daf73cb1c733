"""Logins and look-ups at a real OpenLDAP server."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from entrepot.auth.directory.connection import DirectoryFailed, Unreachable, connected
from entrepot.auth.directory.lookup import Directory
from entrepot.auth.directory.settings import GroupSetting, LdapSetting, UserSearch, check_setting
from entrepot.errors import Invalid
from tests.parts.processes import free_port
from tests.parts.slapd import GROUPS, MANAGER, MANAGER_PASSWORD, PEOPLE, SUFFIX, Slapd, slapd

SEARCH = UserSearch(
    search_filter="(uid={0})", search_base="ou=people", manager_dn=MANAGER, manager_password=MANAGER_PASSWORD
)
STRANGE = r"st*r(an\ge)"


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with slapd() as running:
        alice = running.person("alice", "alicepw")
        carol = running.person("carol", "carolpw", below=f"ou=eng,{PEOPLE}")
        running.person(STRANGE.replace("\\", "\\\\"), "strangepw")
        running.group("devs", alice, carol)
        running.group("ops", carol)
        yield running


def by_pattern(server: Slapd, **rest: object) -> LdapSetting:
    return LdapSetting(key="main", ldap_url=server.url, user_dn_pattern="uid={0},ou=people", **rest)  # type: ignore[arg-type]


def by_search(server: Slapd, **rest: object) -> LdapSetting:
    return LdapSetting(key="main", ldap_url=server.url, search=SEARCH, **rest)  # type: ignore[arg-type]


STATIC = GroupSetting(name="g", enabled_ldap="main", group_base_dn="ou=groups", group_member_attribute="member")
DYNAMIC = GroupSetting(name="g", enabled_ldap="main", group_member_attribute="memberOf", strategy="DYNAMIC")
HIERARCHICAL = GroupSetting(name="g", enabled_ldap="main", strategy="HIERARCHICAL")


@pytest.mark.parametrize("how", [by_pattern, by_search])
async def test_the_right_password_opens_and_the_wrong_one_does_not(server: Slapd, how: object) -> None:
    directory = Directory(how(server))  # type: ignore[operator]
    found = await directory.login("alice", "alicepw")
    assert found is not None
    assert (found.dn, found.email) == (f"uid=alice,{PEOPLE}", "alice@ent.test")
    assert found.unique.startswith("entryuuid:")
    assert await directory.login("alice", "carolpw") is None
    assert await directory.login("nobody", "alicepw") is None


@pytest.mark.parametrize("how", [by_pattern, by_search])
@pytest.mark.parametrize("password", ["", "\0", "alicepw\0"])
async def test_an_empty_password_never_binds_even_where_the_server_would_let_it(
    server: Slapd, how: object, password: str
) -> None:
    async with connected(by_pattern(server).server(), 5) as connection:
        connection_itself = await connection.bind(f"uid=alice,{PEOPLE}", "")
        assert connection_itself.code == 49  # refused before it is sent
    assert await Directory(how(server)).login("alice", password) is None  # type: ignore[operator]


async def test_a_search_goes_through_the_whole_tree_or_one_level_as_it_is_told(server: Slapd) -> None:
    assert await Directory(by_search(server)).login("carol", "carolpw") is not None
    flat = replace(SEARCH, search_sub_tree=False)
    assert await Directory(replace(by_search(server), search=flat)).login("carol", "carolpw") is None
    several = replace(flat, search_base="ou=groups|ou=eng,ou=people")
    assert await Directory(replace(by_search(server), search=several)).login("carol", "carolpw") is not None


async def test_a_pattern_and_a_search_are_tried_one_after_the_other(server: Slapd) -> None:
    both = replace(by_pattern(server), search=SEARCH)
    assert await Directory(both).login("alice", "alicepw") is not None
    assert await Directory(both).login("carol", "carolpw") is not None
    assert await Directory(both).look_up("carol") is not None


@pytest.mark.parametrize("name", ["*", "a*", "alice)(uid=*", "alice\0", "*)(objectClass=*", "\\61lice", "alice,ou=x"])
@pytest.mark.parametrize("how", [by_pattern, by_search])
async def test_a_name_is_never_more_than_a_name(server: Slapd, how: object, name: str) -> None:
    directory = Directory(how(server))  # type: ignore[operator]
    assert await directory.login(name, "alicepw") is None
    assert await directory.look_up(name) is None


@pytest.mark.parametrize("how", [by_pattern, by_search])
async def test_a_user_whose_name_holds_what_filters_and_names_escape_is_found(server: Slapd, how: object) -> None:
    found = await Directory(how(server)).login(STRANGE, "strangepw")  # type: ignore[operator]
    assert found is not None


@pytest.mark.parametrize(
    ("by", "groups"),
    [(STATIC, {"devs", "ops"}), (DYNAMIC, {"devs", "ops"}), (HIERARCHICAL, {"eng", "people"})],
    ids=["static", "dynamic", "hierarchical"],
)
async def test_groups_are_found_by_each_strategy(server: Slapd, by: GroupSetting, groups: set[str]) -> None:
    found = await Directory(by_search(server), [by]).login("carol", "carolpw")
    assert found is not None
    assert found.held.names == groups
    again = await Directory(by_search(server), [by]).look_up("carol")
    assert again is not None
    assert again.held == found.held
    if by is not HIERARCHICAL:
        assert found.held.entries == {f"cn={name},{GROUPS}" for name in groups}


async def test_groups_that_list_names_of_users_are_found(server: Slapd) -> None:
    server.add(f"\ndn: cn=unix,{GROUPS}\nobjectClass: posixGroup\ncn: unix\ngidNumber: 7\nmemberUid: alice\n")
    by = replace(STATIC, group_member_attribute="memberUid", filter="(objectClass=posixGroup)")
    found = await Directory(by_pattern(server), [by]).login("alice", "alicepw")
    assert found is not None
    assert found.held.names == {"unix"}


async def test_several_entries_for_one_name_let_nobody_in(server: Slapd) -> None:
    loose = replace(SEARCH, search_filter="(|(uid={0})(uid=carol))")
    with pytest.raises(DirectoryFailed, match="several"):
        await Directory(replace(by_search(server), search=loose)).login("alice", "alicepw")


async def test_a_manager_with_a_wrong_password_is_a_failure_and_not_a_wrong_user(server: Slapd) -> None:
    wrong = replace(SEARCH, manager_password="wrong")
    with pytest.raises(DirectoryFailed, match="manager"):
        await Directory(replace(by_search(server), search=wrong)).login("alice", "alicepw")


@pytest.mark.parametrize("secure", ["ldaps", "starttls"])
async def test_tls_is_spoken_and_its_certificate_verified(server: Slapd, secure: str) -> None:
    setting = by_search(server, start_tls=True) if secure == "starttls" else by_search(server)
    if secure == "ldaps":
        setting = replace(setting, ldap_url=server.tls_url)
    trusted = replace(setting, ca_certificates=server.certificate)
    assert await Directory(trusted, [STATIC]).login("alice", "alicepw") is not None
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        await Directory(setting).login("alice", "alicepw")
    with pytest.raises(DirectoryFailed):
        await Directory(replace(setting, ca_certificates="nonsense")).login("alice", "alicepw")


async def test_a_certificate_for_another_host_is_refused(server: Slapd) -> None:
    url = server.tls_url.replace("127.0.0.1", "127.0.0.2")
    setting = by_search(server, ca_certificates=server.certificate)
    with pytest.raises(Unreachable):
        await Directory(replace(setting, ldap_url=url)).login("alice", "alicepw")


async def test_more_groups_than_the_server_gives_at_once_are_read_in_pages(server: Slapd) -> None:
    many = "".join(
        f"\ndn: cn=team{n},{GROUPS}\nobjectClass: groupOfNames\ncn: team{n}\nmember: uid=alice,{PEOPLE}\n"
        for n in range(1200)
    )
    await asyncio.to_thread(server.add, many)
    anonymous = replace(by_search(server), search=replace(SEARCH, manager_dn=""))  # the manager has no limits
    listed = await Directory(anonymous).groups_of(STATIC)
    assert len({group.name for group in listed}) >= 1200
    found = await Directory(anonymous, [STATIC]).login("alice", "alicepw")
    assert found is not None
    assert len(found.held.names) >= 1200
    with pytest.raises(DirectoryFailed, match="4"):
        await Directory(replace(anonymous, paging_support_enabled=False)).groups_of(STATIC)


async def test_what_does_not_answer_fails_and_does_not_hang() -> None:
    nobody = LdapSetting(key="a", ldap_url=f"ldap://127.0.0.1:{free_port()}/{SUFFIX}", user_dn_pattern="uid={0}")
    with pytest.raises(Unreachable):
        await Directory(nobody).login("alice", "alicepw")


@pytest.mark.parametrize("speech", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80", b""])
async def test_what_does_not_speak_ldap_fails(speech: bytes) -> None:
    gone = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(speech)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    liar = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = liar.sockets[0].getsockname()[1]
    setting = LdapSetting(key="a", ldap_url=f"ldap://127.0.0.1:{port}/{SUFFIX}", user_dn_pattern="uid={0}")
    with pytest.raises(DirectoryFailed):
        await Directory(setting).login("alice", "alicepw")
    liar.close()
    await gone.wait()


async def test_the_deadline_holds_for_all_that_is_done_on_a_connection() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    mute = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    setting = LdapSetting(key="a", ldap_url=f"ldap://127.0.0.1:{port}/{SUFFIX}", user_dn_pattern="uid={0}")
    with pytest.raises(Unreachable, match="no answer"):
        async with connected(setting.server(), 0.2) as connection:
            await connection.bind("uid=a", "b")
    mute.close()
    await gone.wait()


@pytest.mark.parametrize(
    "wrong",
    [
        {"ldap_url": "http://x/"}, {"ldap_url": "ldap:///dc=a"}, {"ldap_url": "ldap://x:99999/"},
        {"ldap_url": "ldaps://x/", "start_tls": True}, {"user_dn_pattern": "uid=me"}, {"user_dn_pattern": ""},
        {"ldap_url": "ldap://x/nonsense"}, {"search": UserSearch(search_filter="(uid={0}")},
        {"search": UserSearch(search_filter="(uid=me)")},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    good = LdapSetting(key="a", ldap_url="ldap://x/dc=a", user_dn_pattern="uid={0}")
    assert check_setting(good) == good
    with pytest.raises(Invalid):
        check_setting(replace(good, **wrong))


def test_a_server_is_compared_by_what_it_is() -> None:
    one = LdapSetting(key="a", ldap_url="ldaps://x/dc=a", user_dn_pattern="uid={0}").server()
    assert dataclasses.astuple(one) == ("x", 636, True, False, "")
