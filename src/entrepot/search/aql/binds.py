"""What a statement is written with: values, every one a parameter, and what the engines write differently."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from entrepot.errors import Invalid
from entrepot.metadata.sql import Parameter
from entrepot.search.aql.domains import Field

_GLOB_SPECIAL = re.compile(r"\[")
_PATTERN: Final = 8192  # characters of a pattern: SQLite takes 50,000 bytes, and an escaped character may have four
_FOLDED: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def folded(text: str) -> str:
    """Return a text in small letters, of ASCII only: SQLite knows no others, and answers do not depend on the engine."""
    return text.translate(_FOLDED)


@dataclass(slots=True)
class Binds:
    """The parameters of a statement that is being written."""

    engine: str
    values: dict[str, Parameter] = field(default_factory=dict)

    def add(self, value: Parameter) -> str:
        """Bind a value and return what stands for it in SQL."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        if isinstance(value, list):
            return f"{{any:{name}}}"
        if self.engine == "postgresql":  # the type of a bare parameter cannot always be told
            kind = {int: "BIGINT", str: "TEXT", bytes: "BYTEA"}.get(type(value), "TEXT")
            return f"CAST(:{name} AS {kind})"
        return f":{name}"

    def like(self, column: str, pattern: str, *, fold: bool = False) -> str:
        """Return the condition that a column matches a pattern of `*` and `?`; without these it is equality."""
        if len(pattern) > _PATTERN:
            raise Invalid(f"A pattern is longer than {_PATTERN} characters.")
        if fold:
            column, pattern = self.folded(column), folded(pattern)
        if "*" not in pattern and "?" not in pattern:
            return f"{column} = {self.add(pattern)}"
        if self.engine == "sqlite":  # its LIKE does not tell capitals apart; GLOB does, and takes * and ? as they are
            return f"{column} GLOB {self.add(_GLOB_SPECIAL.sub('[[]', re.sub(r'[*]+', '*', pattern)))}"
        escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        liked = re.sub(r"\*+", "%", escaped).replace("?", "_")
        return f"{column} LIKE {self.add(liked)} ESCAPE '\\'"

    def folded(self, column: str) -> str:
        """Return a text column in small letters, of ASCII only."""
        return f"LOWER({column})" if self.engine == "sqlite" else f'LOWER({column} COLLATE "C")'

    def hexed(self, column: str) -> str:
        """Return bytes as lower-case hex digits."""
        return f"LOWER(HEX({column}))" if self.engine == "sqlite" else f"ENCODE({column}, 'hex')"

    def column(self, one: Field, alias: str) -> str:
        """Return what is selected for a field of a row; checksums as hex digits, those of items from their blob."""
        column = one.column.format(a=alias)
        if one.kind != "hex":
            return column
        return self.hexed(column if "{a}" in one.column else f"(SELECT {column} FROM blob WHERE id = {alias}.blob_id)")
