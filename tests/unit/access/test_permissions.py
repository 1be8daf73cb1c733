import pytest

from entrepot.access import permissions
from entrepot.access.actions import Action
from entrepot.access.coverage import EVERYWHERE, NOWHERE, Coverage
from entrepot.access.patterns import PatternInvalid, PatternSet, Place
from entrepot.access.permissions import Covered, PermissionTarget, RepositoryFacts, Rules, Section
from entrepot.access.scopes import role_group
from tests.rights import grants

READ, DEPLOY, ANNOTATE, DELETE = Action.READ, Action.DEPLOY, Action.ANNOTATE, Action.DELETE
LOCAL = RepositoryFacts("libs", "local", "generic")
ALL = (1 << 7) - 1


def target(
    *keys: str,
    users: dict[str, Action] | None = None,
    groups: dict[str, Action] | None = None,
    kind: str = "artifact",
    includes: tuple[str, ...] = ("**",),
) -> PermissionTarget:
    section = Section(dict.fromkeys(keys, Covered(includes)), users or {}, groups or {})
    return PermissionTarget("t", {kind: section})


def held(rules: Rules, facts: RepositoryFacts, path: str = "a/b", *groups: str, folder: bool = False) -> int:
    return rules.coverage("bob", frozenset(groups), facts).at(Place.of(path), ALL, folder=folder)


@pytest.mark.parametrize(
    ("listed", "facts", "covered"),
    [
        ("libs", LOCAL, True), ("lib", LOCAL, False), ("LIBS", LOCAL, False),
        ("ANY", LOCAL, True), ("ANY LOCAL", LOCAL, True), ("ANY REMOTE", LOCAL, False), ("ANY DISTRIBUTION", LOCAL, False),
        ("ANY", RepositoryFacts("f", "federated"), True), ("ANY LOCAL", RepositoryFacts("f", "federated"), True),
        ("hub", RepositoryFacts("hub", "remote"), True), ("hub-cache", RepositoryFacts("hub", "remote"), True),
        ("hub", RepositoryFacts("hub-cache", "remote"), True), ("hub-cache", LOCAL, False),
        ("libs-cache", LOCAL, False), ("libs", RepositoryFacts("libs-cache", "local"), False),
        ("ANY", RepositoryFacts("hub", "remote"), True), ("ANY REMOTE", RepositoryFacts("hub", "remote"), True),
        ("ANY LOCAL", RepositoryFacts("hub", "remote"), False),
        ("ANY DISTRIBUTION", RepositoryFacts("d", "distribution"), True), ("ANY", RepositoryFacts("d", "distribution"), True),
        ("ANY", RepositoryFacts("v", "virtual"), False), ("v", RepositoryFacts("v", "virtual"), False),
        ("ANY", RepositoryFacts("unknown", "local"), True), ("ANY LOCAL", RepositoryFacts("unknown", "local"), True),
        ("libs", RepositoryFacts("unknown", "local"), False), ("ANY", RepositoryFacts("x", "of no class"), False),
    ],
)  # fmt: skip
def test_a_target_covers_repositories_by_key_and_by_class(listed: str, facts: RepositoryFacts, covered: bool) -> None:
    rules = Rules([target(listed, users={"bob": READ})])
    assert bool(held(rules, facts)) is covered


@pytest.mark.parametrize(
    ("package_type", "kind"), [("buildinfo", "build"), ("BuildInfo", "build"), ("releaseBundles", "release_bundle")]
)
def test_builds_and_release_bundles_have_sections_of_their_own(package_type: str, kind: str) -> None:
    facts = RepositoryFacts("builds", "local", package_type)
    assert not held(Rules([target("ANY", "ANY LOCAL", "builds", users={"bob": READ})]), facts)
    assert held(Rules([target("builds", users={"bob": READ}, kind=kind)]), facts)
    assert held(Rules([target("ANY", users={"bob": READ}, kind=kind)]), facts)
    assert not held(Rules([target("ANY", "libs", users={"bob": READ}, kind=kind)]), LOCAL)


