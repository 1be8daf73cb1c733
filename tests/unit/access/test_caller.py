from dataclasses import replace

import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import ANONYMOUS, CATALOG, Caller, DockerAccess
from entrepot.access.scopes import UNLIMITED, ceiling_of, parse_scope

BOB = Caller("bob", 1, frozenset({"devs"}))
ROOT = Caller("root", 2, is_admin=True)


@pytest.mark.parametrize(
    ("caller", "administers"),
    [
        (BOB, False), (ROOT, True), (ANONYMOUS, False), (replace(ROOT, how="docker"), False),
        (replace(ROOT, ceiling=ceiling_of(parse_scope("applied-permissions/user"))), True),
        (replace(BOB, ceiling=ceiling_of(parse_scope("applied-permissions/admin"))), False),
        (replace(ROOT, ceiling=ceiling_of(parse_scope("artifact:*:*"))), False),
        (replace(ROOT, ceiling=ceiling_of(parse_scope("member-of-groups:*"))), False),
    ],
)  # fmt: skip
def test_who_administers(caller: Caller, administers: bool) -> None:
    assert caller.may_administer is administers


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        (BOB, "bob"), (ANONYMOUS, "anonymous"), (replace(BOB, own_rights=False), None), (replace(BOB, user_id=None), None),
        (replace(BOB, user_id=0), "bob"),
    ],
)  # fmt: skip
def test_a_name_grants_only_while_an_account_stands_behind_it(caller: Caller, name: str | None) -> None:
    assert caller.granted_name == name


def test_a_docker_token_is_bound_to_the_names_that_it_was_bought_for() -> None:
    access = (
        DockerAccess("libs/app", Action.READ), DockerAccess("libs/app", Action.DEPLOY), DockerAccess("short", Action.READ),
    )  # fmt: skip
    caller = replace(BOB, how="docker", access=access)
    assert caller.is_bound_to("libs/app", Action.READ | Action.DEPLOY)
    assert not caller.is_bound_to("libs/app", Action.READ | Action.DELETE)
    assert not caller.is_bound_to("libs/app/sub", Action.READ)
    assert not caller.is_bound_to("libs/ap", Action.READ)
    assert caller.is_bound_to("any/short", Action.READ)
    assert not caller.is_bound_to("any/short", Action.DEPLOY)
    assert BOB.is_bound_to("any/thing", Action.DELETE)


def test_a_docker_token_that_was_asked_for_nothing_is_for_nothing() -> None:
    caller = replace(BOB, how="docker", access=())
    assert not caller.is_bound_to("libs/app", Action.READ)
    assert not caller.is_bound_to(CATALOG, Action.READ)
    assert caller.by_identity().is_bound_to("libs/app", Action.DEPLOY)


def test_by_identity_leaves_out_the_list_and_keeps_the_ceiling() -> None:
    ceiling = ceiling_of(parse_scope("artifact:libs:r"))
    caller = replace(BOB, how="docker", access=(DockerAccess("libs/app", Action.READ),), ceiling=ceiling)
    assert caller.by_identity().access is None
    assert caller.by_identity().ceiling == ceiling
    assert caller.by_identity().how == "docker"
    assert BOB.by_identity() is BOB


def test_equal_callers_are_equal_keys() -> None:
    assert len({BOB, Caller("bob", 1, frozenset({"devs"})), replace(BOB, groups=frozenset())}) == 2
    assert ANONYMOUS.ceiling is UNLIMITED
