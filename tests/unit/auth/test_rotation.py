"""Another master key: everything opens with the new one and nothing with the old one, whenever it was interrupted."""

import pytest

from entrepot.auth import accounts, rotation
from entrepot.auth.api_keys import ApiKeys
from entrepot.auth.audit import Actor
from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import SealBroken, TextSeals, Vault, signing_key
from entrepot.auth.rotation import StillServing
from entrepot.configuration.documents import Documents, Entry
from entrepot.metadata.sql import sql
from entrepot.metadata.versions import bump
from tests.unit.auth.support import Clocked, configured

OLD, NEW = Vault(b"o" * 32), Vault(b"n" * 32)
BODY = {"password": "hush", "host": "h", "search": {"managerPassword": "hush too"}}


def documents(database: Clocked, epochs: Epochs, vault: Vault) -> Documents:
    return Documents(database, bump=bump, announce=epochs.announce, seals=TextSeals(vault))


async def test_all_that_is_sealed_opens_with_the_new_key_only(database: Clocked, epochs: Epochs) -> None:
    kid = (await signing_key(database, OLD)).kid
    account = await database.transact(lambda tx: accounts.create(tx, "bob", accounts.Change(admin=True)))
    key = await ApiKeys(database, epochs, OLD).create(account.id, "bob", Actor("bob", ""))
    before = documents(database, epochs, OLD)
    await configured(before, Entry("mailServer", "", BODY), Entry("general", "", {"serverName": "x"}))

    assert not await rotation.is_sealed_with(database, NEW)
    assert await rotation.seal_anew(database, OLD, NEW) == 3
    assert await rotation.is_sealed_with(database, NEW)
    assert not await rotation.is_sealed_with(database, OLD)

    assert (await signing_key(database, NEW)).kid == kid
    assert await ApiKeys(database, epochs, NEW).get(account.id) == key
    read = documents(database, epochs, NEW)
    await read.refresh()
    assert read.revealed("mailServer")[""] == BODY
    stale = documents(database, epochs, OLD)
    await stale.refresh()
    with pytest.raises(SealBroken):
        stale.revealed("mailServer")


async def test_a_key_that_does_not_open_everything_changes_nothing(database: Clocked, epochs: Epochs) -> None:
    await signing_key(database, OLD)
    await configured(documents(database, epochs, Vault(b"?" * 32)), Entry("mailServer", "", BODY))
    with pytest.raises(SealBroken):
        await rotation.seal_anew(database, OLD, NEW)
    assert await rotation.is_sealed_with(database, OLD)


async def test_no_key_is_changed_under_a_running_node(database: Clocked) -> None:
    await rotation.refuse_while_serving(database)
    add = sql("INSERT INTO writer (id, node, started, heartbeat) VALUES ('w', 'n', {now}, {now})")
    await database.transact(lambda tx: tx.execute(add))
    with pytest.raises(StillServing):
        await rotation.refuse_while_serving(database)
    await database.transact(lambda tx: tx.execute(sql("DELETE FROM writer")))
