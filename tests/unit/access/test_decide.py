from dataclasses import replace

import pytest

from entrepot.access.actions import EVERY_ACTION, NOTHING, Action
from entrepot.access.caller import ANONYMOUS, Caller, DockerAccess
from entrepot.access.decide import Verdict, decide, decides_all
from entrepot.access.permissions import Covered, PermissionTarget, RepositoryFacts, Rules, Section
from entrepot.access.scopes import Ceiling, parse_scope

READ, DEPLOY, DELETE = Action.READ, Action.DEPLOY, Action.DELETE
LIBS, HUB = RepositoryFacts("libs", "local", "docker"), RepositoryFacts("hub", "remote", "docker")
TRASH, VIRTUAL = RepositoryFacts("auto-trashcan", "local", reserved=True), RepositoryFacts("all", "virtual", "docker")
BUILDS, NONE = RepositoryFacts("artifactory-build-info", "local", "buildinfo"), RepositoryFacts("none", "local")

BOB = Caller("bob", 1, frozenset({"devs"}))
EVE = Caller("eve", 3)
ROOT = Caller("root", 2, is_admin=True)
OUT, OK, NO, LOGIN = Verdict.OUT_OF_SCOPE, Verdict.ALLOWED, Verdict.DENIED, Verdict.LOGIN


def grant(
    key: str,
    *,
    users: dict[str, Action] | None = None,
    groups: dict[str, Action] | None = None,
    includes: tuple[str, ...] = ("**",),
    excludes: tuple[str, ...] = (),
) -> PermissionTarget:
    return PermissionTarget("t", {"artifact": Section({key: Covered(includes, excludes)}, users or {}, groups or {})})


TARGETS = [
    grant("libs", users={"bob": READ | DELETE}, includes=("com/acme/**",), excludes=("com/acme/secret/**",)),
    grant("libs", groups={"devs": DEPLOY}, includes=("com/**",)),
    grant("ANY REMOTE", users={"anonymous": READ, "bob": READ}),
    grant("ANY", users={"auto": READ}),
]
RULES, CLOSED = Rules(TARGETS, anonymous=True), Rules(TARGETS)


def scoped(caller: Caller, *scopes: str) -> Caller:
    ceiling = Ceiling((*caller.ceiling.scopes, *map(parse_scope, scopes)))
    return replace(caller, ceiling=ceiling, how="jwt")


@pytest.mark.parametrize(
    ("caller", "action", "repository", "path", "verdict"),
    [
        (BOB, READ, LIBS, "com/acme/x", OK), (BOB, READ, LIBS, "com/other", NO), (BOB, READ, LIBS, "com/acme/secret/x", NO),
        (BOB, DEPLOY, LIBS, "com/other", OK), (BOB, DEPLOY | DELETE, LIBS, "com/acme/x", OK),
        (BOB, DEPLOY | DELETE, LIBS, "com/other", NO), (BOB, READ, LIBS, "", NO), (BOB, READ, NONE, "a", NO),
        (BOB, READ, HUB, "a", OK), (BOB, READ, VIRTUAL, "com/acme/x", NO), (BOB, READ, TRASH, "a", NO), (BOB, READ, BUILDS, "a", NO),
        (EVE, READ, LIBS, "com/acme/x", NO), (Caller("auto", 5), READ, NONE, "a", OK), (Caller("auto", 5), READ, TRASH, "a", NO),
        (replace(BOB, user_id=None), READ, LIBS, "com/acme/x", NO), (replace(BOB, user_id=None), DEPLOY, LIBS, "com/x", OK),
        (replace(BOB, own_rights=False), READ, LIBS, "com/acme/x", NO),
        (ROOT, EVERY_ACTION, LIBS, "any/thing", OK), (ROOT, DELETE, TRASH, "a", OK), (ROOT, READ, VIRTUAL, "", OK),
        (ROOT, DEPLOY, TRASH, "a", NO),
        (replace(ROOT, how="docker"), EVERY_ACTION, LIBS, "a", OK), (replace(ROOT, how="docker"), READ, TRASH, "a", NO),
        (ANONYMOUS, READ, HUB, "a", OK), (ANONYMOUS, DEPLOY, HUB, "a", LOGIN), (ANONYMOUS, READ, LIBS, "a", LOGIN),
        (ANONYMOUS, READ, NONE, "a", LOGIN), (ANONYMOUS, READ, TRASH, "a", LOGIN),
        (BOB, NOTHING, LIBS, "com/acme/x", NO), (ROOT, NOTHING, LIBS, "a", NO), (ROOT, Action(128), LIBS, "a", NO),
    ],
)  # fmt: skip
def test_the_verdict(caller: Caller, action: Action, repository: RepositoryFacts, path: str, verdict: Verdict) -> None:
    assert decide(caller, action, repository, path, rules=RULES) is verdict


