"""What the path of a URL says beyond the path of an item: matrix parameters, and the entry within an archive (reference 7.1).

libs/a/b.jar;build.name=app;build.number=7     properties of a deploy, conditions of a download
libs/a/b.jar!/META-INF/MANIFEST.MF             a file within an archive, on download
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from entrepot.errors import Invalid
from entrepot.paths import RepoPath

MAX_KEY: Final = 255  # characters of a property's key
MAX_VALUE: Final = 4000
MAX_PROPERTIES: Final = 1000  # values that one request states
_KEY = re.compile(r"[a-zA-Z][^\s)(}{\]\[*+^$\\/~`!@#%&<>;=,±§\x00-\x1f]*")


class PropertyInvalid(Invalid):
    """Property key: {key} is invalid due to Name must start with a letter and cannot contain whitespace or special characters"""


class TooManyProperties(Invalid):
    """At most {most} property values can be stated at once."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request points within its repository."""

    path: RepoPath
    entry: str = ""  # within the archive at `path`; empty: the file itself
    matrix: str = ""  # the parameters, still encoded

    def properties(self) -> dict[str, list[str]]:
        """Return the parameters as properties to set. Raises Invalid."""
        return checked(parameters(self.matrix))


def parse(raw: str, *, entries: bool = False) -> Address:
    """Read the percent-encoded path of a URL, with `entries` also one within an archive. Raises PathInvalid."""
    text, _, matrix = raw.partition(";")
    inner = ""
    if entries and "!/" in text:
        text, _, inner = text.partition("!/")
        return Address(RepoPath.parse(text), RepoPath.parse(inner).text, matrix)
    return Address(RepoPath.parse(text), "", matrix)


def parameters(matrix: str) -> dict[str, list[str]]:
    """Return matrix parameters: keys as sent, values decoded as forms are, in order and each once. Raises Invalid."""
    return gathered(_pairs(matrix))


def _pairs(matrix: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, matrix.split(";")):
        key, _, value = pair.partition("=")
        try:
            yield key, unquote_plus(value, errors="strict")
        except UnicodeDecodeError:
            raise Invalid(f"The value of the property {key[:MAX_KEY]} is not UTF-8.") from None


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of each key, in order and each once. Raises Invalid at the first that is too many."""
    stated: dict[tuple[str, str], None] = {}  # finding what is there in lists would take as long as their squares
    for pair in pairs:
        stated[pair] = None
        if len(stated) > MAX_PROPERTIES:
            raise TooManyProperties(most=MAX_PROPERTIES)
    found: dict[str, list[str]] = {}
    for key, value in stated:
        found.setdefault(key, []).append(value)
    return found


def checked(properties: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the properties if all of them can be stored. Raises PropertyInvalid, Invalid."""
    for key, values in properties.items():
        if len(key) > MAX_KEY:
            raise Invalid(f"Property key: {key[:60]}... is longer than {MAX_KEY} characters.")
        if not _KEY.fullmatch(key):
            raise PropertyInvalid(key=key)
        if any(len(value) > MAX_VALUE or "\0" in value for value in values):
            raise Invalid(f"A value of the property {key} is longer than {MAX_VALUE} characters, or holds a NUL.")
    if sum(map(len, properties.values())) > MAX_PROPERTIES:
        raise TooManyProperties(most=MAX_PROPERTIES)
    return properties


def fits(conditions: str, properties: dict[str, list[str]]) -> bool:
    """Whether an item's properties meet the matrix parameters of a download.

    `key=value` asks for one of the values only of an item that has the key; `key+=value` also asks for the key.
    """
    for key, values in parameters(conditions).items():
        held = properties.get(key.removesuffix("+"))
        if held is None:
            if key.endswith("+"):
                return False
        elif not set(values) & set(held):
            return False
    return True
