"""The ports that stand for a repository each (`docker.ports`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from entrepot.repositories.fields import DOCKER
from entrepot.repositories.repository import Repository

if TYPE_CHECKING:
    from entrepot.settings import Settings


def idle_ports(settings: Settings, find: Callable[[str], Repository | None]) -> list[tuple[int, str]]:
    """Return the ports of `docker.ports` whose repository is not there, or is none of Docker's, with its key."""
    found = [(port, key, find(key)) for port, key in settings.docker_ports.items()]
    return [(port, key) for port, key, one in found if one is None or one.package_type not in DOCKER]
