"""No sequence of grants and revocations lets anything through that a dict and a slow matcher refuse, nor refuses more."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from entrepot.access.actions import Action
from entrepot.access.caller import ANONYMOUS, Caller
from entrepot.access.decide import Verdict, decide, decides_all
from entrepot.access.permissions import Covered, PermissionTarget, RepositoryFacts, Rules, Section
from entrepot.access.scopes import Ceiling, Scope, ScopeInvalid, parse_scope
from entrepot.errors import Invalid
from tests.unit.access import reference

REPOSITORIES = {
    "libs": RepositoryFacts("libs", "local"), "hub": RepositoryFacts("hub", "remote"), "fed": RepositoryFacts("fed", "federated"),
    "all": RepositoryFacts("all", "virtual"), "bin": RepositoryFacts("bin", "local", reserved=True),
    "infos": RepositoryFacts("infos", "local", "buildinfo"), "none": RepositoryFacts("none", "local"),
}  # fmt: skip
CLASSES = {
    "libs": {"libs", "ANY", "ANY LOCAL"}, "hub": {"hub", "hub-cache", "ANY", "ANY REMOTE"}, "fed": {"fed", "ANY", "ANY LOCAL"},
    "all": set(), "bin": set(), "infos": set(), "none": {"none", "ANY", "ANY LOCAL"},
}  # fmt: skip
USERS = {"ann": (1, frozenset({"devs"})), "bob": (2, frozenset({"devs", "ops"})), "eve": (3, frozenset[str]())}
ACTIONS = [Action.READ, Action.DEPLOY, Action.DELETE, Action.READ | Action.DELETE]

TOKEN = st.sampled_from(["a", "b", "**", "*", "a*"])
PATTERNS = st.lists(st.lists(TOKEN, min_size=1, max_size=3).map("/".join), max_size=2).map(tuple)
PATH = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map("/".join)
KEYS = st.sampled_from(
    ["libs", "hub", "hub-cache", "fed", "all", "bin", "infos", "none", "ANY", "ANY LOCAL", "ANY REMOTE"]
)
RIGHTS = st.sampled_from(ACTIONS)


@dataclass(frozen=True)
class Grant:
    key: str
    includes: tuple[str, ...]
    excludes: tuple[str, ...]
    name: str
    is_group: bool
    rights: Action


def held(grants: list[Grant], caller: Caller, key: str, path: str, *, folder: bool) -> Action:
    """What the model says: look at everything, every time."""
    found = Action(0)
    for one in grants:
        if one.key not in CLASSES[key]:
            continue
        if one.name in caller.groups if one.is_group else one.name == caller.name:
            if reference.accepts(one.includes, one.excludes, path):
                found |= one.rights
            elif folder and reference.accepts(one.includes, one.excludes, path, start=True):
                found |= one.rights & (Action.READ | Action.DEPLOY)
    return found


class GrantsAndRevocations(RuleBasedStateMachine):
    targets = Bundle("targets")

    @initialize()
    def start(self) -> None:
        self.grants: dict[str, list[Grant]] = {}
        self.stored: dict[str, PermissionTarget] = {}
        self.members = dict(USERS)
        self.anonymous = False
        self.rules = Rules()

    @rule(target=targets, name=st.sampled_from("tuvw"), key=KEYS, includes=PATTERNS, excludes=PATTERNS, rights=RIGHTS,
          users=st.sets(st.sampled_from([*USERS, "anonymous"])), groups=st.sets(st.sampled_from(["devs", "ops"])))  # fmt: skip
    def grant(self, name: str, key: str, includes: tuple[str, ...], excludes: tuple[str, ...], rights: Action,
              users: set[str], groups: set[str]) -> str:  # fmt: skip
        section = Section(
            {key: Covered(includes, excludes)}, dict.fromkeys(users, rights), dict.fromkeys(groups, rights)
        )
        self.stored[name] = PermissionTarget(name, {"artifact": section})
        self.grants[name] = [Grant(key, includes, excludes, one, False, rights) for one in users]
        self.grants[name] += [Grant(key, includes, excludes, one, True, rights) for one in groups]
        self.compile()
        return name

    @rule(name=targets)
    def revoke(self, name: str) -> None:
        self.stored.pop(name, None)
        self.grants.pop(name, None)
        self.compile()

    @rule(user=st.sampled_from(list(USERS)), group=st.sampled_from(["devs", "ops"]))
    def leave_or_join(self, user: str, group: str) -> None:
        number, groups = self.members[user]
        self.members[user] = (number, groups ^ {group})

    @rule()
    def let_anonymous_in_or_not(self) -> None:
        self.anonymous = not self.anonymous
        self.compile()

    def compile(self) -> None:
        self.rules = Rules(self.stored.values(), anonymous=self.anonymous)

    @rule(user=st.sampled_from([*USERS, "anonymous"]), key=st.sampled_from(list(REPOSITORIES)), path=PATH,
          action=RIGHTS, folder=st.booleans())  # fmt: skip
    def ask(self, user: str, key: str, path: str, action: Action, folder: bool) -> None:
        for _ in range(2):  # the second time from memory
            self.agrees(self.caller(user), key, path, action, folder=folder)

    @invariant()
    def a_few_questions_agree(self) -> None:
        for user in (*USERS, "anonymous"):
            for key in ("libs", "hub"):
                self.agrees(self.caller(user), key, "a/b", Action.READ, folder=False)

    def caller(self, user: str) -> Caller:
        if user == "anonymous":
            return ANONYMOUS
        number, groups = self.members[user]
        return Caller(user, number, groups)

    def agrees(self, caller: Caller, key: str, path: str, action: Action, *, folder: bool) -> None:
        repository = REPOSITORIES[key]
        found = held([one for some in self.grants.values() for one in some], caller, key, path, folder=folder)
        allowed = action in found and (self.anonymous or not caller.is_anonymous)
        verdict = decide(caller, action, repository, path, rules=self.rules, folder=folder)
        assert (verdict is Verdict.ALLOWED) is allowed
        assert verdict in (Verdict.ALLOWED, Verdict.LOGIN if caller.is_anonymous else Verdict.DENIED)
        above = decides_all(caller, action, repository, path.rpartition("/")[0], self.rules)
        assert above in ((True, None) if allowed else (False, None))
        if allowed and action == Action.READ:
            assert decides_all(caller, action, repository, "", self.rules) is not False


TestGrantsAndRevocations = GrantsAndRevocations.TestCase
TestGrantsAndRevocations.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)

SCOPES = st.lists(
    st.sampled_from([
        "applied-permissions/user", "member-of-groups:*", "member-of-groups:devs", "member-of-groups:ops", "api:*",
        "artifact:libs/a:r", "artifact:libs/*/b:r,w", "artifact:*:d", "artifact:hub-cache:*", "artifact:libs:r,d", "system:metrics:r",
    ]),
    min_size=1, max_size=3,
).map(" ".join)  # fmt: skip
GRANTS = st.lists(
    st.builds(Grant, KEYS, PATTERNS, PATTERNS, st.sampled_from(["bob", "devs", "ops"]), st.booleans(), RIGHTS),
    max_size=4,
)


def compiled(grants: list[Grant]) -> Rules:
    return Rules(
        PermissionTarget("t", {"artifact": Section(
            {one.key: Covered(one.includes, one.excludes)},
            {} if one.is_group else {one.name: one.rights}, {one.name: one.rights} if one.is_group else {},
        )})
        for one in grants
    )  # fmt: skip


def asked(scope: Scope, grants: list[Grant], caller: Caller, key: str, path: str, *, folder: bool) -> Action:
    """What the model leaves of a caller's rights within one scope: the union of its entries."""
    if scope.user:
        return Action(127)
    found = Action(0)
    groups = caller.groups if scope.all_groups else scope.groups & caller.groups
    found |= held(grants, Caller("", None, groups), key, path, folder=folder)
    for one in scope.artifacts:
        if one.repository in ("*", key, f"{key}-cache"):
            if one.patterns.accepts(path):
                found |= one.actions
            elif folder and one.patterns.accepts(path, folder=True, start=True):
                found |= one.actions & (Action.READ | Action.DEPLOY)
    return found


