"""Repositories as far as projects are concerned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from entrepot.auth.project_targets import Located
from entrepot.auth.projects import Shared
from entrepot.repositories.repository import Repository

SHARED: Final = "sharedWithAllProjects"
"""A field of a repository's configuration that only the API of projects shows and sets: `{"readOnly": false}`."""


def located(repositories: Iterable[Repository]) -> list[Located]:
    """Return each with its project and environments."""
    return [
        Located(
            one.key,
            one.project,
            tuple(map(str, one.config.get("environments") or ())),
            shared_with_all(one),
        )
        for one in repositories
        if not one.facts.reserved
    ]


def shared_with_all(repository: Repository) -> Shared | None:
    """Return how a repository is shared with all projects."""
    stated = repository.config.get(SHARED)
    return None if stated is None else Shared(read_only=bool(stated.get("readOnly")))