def test_rights_of_name_and_groups_and_targets_add_up() -> None:
    rules = Rules([
        target("libs", users={"bob": READ}, groups={"devs": DEPLOY, "ops": DELETE}),
        target("ANY", groups={"devs": ANNOTATE}, includes=("a/**",)),
        target("libs", users={"ann": Action.MANAGE}),
    ])  # fmt: skip
    assert held(rules, LOCAL) == READ
    assert held(rules, LOCAL, "a/b", "devs") == READ | DEPLOY | ANNOTATE
    assert held(rules, LOCAL, "b/b", "devs", "ops", "none") == READ | DEPLOY | DELETE
    assert rules.coverage(None, frozenset({"ops"}), LOCAL).at(Place.of("a"), ALL) == DELETE
    assert rules.coverage(None, frozenset({"bob"}), LOCAL) is not rules.coverage("bob", frozenset(), LOCAL)


def test_a_name_of_a_group_is_not_a_name_of_a_user() -> None:
    rules = Rules([target("libs", users={"devs": READ}), target("libs", groups={"bob": DEPLOY})])
    assert held(rules, LOCAL, "a", "devs") == 0
    assert grants(rules, {"u:devs"}, READ, LOCAL, "a")
    assert grants(rules, {"g:bob", "g:x"}, DEPLOY, LOCAL, "a")
    assert not grants(rules, {"u:bob", "g:devs"}, READ, LOCAL, "a")


def test_who_may_do_what_at_a_path_is_told_without_those_who_may_nothing_and_without_roles() -> None:
    rules = Rules([
        target("libs", users={"bob": READ, "ann": READ}, groups={"devs": DEPLOY, role_group("p", "r"): READ}),
        target("ANY", users={"bob": DEPLOY}, groups={"ops": DELETE}, includes=("b/**",)),
    ])  # fmt: skip
    found = rules.principals(LOCAL, "a/b")
    assert (found.users, found.groups) == ({"ann": READ, "bob": READ}, {"devs": DEPLOY})


def test_several_actions_may_come_from_several_targets_and_all_are_needed() -> None:
    rules = Rules([target("libs", users={"bob": READ}), target("libs", users={"bob": DEPLOY}, includes=("a/*",))])
    assert grants(rules, {"u:bob"}, READ | DEPLOY, LOCAL, "a/b")
    assert not grants(rules, {"u:bob"}, READ | DEPLOY, LOCAL, "b")
    assert not grants(rules, {"u:bob"}, READ | DELETE, LOCAL, "a/b")


def test_no_targets_grant_nothing() -> None:
    assert Rules().coverage("bob", frozenset({"devs"}), LOCAL) is NOWHERE
    assert held(Rules([target("libs")]), LOCAL) == 0
    assert not Rules().anonymous


def test_a_hostile_pattern_is_refused_when_the_rules_are_made() -> None:
    with pytest.raises(PatternInvalid):
        Rules([target("libs", users={"bob": READ}, includes=("a" * 2000,))])


def test_callers_with_the_same_grants_share_one_index() -> None:
    rules = Rules([target("libs", groups={"devs": READ}, includes=("a/**",))])
    first = rules.coverage("bob", frozenset({"devs"}), LOCAL)
    assert rules.coverage("bob", frozenset({"devs"}), LOCAL) is first
    assert rules.coverage("ann", frozenset({"devs", "others"}), LOCAL) is first


def test_asking_for_random_keys_fills_no_memory() -> None:
    rules = Rules([target("libs", "ANY LOCAL", users={"bob": READ})])
    for number in range(100):
        assert held(rules, RepositoryFacts(f"none-{number}", "local")) == READ
    assert len(rules._held) == 1


@pytest.mark.parametrize("limit", ["_MOST_HELD", "_MOST_PATTERNS"])
def test_what_is_remembered_is_bounded_and_forgetting_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(permissions, limit, 10)
    rules = Rules([target("libs", users={f"u{n}": READ}, includes=(f"{n}/*", f"{n}/x/**")) for n in range(50)])
    for round_ in range(2):
        for n in range(50):
            coverage = rules.coverage(f"u{n}", frozenset(), LOCAL)
            assert coverage.at(Place.of(f"{n}/a"), READ) == READ, round_
            assert coverage.at(Place.of(f"{n + 1}/a"), READ) == 0
            assert len(rules._held) <= 10
            assert len(rules._shared) <= 10


def cover(*rows: tuple[str, str, Action]) -> Coverage:
    return Coverage((PatternSet.of(includes, excludes), int(actions)) for includes, excludes, actions in rows)


