"""A bounded memory: what was put in last stays, the oldest goes when it is full."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping of at most `size` entries, kept in the order in which they were put in."""

    __slots__ = ("_entries", "_size", "get")

    def __init__(self, size: int) -> None:
        self._entries: dict[K, V] = {}
        self._size = size
        self.get = self._entries.get  # bound once: the hot path of every authenticated request

    def put(self, key: K, value: V) -> None:
        """Remember a value, as the newest."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
