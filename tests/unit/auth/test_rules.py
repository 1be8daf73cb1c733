import asyncio
from typing import Any

import pytest

from entrepot.access.actions import Action
from entrepot.access.permissions import RepositoryFacts
from entrepot.auth import accounts, groups, targets
from entrepot.auth.epochs import Epochs
from entrepot.auth.rules import LiveRules
from entrepot.errors import Invalid
from entrepot.metadata.database import Tx
from tests.rights import grants
from tests.unit.auth.support import Clocked

REPOSITORY = RepositoryFacts("libs", "local")


def body(name: str = "dev", *, users: Any = None, groups: Any = None, repositories: tuple[str, ...] = ("libs",)) -> Any:
    actions = {"users": users, "groups": groups}
    covered = {"include_patterns": ["**"], "exclude_patterns": []}
    resource = {
        "actions": {kind: named for kind, named in actions.items() if named},
        "targets": dict.fromkeys(repositories, covered),
    }
    return {"name": name, "resources": {"artifact": resource}}


async def people(database: Clocked) -> None:
    async def work(tx: Tx) -> None:
        await groups.create(tx, groups.Group("devs"))
        await accounts.create(tx, "root", accounts.Change(admin=True))
        await accounts.create(tx, "bob", accounts.Change())

    await database.transact(work)


async def test_rules_grant_nothing_before_they_are_read(database: Clocked, epochs: Epochs) -> None:
    rules = LiveRules(database, epochs, anonymous=lambda: False)
    assert not grants(rules(), frozenset({"u:bob"}), Action.READ, REPOSITORY, "a")


async def test_a_grant_and_its_removal_are_in_force_after_the_epoch_moved(database: Clocked, epochs: Epochs) -> None:
    rules = LiveRules(database, epochs, anonymous=lambda: False)

    def allowed() -> bool:
        return grants(rules(), frozenset({"u:bob"}), Action.READ, REPOSITORY, "a")

    await rules.refresh()
    await epochs.change(database, "security", lambda tx: targets.create(tx, body(users={"bob": ["READ"]})))
    assert not allowed()
    await rules.refresh()
    assert allowed()
    await epochs.change(database, "security", lambda tx: targets.delete(tx, "dev"))
    await rules.refresh()
    assert not allowed()


async def test_refreshing_costs_no_look_at_the_database_while_nothing_moves(database: Clocked, epochs: Epochs) -> None:
    rules = LiveRules(database, epochs, anonymous=lambda: False)
    await asyncio.gather(*[rules.refresh() for _ in range(5)])
    first = rules()
    await rules.refresh()
    assert rules() is first


async def test_switching_anonymous_access_counts_at_the_next_refresh(database: Clocked, epochs: Epochs) -> None:
    allowed = [False]
    rules = LiveRules(database, epochs, anonymous=lambda: allowed[0])
    await rules.refresh()
    assert not rules().anonymous
    allowed[0] = True
    await rules.refresh()
    assert rules().anonymous


async def test_targets_are_listed_in_order_page_by_page(database: Clocked) -> None:
    async def several(tx: Tx) -> None:
        for name in ("c", "a", "b"):
            await targets.create(tx, body(name))

    await database.transact(several)
    assert [name for name, _ in await targets.page(database, limit=2)] == ["a", "b"]
    assert [name for name, _ in await targets.page(database, after="b")] == ["c"]


async def test_a_target_is_created_once_replaced_and_removed(database: Clocked) -> None:
    await database.transact(lambda tx: targets.create(tx, body()))
    with pytest.raises(targets.TargetExists):
        await database.transact(lambda tx: targets.create(tx, body()))
    assert not await database.transact(lambda tx: targets.replace(tx, body(repositories=("other",))))
    assert list((await targets.get(database, "dev"))["resources"]["artifact"]["targets"]) == ["other"]
    assert await database.transact(lambda tx: targets.replace(tx, body("new")))
    await database.transact(lambda tx: targets.delete(tx, "dev"))
    with pytest.raises(targets.TargetUnknown):
        await database.transact(lambda tx: targets.delete(tx, "dev"))
    with pytest.raises(targets.TargetUnknown):
        await targets.get(database, "dev")


async def test_names_are_stored_in_lower_case(database: Clocked) -> None:
    await people(database)
    stored = await targets.checked(database, body(users={"BOB": ["READ"]}, groups={"Devs": ["READ"]}), lambda _: True)
    assert stored["resources"]["artifact"]["actions"] == {"users": {"bob": ["READ"]}, "groups": {"devs": ["READ"]}}


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (body(users={"nobody": ["READ"]}), "user 'nobody'"),
        (body(groups={"nobody": ["READ"]}), "group 'nobody'"),
        (body(repositories=("absent",)), "repository 'absent'"),
        ({"name": "x"}, "Must have at least one"),
        ({"name": "x", "resources": []}, "must be objects"),
        ({"name": "x", "resources": {"artifact": {"actions": 1}}}, "must be objects"),
        ({"name": "x", "resources": {"artifact": {"actions": {"users": 1}}}}, "must be objects"),
    ],
)
async def test_what_does_not_exist_cannot_be_granted(database: Clocked, wrong: Any, word: str) -> None:
    await people(database)
    with pytest.raises(Invalid, match=word):
        await targets.checked(database, wrong, lambda key: key == "libs")


async def test_any_and_its_kin_need_not_exist(database: Clocked) -> None:
    await targets.checked(database, body(repositories=("ANY", "ANY LOCAL", "ANY REMOTE")), lambda _: False)


async def test_what_a_deleted_user_was_granted_is_forgotten(database: Clocked) -> None:
    both = body("both", users={"bob": ["READ"], "ann": ["READ"]}, groups={"bob": ["READ"]})
    await database.transact(lambda tx: targets.create(tx, both))
    await database.transact(lambda tx: targets.create(tx, body("one", users={"bob": ["READ"]})))
    await database.transact(lambda tx: targets.forget(tx, "users", "bob"))
    assert (await targets.get(database, "both"))["resources"]["artifact"]["actions"] == {
        "users": {"ann": ["READ"]}, "groups": {"bob": ["READ"]},
    }  # fmt: skip
    assert (await targets.get(database, "one"))["resources"]["artifact"]["actions"] == {}
