"""What a caller may do with an item, and how each API writes it.

Action       v1 letter   v2 word            Access word
READ         r           read               READ
DEPLOY       w           write              WRITE
ANNOTATE     n           annotate           ANNOTATE
DELETE       d           delete             DELETE        (overwriting needs it too)
MANAGE       m           manage             MANAGE
SCAN         mxm         managedXrayMeta    SCAN
DISTRIBUTE   x           distribute         EXECUTE

Scopes of tokens use the initials of the Access words, x for EXECUTE; Docker has verbs of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from entrepot.errors import Invalid


class Action(enum.IntFlag):
    """One thing, or a set of things, that may be done."""

    READ = 1
    DEPLOY = 2
    ANNOTATE = 4
    DELETE = 8
    MANAGE = 16
    SCAN = 32
    DISTRIBUTE = 64


NOTHING = Action(0)
EVERY_ACTION = Action(127)

LETTERS: Mapping[str, Action] = MappingProxyType({
    "r": Action.READ, "w": Action.DEPLOY, "n": Action.ANNOTATE, "d": Action.DELETE, "m": Action.MANAGE,
    "mxm": Action.SCAN, "x": Action.DISTRIBUTE,
})  # fmt: skip
WORDS: Mapping[str, Action] = MappingProxyType({
    "read": Action.READ, "write": Action.DEPLOY, "annotate": Action.ANNOTATE, "delete": Action.DELETE,
    "manage": Action.MANAGE, "managedXrayMeta": Action.SCAN, "distribute": Action.DISTRIBUTE,
})  # fmt: skip
ACCESS_WORDS: Mapping[str, Action] = MappingProxyType({
    "READ": Action.READ, "WRITE": Action.DEPLOY, "ANNOTATE": Action.ANNOTATE, "DELETE": Action.DELETE,
    "MANAGE": Action.MANAGE, "SCAN": Action.SCAN, "EXECUTE": Action.DISTRIBUTE,
})  # fmt: skip
SCOPE_LETTERS: Mapping[str, Action] = MappingProxyType({
    "r": Action.READ, "w": Action.DEPLOY, "a": Action.ANNOTATE, "d": Action.DELETE, "m": Action.MANAGE,
    "x": Action.DISTRIBUTE, "s": Action.SCAN, "*": EVERY_ACTION,
})  # fmt: skip
DOCKER_VERBS: Mapping[str, Action] = MappingProxyType({
    "pull": Action.READ, "push": Action.DEPLOY, "delete": Action.DELETE,
    "*": Action.READ | Action.DEPLOY | Action.DELETE,
})  # fmt: skip


def letters(actions: Action) -> list[str]:
    """Return the set as the old API writes it, in its order."""
    return [letter for letter, action in LETTERS.items() if action in actions]


def mask(names: Iterable[str], table: Mapping[str, Action]) -> Action:
    """Return the set of actions that the names stand for in one API. Raises Invalid for a name that it does not have."""
    found = NOTHING
    for name in names:
        if name not in table:
            raise Invalid(f"Unknown permission action '{name[:64]}'.")
        found |= table[name]
    return found
