import pytest

from entrepot.access.actions import EVERY_ACTION, Action
from entrepot.access.caller import Caller
from entrepot.access.decide import Verdict, decide
from entrepot.access.patterns import PatternSet
from entrepot.access.permissions import RepositoryFacts, Rules
from entrepot.access.scopes import (
    MAX_SCOPE,
    UNLIMITED,
    Ceiling,
    Scope,
    ScopeInvalid,
    ceiling_of,
    named,
    parse_scope,
    without,
)
from entrepot.errors import Invalid

READ, DEPLOY = Action.READ, Action.DEPLOY


def limit(text: str) -> Ceiling:
    return ceiling_of(parse_scope(text))


def allows(ceiling: Ceiling, action: Action, path: str, *, folder: bool = False) -> bool:
    """What it leaves of one who may everything in `libs`."""
    caller = Caller("root", 1, is_admin=True, ceiling=ceiling)
    return (
        decide(caller, action, RepositoryFacts("libs", "local"), path, rules=Rules(), folder=folder) is Verdict.ALLOWED
    )


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("applied-permissions/user", Scope("", user=True)),
        ("applied-permissions/admin", Scope("", admin=True)),
        ("jfrt@*:admin", Scope("", admin=True)),
        ("jfac@01abc:admin", Scope("", admin=True)),
        ("member-of-groups:*", Scope("", all_groups=True)),
        ("member-of-groups:Readers,devs", Scope("", groups=frozenset({"readers", "devs"}))),
        ('applied-permissions/groups:"a b","c,d"', Scope("", groups=frozenset({"a b", "c,d"}))),
        ('applied-permissions/groups:g1,"g 2" member-of-groups:g3', Scope("", groups=frozenset({"g1", "g 2", "g3"}))),
        ('applied-permissions/roles:p1:"Developer",Viewer', Scope("", roles=(("p1", "Developer"), ("p1", "Viewer")))),
        ("api:*", Scope("")),
        ("system:metrics:r", Scope("", system=frozenset({"system:metrics:r"}))),
        ("system:info/storage:r", Scope("", system=frozenset({"system:info/storage:r"}))),
        ("system:identities:r,w", Scope("", system=frozenset({"system:identities:r", "system:identities:w"}))),
        ("system:identities:crud", Scope("", system=frozenset(f"system:identities:{one}" for one in "crud"))),
        ("system:livelogs:*", Scope("", system=frozenset({"system:livelogs:*"}))),
        ("  applied-permissions/user\n api:*  ", Scope("", user=True)),
    ],
)  # fmt: skip
def test_a_scope_is_read(text: str, scope: Scope) -> None:
    found = parse_scope(text)
    assert found.text == text
    assert (found.user, found.admin, found.groups, found.all_groups, found.roles, found.system) == (
        scope.user, scope.admin, scope.groups, scope.all_groups, scope.roles, scope.system,
    )  # fmt: skip
    assert found.artifacts == ()


@pytest.mark.parametrize(
    ("text", "repository", "includes", "actions"),
    [
        ("artifact:libs:r", "libs", (), READ),
        ("artifact:libs/:r", "libs", (), READ),
        ("artifact:*:*", "*", (), EVERY_ACTION),
        ("artifact:libs/a/b:r,w", "libs", ("a/b", "a/b/**"), READ | DEPLOY),
        ("artifact:libs/a/b/:d", "libs", ("a/b", "a/b/**"), Action.DELETE),
        ("artifact:libs/a/*.jar:a", "libs", ("a/*.jar",), Action.ANNOTATE),
        ("artifact:libs/**:m,s,x", "libs", ("**",), Action.MANAGE | Action.SCAN | Action.DISTRIBUTE),
        ("artifact:docker/app/sha256:0a1b:r", "docker", ("app/sha256:0a1b", "app/sha256:0a1b/**"), READ),
    ],
)
def test_a_scope_for_artifacts_is_read(text: str, repository: str, includes: tuple[str, ...], actions: Action) -> None:
    (one,) = parse_scope(text).artifacts
    assert (one.repository, one.patterns, one.actions) == (repository, PatternSet(includes), actions)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "nonsense", "applied-permissions", "applied-permissions/", "applied-permissions/users", "*", "admin",
        "applied-permissions/groups:", "member-of-groups:a,,b", "member-of-groups:,", 'member-of-groups:""', "member-of-groups:a,*",
        'member-of-groups:"*"', 'member-of-groups:"a', 'member-of-groups:a"b"', "applied-permissions/roles:p",
        "jfrt@:admin", "jfrt@x:administrator", "artifact:libs", "artifact::r", "artifact:libs/a:", "artifact:libs/a,b:r",
        "artifact:a,b:r", "artifact:libs:r,", "system:metrics", "system:metrics:R", 'applied-permissions/user "',
        "applied-permissions/user extra", "artifact:libs:n",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_scope(text)


