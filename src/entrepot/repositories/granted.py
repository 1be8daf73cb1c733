"""What a handler receives: repositories in which its caller has been granted something, and the one question to ask more.

The key and path of a request are judged before anything is looked up, so whoever is refused learns the same whether or not
the thing exists. A virtual repository carries no rights of its own: each member is judged on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.access.decide import RepositoryFacts, Verdict, decide, decides_all
from entrepot.access.permissions import Rules
from entrepot.errors import Denied, EntrepotError, NotFound, Unauthenticated
from entrepot.metadata.eventlog import Where
from entrepot.repositories.repository import Repository

FROM_CACHE: Final = (("warning", '112 - "a remote repository answers from its cache only"'),)
"""Headers of what a remote repository gives while it does not ask its server (RFC 7234, 5.5.3: disconnected operation)."""

_SERVICE: Final = frozenset({Action.READ, Action.DEPLOY})
_VERBS: Final = {
    Action.READ: "read", Action.DEPLOY: "deploy to", Action.ANNOTATE: "annotate", Action.DELETE: "delete", Action.MANAGE: "manage",
}  # fmt: skip
_SHOWN: Final = 500  # characters of a key or path
_CALLERS: Final = 64  # of whom it is remembered where they may read


class BlackedOut(NotFound):
    """The repository '{key}' is blacked out and cannot serve artifact '{key}:{path}'."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The outcome of the access decision for one request."""

    caller: Caller
    rules: Rules
    key: str
    addressed: Repository | None  # None: there is no such repository, and the caller may know that
    physical: tuple[Repository, ...]  # those that were granted, in the order in which they are asked

    def may(self, action: Action, repository: Repository, path: str, *, folder: bool = False) -> bool:
        """Whether the caller may act on one path of a repository, by its rights and the repository's patterns."""
        allowed = self.allows(action, repository.facts, path, folder=folder)
        return allowed and repository.patterns.accepts(path, folder=folder, start=folder)

    def may_by_right(self, action: Action, repository: Repository, path: str, *, folder: bool = False) -> bool:
        """Whether the caller has the right, whatever patterns the repository has: to delete what they no longer let in."""
        return self.allows(action, repository.facts, path, folder=folder)

    def allows(self, action: Action, facts: RepositoryFacts, path: str, *, folder: bool = False) -> bool:
        """Whether the caller has the right in a repository, be it one that is not there; see `absent`."""
        return decide(self.caller, action, facts, path, rules=self.rules, folder=folder) is Verdict.ALLOWED

    @property
    def caches(self) -> str:
        """A sentence for whoever did not find something, which names the remote repositories that were asked; or empty."""
        keys = [one.key for one in self.physical if one.is_remote]
        return f" Only the cache of {', '.join(keys)} was asked, not its remote server." if keys else ""

    def throughout(self, action: Action, repository: Repository, folder: str) -> bool:
        """Whether the caller may act on everything below a folder, so that nothing below needs a look of its own."""
        everything = decides_all(self.caller, action, repository.facts, folder, self.rules)
        return everything is True and repository.patterns.everything


