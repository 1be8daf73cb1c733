"""What rules grant, asked as tests like to ask."""

from __future__ import annotations

from collections.abc import Iterable

from entrepot.access.actions import Action
from entrepot.access.decide import RepositoryFacts
from entrepot.access.patterns import Place
from entrepot.access.permissions import Rules


def grants(rules: Rules, principals: Iterable[str], action: Action, repository: RepositoryFacts, path: str) -> bool:
    """Whether the targets grant an action on a path to principals, `u:<user>` and `g:<group>`."""
    names = list(principals)
    user = next((name[2:] for name in names if name.startswith("u:")), None)
    groups = frozenset(name[2:] for name in names if name.startswith("g:"))
    return rules.coverage(user, groups, repository).at(Place.of(path), int(action)) == int(action)
