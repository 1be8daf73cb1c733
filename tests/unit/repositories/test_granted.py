"""Where the caller of a request may read anything: worked out once, as long as nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.access.decide import RepositoryFacts
from entrepot.access.patterns import PatternSet
from entrepot.access.permissions import Covered, PermissionTarget, Rules, Section
from entrepot.repositories import granted
from entrepot.repositories.granted import Granter
from entrepot.repositories.repository import Repository


def repository(number: int, **config: object) -> Repository:
    key = f"r{number}"
    return Repository(number, key, "local", "generic", config, PatternSet(), RepositoryFacts(key, "local", "generic"))


def reading(name: str, *keys: str) -> Rules:
    section = Section({key: Covered() for key in keys}, {name: Action.READ})
    return Rules([PermissionTarget("t", {"artifact": section})])


@dataclass
class World:
    """What a granter asks, and how often it has judged."""

    repositories: dict[str, Repository]
    rules: Rules
    judged: list[str] = field(default_factory=list)

    def serving(self, caller: Caller) -> tuple[int, ...]:
        granter = self.granter
        return tuple(granter.serving(granter.everywhere(caller)))

    def __post_init__(self) -> None:
        self.granter = Granter(self.repositories.get, lambda: self.rules, lambda _: None, self.repositories.values)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World({f"r{number}": repository(number) for number in range(5)}, reading("ann", "r1", "r2"))
    may = granted.Granted.may_by_right

    def noted(self: granted.Granted, action: Action, one: Repository, path: str, *, folder: bool = False) -> bool:
        world.judged.append(one.key)
        return may(self, action, one, path, folder=folder)

    monkeypatch.setattr(granted.Granted, "may_by_right", noted)
    return world


ANN, BEN = Caller("ann", 1), Caller("ben", 2)


def test_where_a_caller_may_read_is_judged_once(world: World) -> None:
    assert [world.serving(ANN) for _ in range(3)] == [(1, 2)] * 3
    assert [world.serving(BEN) for _ in range(3)] == [()] * 3
    assert len(world.judged) == 10


def test_where_a_caller_may_read_is_judged_anew_by_other_rules_and_of_other_repositories(world: World) -> None:
    assert world.serving(ANN) == (1, 2)
    world.rules = reading("ann", "r2", "r3")
    assert world.serving(ANN) == (2, 3)
    assert world.serving(replace(ANN, groups=frozenset({"g"}))) == (2, 3)
    world.repositories["r3"] = repository(3, blackedOut=True)
    assert world.serving(ANN) == (2,)
    world.repositories["r9"] = repository(9)
    world.rules = reading("ann", "r9")
    assert world.serving(ANN) == (9,)


def test_what_is_remembered_of_callers_has_a_bound(world: World) -> None:
    for number in range(1000):
        world.serving(Caller(f"c{number}", number))
    assert len(world.granter._serving) < 100