class Granter:
    """Judge requests that address a repository."""

    def __init__(
        self,
        find: Callable[[str], Repository | None],
        rules: Callable[[], Rules],
        by_id: Callable[[int], Repository | None],
        every: Callable[[], Iterable[Repository]],
    ) -> None:
        self._find = find
        self._rules = rules
        self._by_id = by_id
        self._every = every
        self._as_of: tuple[object, ...] = ()  # the rules and repositories that the lists of `serving` hold for
        self._serving: dict[Caller, list[int]] = {}

    def grant(self, caller: Caller, action: Action, key: str, path: str, *, folder: bool = False) -> Granted:
        """Return where the caller may act.

        Raises Unauthenticated, Denied, whether or not the repository exists, and BlackedOut to who may know of it.
        """
        rules = self._rules()
        addressed = self._find(key)
        judged = self._candidates(addressed, action)
        if not judged:
            facts = addressed.facts if addressed else absent(key)
            if (verdict := decide(caller, action, facts, path, rules=rules, folder=folder)) is not Verdict.ALLOWED:
                raise _refusal(verdict, caller, action, key, path)
            return Granted(caller, rules, key, addressed, ())
        verdicts = [decide(caller, action, one.facts, path, rules=rules, folder=folder) for one in judged]
        granted = tuple(one for one, verdict in zip(judged, verdicts, strict=True) if verdict is Verdict.ALLOWED)
        if not granted:
            raise _refusal(verdicts[0], caller, action, key, path)
        if action in _SERVICE and any(one.flag("blackedOut") for one in granted):
            granted = tuple(one for one in granted if not one.flag("blackedOut"))
            if not granted:
                raise BlackedOut(key=key, path=path)
        return Granted(caller, rules, key, addressed, granted)

    def serving(self, granted: Granted) -> list[int]:
        """Return the ids of the repositories in which the caller of a request may read anything.

        Clients ask for many files one after the other, and each of a thousand repositories costs 5 µs.
        """
        every = tuple(self._every())
        as_of = (granted.rules, every)
        if self._as_of != as_of or len(self._serving) >= _CALLERS:
            self._as_of, self._serving = as_of, {}
        found = self._serving.get(granted.caller)
        if found is None:
            found = self._serving[granted.caller] = [
                one.id
                for one in every
                if not one.is_virtual
                and not one.flag("blackedOut")
                and granted.may_by_right(Action.READ, one, "", folder=True)
            ]
        return found

    def reads(self, granted: Granted, repo_id: int, path: str) -> bool:
        """Whether the caller of a request may read a file that was found anywhere in the store."""
        repository = self._by_id(repo_id)
        if repository is None or repository.flag("blackedOut"):
            return False
        return granted.may(Action.READ, repository, path)

    def repository(self, repo_id: int) -> Repository | None:
        """Return a live repository by its id, for what was granted before."""
        return self._by_id(repo_id)

    def everywhere(self, caller: Caller) -> Granted:
        """Return a grant over no repository in particular, for lists that judge each row themselves."""
        return Granted(caller, self._rules(), "", None, ())

    def _candidates(self, addressed: Repository | None, action: Action) -> tuple[Repository, ...]:
        if addressed is None:
            return ()
        if not addressed.is_virtual:
            return (addressed,)
        keys = addressed.members
        if action is not Action.READ:
            keys = (addressed.deploy_target,) if addressed.deploy_target else ()
        return tuple(found for key in keys if (found := self._find(key)) is not None)


def where(granted: Granted, repository: Repository) -> Where:
    """Return what the event log says of a request's changes in a repository."""
    return Where(repository.id, repository.key, repository.package_type, granted.caller.name)


def absent(key: str) -> RepositoryFacts:
    """Return what a repository that is not there is judged by."""
    return RepositoryFacts(key, "local", "", reserved=False)


def not_permitted(caller: Caller, action: Action, key: str, path: str, detail: object = None) -> Denied:
    """Return the refusal that names the right that is missing.

    It says what was asked for and nothing more, so it tells nobody whether there is such a repository or path.
    """
    whose = " to the user, or to the scope of its token" if caller.ceiling.scopes else ""
    return Denied(
        "The user '{user}' is not permitted to {verb} '{key}:{path}': the right {right} is missing{whose}.",
        user=caller.name, verb=_VERBS.get(action, "do this to"), key=key[:_SHOWN], path=path[:_SHOWN], right=action.name,
        whose=whose, detail=detail,
    )  # fmt: skip


def _refusal(verdict: Verdict, caller: Caller, action: Action, key: str, path: str) -> EntrepotError:
    return Unauthenticated() if verdict is Verdict.LOGIN else not_permitted(caller, action, key, path)
