import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import CATALOG, Caller
from entrepot.access.decide import RepositoryFacts, Verdict, decide
from entrepot.access.permissions import Covered, PermissionTarget, Rules, Section
from entrepot.access.scopes import parse_scope
from entrepot.auth.accounts import Account, Profile
from entrepot.auth.jwt import Entry
from entrepot.auth.standing import anonymous_docker, bound_to, by_password, by_token

LIBS = RepositoryFacts("libs", "local")
RULES = Rules(
    [
        PermissionTarget("own", {"artifact": Section({"libs": Covered()}, {"bob": Action.READ}, {})}),
        PermissionTarget("devs", {"artifact": Section({"libs": Covered()}, {}, {"devs": Action.DEPLOY})}),
        PermissionTarget("ops", {"artifact": Section({"libs": Covered()}, {}, {"ops": Action.DELETE})}),
    ],
    anonymous=True,
)


def account(*, admin: bool = False, groups: tuple[str, ...] = ("devs",)) -> Account:
    return Account(7, "u", "bob", "", "h", "internal", admin, False, 1, Profile(), None, groups, False)


def made(scope: str, owner: Account | None) -> Caller:
    return by_token(owner, "bob", parse_scope(scope), token_id="t", how="jwt")


def allowed(caller: Caller, path: str = "a/b") -> str:
    actions = {"r": Action.READ, "w": Action.DEPLOY, "d": Action.DELETE}
    return "".join(
        letter for letter, action in actions.items()
        if decide(caller, action, LIBS, path, rules=RULES) is Verdict.ALLOWED
    )  # fmt: skip


def test_a_password_gives_all_that_the_user_may() -> None:
    caller = by_password(account())
    assert (caller.name, caller.user_id, caller.groups) == ("bob", 7, frozenset({"devs"}))
    assert allowed(caller) == "rw"
    assert not caller.may_administer
    assert by_password(account(admin=True)).may_administer


@pytest.mark.parametrize(
    ("scope", "user", "admin", "transient"),
    [
        # what a token of this scope may do: of a user, of an administrator, of a subject that is no user
        ("applied-permissions/user", "rw", "rwd", ""),
        ("applied-permissions/admin", "rw", "rwd", "rwd"),
        ("applied-permissions/groups:devs", "w", "w", "w"),
        ('applied-permissions/groups:"Devs","ops"', "w", "wd", "wd"),
        ("member-of-groups:ops", "", "d", "d"),
        ("api:* member-of-groups:*", "w", "w", ""),
        ("applied-permissions/roles:p:Developer", "", "", ""),
        ("api:*", "", "", ""),
        ("system:metrics:r", "", "", ""),
        ("artifact:libs/**:r", "r", "r", "r"),
        ("artifact:libs/**:w,d", "w", "wd", "wd"),
        ("artifact:libs/x/**:r", "", "", ""),
        ("artifact:other/**:*", "", "", ""),
        ("artifact:libs/**:r applied-permissions/groups:devs", "w", "w", "w"),
    ],
)
def test_a_token_never_exceeds_its_owner_nor_its_scope(scope: str, user: str, admin: str, transient: str) -> None:
    assert allowed(made(scope, account())) == user
    assert allowed(made(scope, account(admin=True))) == admin
    assert allowed(made(scope, None)) == transient


@pytest.mark.parametrize(
    ("scope", "user", "admin", "transient"),
    [
        ("applied-permissions/user", False, True, False),
        ("applied-permissions/admin", False, True, True),
        ("jfrt@*:admin", False, True, True),
        ("applied-permissions/groups:devs", False, False, False),
        ("artifact:libs/**:*", False, False, False),
        ("artifact:*:*", False, False, False),
        ("system:metrics:r", False, False, False),
        ("api:*", False, False, False),
    ],
)
def test_only_an_administrator_s_wide_token_administers(scope: str, user: bool, admin: bool, transient: bool) -> None:
    assert made(scope, account()).may_administer is user
    assert made(scope, account(admin=True)).may_administer is admin
    assert made(scope, None).may_administer is transient


def test_a_docker_token_is_bound_to_what_it_was_bought_for() -> None:
    entries = [
        Entry("repository", "libs/app", ["pull", "push", "nonsense"]),
        Entry("repository", "libs/none", []),
        Entry("registry", "catalog", ["*"]),
    ]
    caller = bound_to(made("applied-permissions/user", account(admin=True)), entries)
    assert caller.how == "docker"
    assert caller.is_bound_to("libs/app", Action.READ | Action.DEPLOY)
    assert not caller.is_bound_to("libs/app", Action.DELETE)
    assert not caller.is_bound_to("libs/none", Action.READ)
    assert not caller.is_bound_to("libs/catalog", Action.READ)
    assert not caller.may_administer


def test_a_docker_token_bought_for_nothing_is_for_nothing_and_the_catalog_is_bought_by_its_star() -> None:
    bob = made("applied-permissions/user", account())
    assert not bound_to(bob, []).is_bound_to("libs/app", Action.READ)
    for actions, listed in ((["*"], True), (["pull"], False)):
        assert bound_to(bob, [Entry("registry", "catalog", actions)]).is_bound_to(CATALOG, Action.READ) is listed


def test_an_anonymous_docker_token_is_anonymous() -> None:
    caller = bound_to(anonymous_docker(), [Entry("repository", "libs/app", ["pull"])])
    assert caller.is_anonymous
    assert decide(caller, Action.READ, LIBS, "a", rules=RULES) is Verdict.LOGIN
