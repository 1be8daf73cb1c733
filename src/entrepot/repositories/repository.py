"""A repository as requests meet it: what its configuration row means, compiled once per change of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from entrepot.access.decide import RepositoryFacts
from entrepot.access.patterns import PatternSet
from entrepot.repositories.fields import project_of


@dataclass(frozen=True, slots=True)
class Repository:
    """One live repository. `config` is the whole configuration as clients set it (`fields.py`)."""

    id: int
    key: str
    rclass: str
    package_type: str
    config: Mapping[str, Any]
    patterns: PatternSet
    facts: RepositoryFacts
    members: tuple[str, ...] = ()  # of a virtual: the keys of physical repositories in order, virtuals within unfolded
    deploy_target: str | None = None  # of a virtual: where what is pushed to it goes

    @property
    def project(self) -> str:
        """The key of the project that it belongs to; empty: none."""
        return project_of(self.config)

    @property
    def is_virtual(self) -> bool:
        """Whether it only stands for others."""
        return self.rclass == "virtual"

    @property
    def is_remote(self) -> bool:
        """Whether what it holds is a cache of another server."""
        return self.rclass == "remote"

    @property
    def is_local(self) -> bool:
        """Whether clients may write to it."""
        return self.rclass in {"local", "federated"}

    def flag(self, field: str) -> bool:
        """Return a boolean field."""
        return bool(self.config.get(field))

    def number(self, field: str) -> int:
        """Return a whole-number field; 0 when it is not set."""
        value = self.config.get(field)
        return value if isinstance(value, int) else 0