@pytest.mark.parametrize(
    ("path", "folder", "actions"),
    [
        ("com/acme/x", False, READ | DEPLOY | DELETE), ("com", False, 0), ("com", True, READ | DEPLOY), ("", True, READ | DEPLOY),
        ("", False, 0), ("org", True, 0), ("com/acme", True, READ | DEPLOY | DELETE), ("com/ac", True, 0), ("/com/acme/x", False, 0),
    ],
)  # fmt: skip
def test_only_reading_and_deploying_are_allowed_on_the_way(path: str, folder: bool, actions: int) -> None:
    coverage = cover(("com/acme/**", "", READ | DEPLOY | DELETE))
    assert coverage.at(Place.of(path), ALL, folder=folder) == actions


@pytest.mark.parametrize(
    ("path", "folder", "actions"),
    [
        ("x/lib-1.jar", False, READ), ("x/lib-1.jar", True, READ | DEPLOY), ("x", True, READ | DEPLOY),
        ("a/1/y.pom", False, DEPLOY), ("a/1", True, READ | DEPLOY), ("a/1", False, 0), ("a", True, READ | DEPLOY),
        ("top", False, DELETE), ("top", True, DELETE | READ | DEPLOY), ("q/secret/lib.jar", False, 0),
    ],
)  # fmt: skip
def test_patterns_without_a_literal_folder_are_found(path: str, folder: bool, actions: int) -> None:
    coverage = cover(("**/lib*.jar", "**/secret/**", READ), ("*/*/y.pom,no/*/y.pom", "", DEPLOY), ("t?p", "", DELETE))
    assert coverage.at(Place.of(path), ALL, folder=folder) == actions


def test_only_what_is_needed_is_answered() -> None:
    coverage = cover(("a/**", "", READ | DEPLOY), ("a/*", "", DELETE), ("**", "", ANNOTATE))
    assert coverage.at(Place.of("a/b"), READ) == READ
    assert coverage.at(Place.of("a/b"), ANNOTATE) == ANNOTATE
    assert coverage.at(Place.of("a/b"), READ | DELETE) == READ | DELETE
    assert coverage.at(Place.of("a/b"), 0) == 0
    assert coverage.at(Place.of("a/b"), DELETE | DEPLOY, folder=True) == DELETE | DEPLOY


@pytest.mark.parametrize(
    ("rows", "folder", "sure", "possible"),
    [
        ([("**", "", READ)], "any", READ, READ),
        ([("", "", READ), ("a/**", "", DEPLOY)], "a/b", READ | DEPLOY, READ | DEPLOY),
        ([("a/**", "", DEPLOY)], "a", DEPLOY, DEPLOY),
        ([("a/**", "", DEPLOY)], "", 0, DEPLOY),
        ([("a/b/**", "", DEPLOY)], "a", 0, DEPLOY),
        ([("a/b/**", "", DEPLOY)], "ab", 0, 0),
        ([("a/**", "", DEPLOY)], "b", 0, 0),
        ([("a/*.jar", "", READ)], "a", 0, READ),
        ([("a/*.jar", "", READ)], "a/b/c", 0, 0),
        ([("a/b", "", READ)], "a/b", 0, READ),
        ([("**/x", "", READ)], "a/b", 0, READ),
        ([("**/*", "", READ)], "a/b", READ, READ),
        ([("**", "*.key", READ)], "a/b", 0, READ),
        ([("**", "a/**", READ)], "a/b", 0, 0),
        ([("a/**", "a/b", READ)], "a/b", 0, READ),
        ([("a/b/c/**", "a/b/**", READ)], "a/b", 0, 0),
        ([("a/*/c", "a/**", READ)], "a", 0, 0),
        ([("a/**", "", READ), ("a/b/**", "a/b/x/**", DEPLOY)], "a/b", READ, READ | DEPLOY),
        ([("/a/**", "", READ)], "a", 0, 0),
    ],
)  # fmt: skip
def test_what_is_allowed_below_a_folder(
    rows: list[tuple[str, str, Action]], folder: str, sure: int, possible: int
) -> None:
    assert cover(*rows).below(folder) == (sure, possible)


def test_everywhere_and_nowhere() -> None:
    for path in ("", "a/b", "/a"):
        assert EVERYWHERE.at(Place.of(path), ALL) == ALL
        assert NOWHERE.at(Place.of(path), ALL, folder=True) == 0
    assert EVERYWHERE.below("a") == (ALL, ALL)
    assert NOWHERE.below("a") == (0, 0)
