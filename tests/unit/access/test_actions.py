import pytest

from entrepot.access.actions import (
    ACCESS_WORDS,
    DOCKER_VERBS,
    EVERY_ACTION,
    LETTERS,
    NOTHING,
    SCOPE_LETTERS,
    WORDS,
    Action,
    mask,
)
from entrepot.errors import Invalid


def test_each_api_has_a_name_for_each_action() -> None:
    assert [action.value for action in Action] == [1, 2, 4, 8, 16, 32, 64]
    for table in (LETTERS, WORDS, ACCESS_WORDS):
        assert set(table.values()) == set(Action)
        assert mask(table, table) == EVERY_ACTION


@pytest.mark.parametrize(
    ("action", "names"),
    [
        (Action.READ, "r read READ r"), (Action.DEPLOY, "w write WRITE w"), (Action.ANNOTATE, "n annotate ANNOTATE a"),
        (Action.DELETE, "d delete DELETE d"), (Action.MANAGE, "m manage MANAGE m"),
        (Action.SCAN, "mxm managedXrayMeta SCAN s"), (Action.DISTRIBUTE, "x distribute EXECUTE x"),
    ],
)  # fmt: skip
def test_the_same_action_has_these_names(action: Action, names: str) -> None:
    found = [
        table[name] for table, name in zip((LETTERS, WORDS, ACCESS_WORDS, SCOPE_LETTERS), names.split(), strict=True)
    ]
    assert found == [action] * 4


def test_docker_has_verbs_of_its_own() -> None:
    assert mask(["pull", "push"], DOCKER_VERBS) == Action.READ | Action.DEPLOY
    assert mask(["*"], DOCKER_VERBS) == Action.READ | Action.DEPLOY | Action.DELETE
    assert mask(["*"], SCOPE_LETTERS) == EVERY_ACTION
    assert mask([], WORDS) is NOTHING


def test_an_unknown_name_is_named_but_not_at_length() -> None:
    with pytest.raises(Invalid, match="'READ'"):
        mask(["read", "READ"], WORDS)
    with pytest.raises(Invalid) as caught:
        mask(["z" * 100_000], WORDS)
    assert len(caught.value.message) < 200