@settings(deadline=None)
@given(
    GRANTS,
    st.lists(SCOPES, max_size=2),
    st.sampled_from(["libs", "hub", "fed"]),
    PATH,
    RIGHTS,
    st.booleans(),
    st.booleans(),
)
def test_a_credential_leaves_what_the_user_may_and_each_of_its_scopes_says(
    grants: list[Grant], scopes: list[str], key: str, path: str, action: Action, folder: bool, admin: bool
) -> None:
    rules, repository = compiled(grants), REPOSITORIES[key]
    caller = Caller("bob", 2, frozenset({"devs"}), is_admin=admin)
    may = Action(127) if admin else held(grants, caller, key, path, folder=folder)
    left = may
    for scope in map(parse_scope, scopes):
        left &= asked(scope, grants, caller, key, path, folder=folder)
        caller = replace(caller, ceiling=Ceiling((*caller.ceiling.scopes, scope)))
    verdict = decide(caller, action, repository, path, rules=rules, folder=folder)
    refused = Verdict.OUT_OF_SCOPE if action in may else Verdict.DENIED
    assert verdict is (Verdict.ALLOWED if action in left else refused)
    below = decides_all(caller, action, repository, path, rules)
    if not folder or action in (Action.READ, Action.DEPLOY):
        assert below in ((True, None) if verdict is Verdict.ALLOWED else (False, None))


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(
    ["applied-permissions/", "groups:", "user", "artifact:", "libs", "/", "*", ":", '"', ",", "r", " ", "{", "}", "system:x:r"]
), max_size=12).map("".join)))  # fmt: skip
def test_any_text_is_a_scope_or_is_refused(text: str) -> None:
    try:
        scope = parse_scope(text)
    except (ScopeInvalid, Invalid):
        return
    assert scope.text == text
    assert parse_scope(scope.text) == scope
