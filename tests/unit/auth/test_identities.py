import pytest

from entrepot.auth import accounts, groups
from entrepot.auth.accounts import Account, AccountExists, AccountUnknown, Change
from entrepot.auth.admins import LastAdmin
from entrepot.auth.epochs import Epochs
from entrepot.auth.groups import Group, GroupExists, GroupUnknown
from entrepot.auth.identities import Identities
from entrepot.errors import Invalid
from entrepot.metadata.database import Reads, Tx
from tests.unit.auth.support import Clocked


@pytest.fixture
async def people(database: Clocked) -> Account:
    async def work(tx: Tx) -> Account:
        await groups.create(tx, Group("readers", auto_join=True))
        await groups.create(tx, Group("ops", admin=True))
        await accounts.create(tx, "root", Change(admin=True))
        return await accounts.create(tx, "Bob", Change(email="b", groups=("OPS",)))

    return await database.transact(work)


async def test_a_new_account_joins_what_all_join_and_what_it_was_given(people: Account) -> None:
    assert (people.name, people.groups, people.admin, people.is_admin) == ("bob", ("ops", "readers"), False, True)
    assert (people.security_epoch, people.last_login, people.disabled) == (1, None, False)


async def test_an_account_is_found_by_name_in_any_case_and_by_id(database: Clocked, people: Account) -> None:
    assert await accounts.find(database, "BOB") == people
    assert await accounts.find_id(database, people.id) == people
    assert await accounts.find(database, "nobody") is None
    with pytest.raises(AccountUnknown, match="'nobody'"):
        await accounts.get(database, "nobody")


async def test_names_are_taken_once(database: Clocked, people: Account) -> None:
    with pytest.raises(AccountExists, match="bob"):
        await database.transact(lambda tx: accounts.create(tx, "BOB", Change()))
    with pytest.raises(GroupExists, match="ops"):
        await database.transact(lambda tx: groups.create(tx, Group("Ops")))


async def test_the_epoch_moves_with_what_must_stop_and_with_nothing_else(database: Clocked, people: Account) -> None:
    async def epoch_after(change: Change) -> int:
        async def work(tx: Tx) -> int:
            return (await accounts.alter(tx, await accounts.get(tx, "bob"), change)).security_epoch

        return await database.transact(work)

    assert await epoch_after(Change(email="x", admin=True, groups=("readers",))) == 1
    assert await epoch_after(Change(password_hash="x")) == 2
    assert await epoch_after(Change(disabled=True)) == 3
    assert await epoch_after(Change(disabled=True)) == 3
    assert await epoch_after(Change(disabled=False)) == 3


async def test_a_change_that_would_leave_no_administrator_changes_nothing(database: Clocked, people: Account) -> None:
    async def without(name: str) -> None:
        await database.transact(lambda tx: remove(tx, name))

    async def remove(tx: Tx, name: str) -> None:
        await accounts.delete(tx, await accounts.get(tx, name))

    await without("root")
    with pytest.raises(LastAdmin):
        await without("bob")
    assert await accounts.find(database, "bob") is not None
    with pytest.raises(LastAdmin):
        await database.transact(lambda tx: accounts.alter(tx, people, Change(groups=())))
    with pytest.raises(LastAdmin):
        await database.transact(lambda tx: accounts.alter(tx, people, Change(disabled=True)))


async def test_an_id_is_never_used_again(database: Clocked, people: Account) -> None:
    await database.transact(lambda tx: accounts.delete(tx, people))
    again = await database.transact(lambda tx: accounts.create(tx, "bob", Change()))
    assert again.id > people.id
    assert again.uuid != people.uuid


async def test_an_unknown_group_is_not_joined_left_or_found(database: Clocked, people: Account) -> None:
    for work in (groups.join, groups.leave):
        with pytest.raises(Invalid, match="'absent'"):
            await database.transact(lambda tx, work=work: work(tx, people.id, ["absent"]))  # type: ignore[misc]
    with pytest.raises(GroupUnknown):
        await groups.get(database, "absent")


async def test_a_rehash_does_not_undo_a_change_of_password(database: Clocked, people: Account) -> None:
    await database.transact(lambda tx: accounts.alter(tx, people, Change(password_hash="new")))
    await database.transact(lambda tx: accounts.rehash(tx, people, "stale"))
    assert (await accounts.get(database, "bob")).password_hash == "new"


async def test_accounts_are_remembered_until_the_epoch_moves(
    database: Clocked, epochs: Epochs, people: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = Identities(database, epochs)
    first = await identities.by_name("bob")
    assert await identities.by_id(people.id) is first
    assert await identities.by_name("BOB") is first
    await database.transact(lambda tx: accounts.alter(tx, people, Change(email="new")))
    assert await identities.by_name("bob") is first
    epochs.announce("security")
    changed = await identities.by_id(people.id)
    assert changed is not None
    assert changed.email == "new"
    assert await identities.by_name("nobody") is None
    assert await identities.by_id(10**6) is None


async def test_what_was_read_while_the_epoch_moved_is_not_remembered(
    database: Clocked, epochs: Epochs, people: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = Identities(database, epochs)
    real = accounts.find

    async def overtaken(reads: Reads, name: str) -> Account | None:
        found = await real(reads, name)
        monkeypatch.setattr(accounts, "find", real)
        await database.transact(lambda tx: accounts.alter(tx, people, Change(email="new")))
        epochs.announce("security")
        await identities.by_name("root")  # another request, which sees the new epoch
        return found

    monkeypatch.setattr(accounts, "find", overtaken)
    await identities.by_name("bob")
    seen = await identities.by_name("bob")
    assert seen is not None
    assert seen.email == "new"
