"""Logins and look-ups at a real Active Directory, over StartTLS and LDAPS, as it insists."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
from msgspec.structs import replace

from entrepot.auth.directory.connection import DirectoryFailed
from entrepot.auth.directory.lookup import Directory
from entrepot.auth.directory.settings import GroupSetting, LdapSetting, UserSearch
from tests.parts.samba import ADMINISTRATOR, BASE, PASSWORD, Samba, samba

T = TypeVar("T")
USERS = f"CN=Users,{BASE}"


@pytest.fixture(scope="module")
def server() -> Iterator[Samba]:
    with samba() as running:
        for name in ("alice", "bob"):
            running.tool("user", "create", name, "Secret.4you", f"--mail-address={name}@ent.test")
        for group in ("devs", "everyone"):
            running.tool("group", "add", group)
        running.tool("group", "addmembers", "devs", "alice")
        running.tool("group", "addmembers", "everyone", "devs")
        yield running


def setting(server: Samba, **rest: object) -> LdapSetting:
    search = UserSearch(search_filter="(sAMAccountName={0})", manager_dn=ADMINISTRATOR, manager_password=PASSWORD)
    return LdapSetting(
        key="ad", ldap_url=f"ldap://localhost/{BASE}", start_tls=True, ca_certificates=server.certificate,
        search=search, **rest,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(autouse=True)
def its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate is for dc1.ent.test, which no resolver here knows."""
    import ssl

    real = ssl.SSLContext.wrap_bio

    def named(self: ssl.SSLContext, *args: object, **rest: object) -> ssl.SSLObject:
        return real(self, *args, **{**rest, "server_hostname": "dc1.ent.test"})  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", named)


def there(server: Samba, work: Callable[[], Awaitable[T]]) -> T:
    return server.inside(lambda: asyncio.run(_awaited(work)))


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


@pytest.mark.parametrize("secure", ["starttls", "ldaps"])
def test_the_right_password_opens_and_the_wrong_one_does_not(server: Samba, secure: str) -> None:
    stated = setting(server)
    if secure == "ldaps":
        stated = replace(stated, ldap_url=f"ldaps://localhost/{BASE}", start_tls=False)
    found = there(server, lambda: Directory(stated).login("alice", "Secret.4you"))
    assert found is not None
    assert (found.dn, found.email) == (f"CN=alice,{USERS}", "alice@ent.test")
    assert found.unique.startswith("objectguid:")
    assert there(server, lambda: Directory(stated).login("alice", "wrong")) is None
    assert there(server, lambda: Directory(stated).login("alice", "")) is None
    assert there(server, lambda: Directory(stated).login("a*", "Secret.4you")) is None


def test_a_bind_in_clear_is_refused_there_and_is_no_wrong_password(server: Samba) -> None:
    with pytest.raises(DirectoryFailed, match="8"):
        there(server, lambda: Directory(replace(setting(server), start_tls=False)).login("alice", "Secret.4you"))


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (GroupSetting(name="g", group_member_attribute="member", filter="(objectClass=group)"), {"devs"}),
        (GroupSetting(name="g", group_member_attribute="member:1.2.840.113556.1.4.1941:",
                      filter="(objectClass=group)"), {"devs", "everyone"}),
        (GroupSetting(name="g", group_member_attribute="memberOf", strategy="DYNAMIC"), {"devs"}),
    ],
    ids=["static", "nested", "dynamic"],
)  # fmt: skip
def test_groups_are_found_nested_ones_by_the_matching_rule(server: Samba, by: GroupSetting, groups: set[str]) -> None:
    found = there(server, lambda: Directory(setting(server), [by]).login("alice", "Secret.4you"))
    assert found is not None
    assert groups <= found.held.names
    assert ("everyone" in found.held.names) == ("everyone" in groups)


def test_an_account_that_is_disabled_there_is_not_there(server: Samba) -> None:
    assert there(server, lambda: Directory(setting(server)).look_up("bob")) is not None
    server.tool("user", "disable", "bob")
    assert there(server, lambda: Directory(setting(server)).look_up("bob")) is None
    assert there(server, lambda: Directory(setting(server)).login("bob", "Secret.4you")) is None


def test_all_groups_are_listed_for_import(server: Samba) -> None:
    by = GroupSetting(name="g", filter="(objectClass=group)")
    listed = there(server, lambda: Directory(setting(server)).groups_of(by))
    assert {"devs", "everyone", "Domain Admins"} <= {group.name for group in listed}