@pytest.mark.parametrize(
    ("scopes", "user", "admin", "path"),
    [
        # what the scopes make of a deployment to com/acme/x by a user who may, by an administrator
        (["applied-permissions/user"], OK, OK, "com/acme/x"),
        (["applied-permissions/admin"], OK, OK, "com/acme/x"),
        (["member-of-groups:devs"], OK, OUT, "com/acme/x"),
        (["member-of-groups:DEVS"], OK, OUT, "com/acme/x"),
        (["member-of-groups:*"], OK, OUT, "com/acme/x"),
        (["member-of-groups:ops"], OUT, OUT, "com/acme/x"),
        (["applied-permissions/roles:p:Developer"], OUT, OUT, "com/acme/x"),
        (["api:*"], OUT, OUT, "com/acme/x"),
        (["system:metrics:r"], OUT, OUT, "com/acme/x"),
        (["artifact:libs:w"], OK, OK, "com/acme/x"),
        (["artifact:libs/com:r,w"], OK, OK, "com/acme/x"),
        (["artifact:libs:r"], OUT, OUT, "com/acme/x"),
        (["artifact:libs/com/acme/y:w"], OUT, OUT, "com/acme/x"),
        (["artifact:libs:w"], NO, OK, "org/x"),
        (["artifact:other:w"], NO, OUT, "org/x"),
        (["artifact:other:w member-of-groups:devs"], OK, OUT, "com/acme/x"),
        (["artifact:libs/com:r,w", "artifact:libs/com/acme:w"], OK, OK, "com/acme/x"),
        (["artifact:libs/com:r,w", "artifact:libs/com/acme:r"], OUT, OUT, "com/acme/x"),
        (["applied-permissions/user", "artifact:libs:r"], OUT, OUT, "com/acme/x"),
        (["member-of-groups:devs", "artifact:libs/com/acme:w"], OK, OUT, "com/acme/x"),
    ],
)
def test_a_ceiling_binds_everybody(scopes: list[str], user: Verdict, admin: Verdict, path: str) -> None:
    assert decide(scoped(BOB, *scopes), DEPLOY, LIBS, path, rules=RULES) is user
    assert decide(scoped(ROOT, *scopes), DEPLOY, LIBS, path, rules=RULES) is admin


def test_groups_of_a_scope_carry_no_more_than_the_groups_may() -> None:
    caller = scoped(BOB, "member-of-groups:devs")
    assert decide(caller, READ, LIBS, "com/acme/x", rules=RULES) is OUT
    assert decide(replace(caller, groups=frozenset()), DEPLOY, LIBS, "com/x", rules=RULES) is NO


def test_a_scope_for_artifacts_does_not_open_a_reserved_repository() -> None:
    assert decide(scoped(ROOT, "artifact:*:*"), READ, TRASH, "a", rules=RULES) is NO
    assert decide(scoped(ROOT, "applied-permissions/admin"), READ, TRASH, "a", rules=RULES) is OK


@pytest.mark.parametrize("key", ["hub", "hub-cache", "*"])
@pytest.mark.parametrize("facts", [HUB, replace(HUB, key="hub-cache")])
def test_a_scope_may_call_a_remote_repository_by_its_cache(key: str, facts: RepositoryFacts) -> None:
    assert decide(scoped(BOB, f"artifact:{key}:r"), READ, facts, "a", rules=RULES) is OK
    assert decide(scoped(BOB, "artifact:libs-cache:r"), READ, LIBS, "com/acme/x", rules=RULES) is OUT


def test_anonymous_callers_are_asked_to_log_in_whatever_refuses_them() -> None:
    assert decide(ANONYMOUS, READ, HUB, "a", rules=CLOSED) is LOGIN
    assert decide(scoped(ANONYMOUS, "artifact:libs:r"), READ, HUB, "a", rules=RULES) is LOGIN
    assert decide(BOB, READ, HUB, "a", rules=CLOSED) is OK


def test_what_is_refused_does_not_tell_whether_there_is_such_a_repository() -> None:
    for caller in (EVE, ANONYMOUS, scoped(EVE, "artifact:none:r")):
        assert decide(caller, READ, LIBS, "a", rules=RULES) is decide(caller, READ, NONE, "a", rules=RULES)


