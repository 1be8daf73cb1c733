"""Which fields of documents are secret, and how they are stored: sealed, so that only a node with the master key reads them.

A sealed text stays where it is when it comes back in a change: whoever reads the configuration and writes it again does
not need to know what is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

SEALED: Final = "{sealed}"
_ENDINGS: Final = ("password", "secret", "passphrase", "privatekey", "secretkey", "apikey", "tokenkey")


class Seals(Protocol):
    """What seals texts under a name, and opens them under the same."""

    def seal(self, name: str, text: str) -> str:
        """Return a text that begins with `SEALED`; one that was sealed under this name comes back as it is.

        Raises Invalid for one that was sealed otherwise.
        """
        ...

    def open(self, name: str, text: str) -> str:
        """Return what was sealed; a text that was not sealed comes back as it is. Raises SealBroken."""
        ...


class Plain:
    """Seals nothing, for tests of other things."""

    def seal(self, name: str, text: str) -> str:
        """See Seals."""
        del name
        return text

    def open(self, name: str, text: str) -> str:
        """See Seals."""
        del name
        return text


def sealed(section: str, key: str, body: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    """Return a document whose secrets are sealed."""
    return {name: _sealed(f"{section}/{key}/{name}", name, value, seals) for name, value in body.items()}


def opened(section: str, key: str, body: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    """Return a document whose secrets are open. Raises SealBroken."""
    return {name: _opened(f"{section}/{key}/{name}", value, seals) for name, value in body.items()}


def is_secret(field: str) -> bool:
    """Whether what a field holds is sealed when it is stored, and never shown; decided by how its name ends."""
    return field.replace("_", "").lower().endswith(_ENDINGS)


def _sealed(path: str, field: str, value: Any, seals: Seals) -> Any:
    if isinstance(value, str | int | float) and not isinstance(value, bool) and is_secret(field):
        return seals.seal(path, str(value)) if value != "" else value  # YAML reads a password of digits as a number
    if isinstance(value, Mapping):
        return {name: _sealed(f"{path}/{name}", name, inner, seals) for name, inner in value.items()}
    if isinstance(value, list):
        return [_sealed(f"{path}/{place}", field, inner, seals) for place, inner in enumerate(value)]
    return value


def _opened(path: str, value: Any, seals: Seals) -> Any:
    if isinstance(value, str):
        return seals.open(path, value) if value.startswith(SEALED) else value
    if isinstance(value, Mapping):
        return {name: _opened(f"{path}/{name}", inner, seals) for name, inner in value.items()}
    if isinstance(value, list):
        return [_opened(f"{path}/{place}", inner, seals) for place, inner in enumerate(value)]
    return value
