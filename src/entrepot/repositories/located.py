"""Repositories as far as projects are concerned."""

from __future__ import annotations

from collections.abc import Iterable

from entrepot.auth.projects import Located
from entrepot.repositories.repository import Repository


def located(repositories: Iterable[Repository]) -> list[Located]:
    """Return each with its project and environments."""
    return [
        Located(one.key, str(one.config.get("projectKey") or ""), tuple(map(str, one.config.get("environments") or ())))
        for one in repositories
        if not one.facts.reserved
    ]