def test_a_scope_has_a_greatest_length_and_its_error_does_not_repeat_it() -> None:
    assert parse_scope("api:*" + " " * (MAX_SCOPE - 5))
    with pytest.raises(ScopeInvalid, match=str(MAX_SCOPE)):
        parse_scope("api:*" + " " * (MAX_SCOPE - 4))
    with pytest.raises(ScopeInvalid) as caught:
        parse_scope("z\u202e" * 200)
    assert len(caught.value.message) < 800
    assert caught.value.message.isascii()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("applied-permissions/user", True), ("applied-permissions/admin", True), ("api:* applied-permissions/user", True),
        ("member-of-groups:*", False), ("api:*", False), ("artifact:*:*", False), ("system:metrics:r", False),
        ("applied-permissions/roles:p:r", False),
    ],
)  # fmt: skip
def test_a_ceiling_leaves_an_administrator_the_rights_of_one_only_when_whole(text: str, whole: bool) -> None:
    assert limit(text).admin is whole


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("applied-permissions/user", "rw"), ("member-of-groups:devs", ""), ("api:*", ""),
        ("artifact:libs/a:r", "r"), ("artifact:libs/a/b:r", "r"), ("artifact:libs/a/b/c:r", ""), ("artifact:libs/b:r", ""),
        ("artifact:*/a/**:w", "w"), ("artifact:other:r", ""), ("artifact:libs:r artifact:libs/a:w", "rw"),
        ("artifact:libs:r artifact:libs/b:w", "r"), ("system:metrics:r", ""), ("applied-permissions/roles:p:r", ""),
    ],
)  # fmt: skip
def test_entries_of_a_scope_add_up(text: str, allowed: str) -> None:
    ceiling = limit(text)
    actions = {"r": READ, "w": DEPLOY}
    assert "".join(letter for letter, one in actions.items() if allows(ceiling, one, "a/b")) == allowed
    assert allows(ceiling, READ | DEPLOY, "a/b") is (allowed == "rw")


def test_a_folder_on_the_way_stays_below_a_ceiling() -> None:
    ceiling = limit("artifact:libs/a/b:r,d")
    assert allows(ceiling, READ, "a", folder=True)
    assert allows(ceiling, READ, "", folder=True)
    assert not allows(ceiling, READ, "a")
    assert not allows(ceiling, Action.DELETE, "a", folder=True)
    assert not allows(ceiling, READ, "b", folder=True)


def test_ceilings_laid_upon_each_other_leave_what_both_leave() -> None:
    both = Ceiling((parse_scope("artifact:libs/a:r,w applied-permissions/user"), parse_scope("artifact:libs/a/b:r")))
    assert allows(both, READ, "a/b")
    assert not allows(both, DEPLOY, "a/b")
    assert not allows(both, READ, "a/c")
    assert not both.admin
    assert UNLIMITED.admin
    assert allows(UNLIMITED, EVERY_ACTION, "thing")


@pytest.mark.parametrize(
    ("texts", "open_"),
    [
        (["system:metrics:r"], True), (["applied-permissions/user system:metrics:r"], True), (["system:metrics:r", "api:*"], False),
        (["system:livelogs:r"], False), (["applied-permissions/admin"], False), ([], False),
    ],
)  # fmt: skip
def test_a_door_of_the_system_is_open_to_tokens_all_of_whose_scopes_name_it(texts: list[str], open_: bool) -> None:
    assert Ceiling(tuple(map(parse_scope, texts))).opens("system:metrics:r") is open_


def test_equal_scopes_are_equal_and_can_be_keys() -> None:
    assert len({limit("artifact:libs/a:r"), limit("artifact:libs/a:r"), limit("artifact:libs/a:w")}) == 2


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("applied-permissions/groups:Old,b", "applied-permissions/groups:b"),
        ('api:* member-of-groups:"old","b c" artifact:libs:r', 'api:* member-of-groups:"b c" artifact:libs:r'),
        ("applied-permissions/groups:a,older", "applied-permissions/groups:a,older"),
        ("member-of-groups:old member-of-groups:*", "member-of-groups:*"),
        ("applied-permissions/user member-of-groups:old", "applied-permissions/user"),
        ("applied-permissions/roles:app:old,b", "applied-permissions/roles:app:old,b"),
        ("applied-permissions/roles:App:gone,b member-of-groups:old", "applied-permissions/roles:App:b"),
        ("applied-permissions/roles:app:Gone member-of-groups:gone", "member-of-groups:gone"),
        ("artifact:groups:r", "artifact:groups:r"),
        ("member-of-groups:old", ""),
        ("api:* member-of-groups:old", ""),
        ("member-of-groups:old artifact:libs:r", ""),
        ("applied-permissions/roles:app:gone system:metrics:r", ""),
    ],
)
def test_a_scope_without_what_is_gone_is_narrower_or_nothing(text: str, left: str) -> None:
    assert without(text, lambda project, name: (project, name) in {("", "old"), ("app", "gone")}) == left


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('api:* member-of-groups:Old,"b c" artifact:libs:r', {("", "old"), ("", "b c")}),
        (
            "applied-permissions/groups:a applied-permissions/roles:App:Dev,Ops",
            {("", "a"), ("app", "dev"), ("app", "ops")},
        ),
        ("applied-permissions/user member-of-groups:*", set()),
        ("artifact:groups:r", set()),
    ],
)
def test_what_a_scope_names_is_what_it_can_be_without(text: str, names: set[tuple[str, str]]) -> None:
    asked: set[tuple[str, str]] = set()
    without(text, lambda *one: bool(asked.add(one)))
    assert named(text) == names == asked - {("", "*")}
