"""Statements: literal SQL text, written once, that both engines run.

Named parameters are `:name`. What differs between the engines is written as a word in braces:

    {now}            epoch milliseconds from the database's clock
    {any:ids}        `= ANY(ids)`: the parameter is a list
    {share}          lock the rows against deletion until the end of the transaction (SQLite: one writer, nothing to do)
    {update}         lock the rows against any change
    {change}         like {update}, but others may go on referring to them
    {skip}           like {update}, but leave out the rows that somebody else has locked
    {exclusive}      one transaction at a time has the same :scope (a number) and :name; the others wait here
    {item}           not of the engines: the columns that `items.read_item` reads

The text is a `LiteralString`, so the type checker refuses SQL that was put together at run time.
"""

from __future__ import annotations

import re
from typing import LiteralString

from entrepot.metadata.triggers import POSTGRES_NOW, SQLITE_NOW

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_LIST = re.compile(r"\{any:([a-z_][a-z0-9_]*)\}")

ITEM = ("id", "path", "name", "kind", "size", "blob_id", "created", "created_by", "modified", "modified_by", "updated")

Value = int | str | bytes | None
Parameter = Value | list[int] | list[str] | list[bytes]


class Statement:
    """One statement, ready for either engine."""

    __slots__ = ("_lists", "names", "postgres", "repeatable", "sqlite")

    def __init__(self, text: LiteralString) -> None:
        self._lists: tuple[str, ...] = tuple(dict.fromkeys(_LIST.findall(text)))
        self.repeatable = not self._lists and "{now}" not in text
        """Whether equal parameters give equal rows for as long as the database does not change, and can be a key."""
        self.sqlite = _words(text, now=SQLITE_NOW, share="", update="", change="", skip="", exclusive=":name")
        self.names, self.postgres = _numbered(
            _LIST.sub(
                r"= ANY(:\1)",
                _words(
                    text,
                    now=POSTGRES_NOW,
                    share="FOR KEY SHARE",
                    update="FOR UPDATE",
                    change="FOR NO KEY UPDATE",
                    skip="FOR UPDATE SKIP LOCKED",
                    exclusive="pg_advisory_xact_lock(hashtextextended(:name, :scope))",
                ),
            )
        )

    def for_sqlite(self, parameters: dict[str, Parameter]) -> tuple[str, dict[str, Parameter]]:
        """Return text and parameters with each list written out, padded to a power of two so that few texts arise."""
        if not self._lists:
            return self.sqlite, parameters
        text, spread = self.sqlite, dict(parameters)
        for name in self._lists:
            values = spread.pop(name)
            assert isinstance(values, list)
            width = 1 << max(len(values) - 1, 0).bit_length()
            for place in range(width):
                spread[f"{name}__{place}"] = values[place] if place < len(values) else None
            places = ", ".join(f":{name}__{place}" for place in range(width))
            text = text.replace(f"{{any:{name}}}", f"IN ({places})")
        return text, spread

    def for_postgres(self, parameters: dict[str, Parameter]) -> list[Parameter]:
        """Return the parameters in the order of the numbered text."""
        return [parameters[name] for name in self.names]


def sql(text: LiteralString) -> Statement:
    """Make a statement of literal text; see the module for the words that it may use."""
    return Statement(text)


def _words(text: str, **words: str) -> str:
    text = text.replace("{item}", ", ".join(ITEM))
    for word, meaning in words.items():
        text = text.replace(f"{{{word}}}", meaning)
    return text.strip()


def _numbered(text: str) -> tuple[tuple[str, ...], str]:
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    numbered = _PARAMETER.sub(number, text)
    return tuple(names), numbered