@pytest.mark.parametrize(
    ("path", "action", "folder", "verdict"),
    [
        ("com", READ, True, OK), ("com", READ, False, NO), ("", READ, True, OK), ("", DEPLOY, True, OK),
        ("com/acme", DELETE, True, OK),
        ("com", DELETE, True, NO), ("com", READ | DELETE, True, NO), ("org", READ, True, NO), ("com/acme/secret", READ, True, NO),
    ],
)  # fmt: skip
def test_a_folder_is_read_and_made_by_who_may_below_it(
    path: str, action: Action, folder: bool, verdict: Verdict
) -> None:
    assert decide(BOB, action, LIBS, path, rules=RULES, folder=folder) is verdict


@pytest.mark.parametrize(
    "path", ["/", "/com/acme/x", "//", "com//acme//x", "com/acme/x/", "..", "\x00", "\ud800", "a" * 10_000]
)
def test_any_path_gets_a_verdict(path: str) -> None:
    assert decide(BOB, READ, LIBS, path, rules=RULES) in (OK, NO)
    assert decide(BOB, READ, LIBS, path, rules=RULES, folder=True) in (OK, NO)
    assert decide(BOB, READ, LIBS, "/com/acme/x", rules=RULES) is NO
    assert decides_all(BOB, READ, LIBS, path, RULES) in (True, False, None)


@pytest.mark.parametrize(
    ("caller", "action", "repository", "folder", "all_of_it"),
    [
        (ROOT, EVERY_ACTION, LIBS, "", True), (ROOT, READ, TRASH, "", True), (replace(ROOT, how="docker"), READ, TRASH, "", False),
        (ANONYMOUS, READ, HUB, "", True), (ANONYMOUS, READ, LIBS, "", False),
        (BOB, READ, HUB, "any", True), (BOB, DEPLOY, HUB, "any", False), (BOB, READ | DEPLOY, HUB, "any", False),
        (BOB, DEPLOY, LIBS, "com", True), (BOB, DEPLOY, LIBS, "", None), (BOB, DEPLOY, LIBS, "org", False),
        (BOB, READ, LIBS, "com", None), (BOB, READ, LIBS, "com/acme", None), (BOB, READ, LIBS, "com/acme/secret", False),
        (BOB, READ | DEPLOY, LIBS, "com", None), (BOB, NOTHING, LIBS, "com", False), (EVE, READ, LIBS, "", False),
        (BOB, READ, TRASH, "", False), (BOB, READ, VIRTUAL, "", False),
        (scoped(ROOT, "applied-permissions/user"), READ, LIBS, "", True), (scoped(ROOT, "artifact:libs/a:r"), READ, LIBS, "a/b", True),
        (scoped(ROOT, "artifact:libs/a:r"), READ, LIBS, "", None), (scoped(ROOT, "artifact:libs/a:r"), READ, LIBS, "b", False),
        (scoped(ROOT, "artifact:libs/a:r"), DEPLOY, LIBS, "a", False), (scoped(ROOT, "api:*"), READ, LIBS, "", False),
        (scoped(BOB, "member-of-groups:devs"), DEPLOY, LIBS, "com", True),
        (scoped(BOB, "member-of-groups:devs"), READ, LIBS, "com", False),
        (scoped(ROOT, "artifact:libs/a:r artifact:libs/b:r"), READ, LIBS, "b", True),
        (scoped(ROOT, "artifact:libs/a:r", "artifact:libs/b:r"), READ, LIBS, "b", False),
    ],
)  # fmt: skip
def test_everything_below_a_folder_at_once(
    caller: Caller, action: Action, repository: RepositoryFacts, folder: str, all_of_it: bool | None
) -> None:
    assert decides_all(caller, action, repository, folder, RULES) is all_of_it


def test_anonymous_callers_get_nothing_at_once_where_they_are_not_let_in() -> None:
    assert decides_all(ANONYMOUS, READ, HUB, "", CLOSED) is False


def test_repositories_that_may_hold_something_readable() -> None:
    every = [LIBS, HUB, TRASH, VIRTUAL, BUILDS]

    def readable(caller: Caller, rules: Rules) -> set[str]:
        return {one.key for one in every if decides_all(caller, READ, one, "", rules) is not False}

    assert readable(BOB, RULES) == {"libs", "hub"}
    assert readable(EVE, RULES) == set()
    assert readable(ANONYMOUS, RULES) == {"hub"}
    assert readable(ANONYMOUS, CLOSED) == set()
    assert readable(ROOT, RULES) == {one.key for one in every}
    assert readable(scoped(ROOT, "artifact:libs/a:r"), RULES) == {"libs"}


def test_what_a_docker_token_was_bought_for_is_no_part_of_the_decision() -> None:
    caller = replace(BOB, how="docker", access=(DockerAccess("libs/com", Action.READ),))
    assert decide(caller, DEPLOY, LIBS, "com/x", rules=RULES) is OK
