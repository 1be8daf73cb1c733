"""A text read from left to right: the tokens of AQL, and how far one has come (reference 2, 3)."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from entrepot.errors import Invalid

_BLANK = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_ESCAPE = re.compile(r'\\(?:(["\\/])|u([0-9A-Fa-f]{4}))')
_AFTER: Final = frozenset(":,}])")  # what may follow a string


class SyntaxFault(Invalid):
    """Failed to parse query: {query}, it looks like there is syntax error near the following sub-query: {rest}"""


class Unknown(SyntaxFault):
    """Failed to parse query: {query}, it looks like there is syntax error near the following sub-query: {rest} ({why})"""


class Reader:
    """Take tokens from a query. Every method skips the blanks before what it takes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def fail(self, place: int | None = None) -> NoReturn:
        """Raise SyntaxFault at a place: where it is, unless said otherwise."""
        at = self.place if place is None else place
        raise SyntaxFault(query=self.text, rest=self.text[at:])

    def unknown(self, place: int, why: str) -> NoReturn:
        """Raise Unknown for a name at a place."""
        raise Unknown(query=self.text, rest=self.text[place:], why=why)

    def skip(self) -> None:
        """Pass blanks."""
        found = _BLANK.match(self.text, self.place)
        assert found is not None
        self.place = found.end()

    def at(self, mark: str) -> bool:
        """Whether a mark comes next."""
        self.skip()
        return self.text.startswith(mark, self.place)

    def take(self, mark: str) -> bool:
        """Pass a mark if it comes next."""
        if self.at(mark):
            self.place += len(mark)
            return True
        return False

    def need(self, mark: str) -> None:
        """Pass a mark, which must come next."""
        if not self.take(mark):
            self.fail()

    def ended(self) -> bool:
        """Whether nothing but blanks is left."""
        self.skip()
        return self.place >= len(self.text)

    def word(self) -> str:
        """Take a bare word, with dots within."""
        self.skip()
        found = _WORD.match(self.text, self.place)
        if found is None:
            self.fail()
        self.place = found.end()
        return found[0]

    def number(self) -> str:
        """Take a number, as its text."""
        self.skip()
        found = _NUMBER.match(self.text, self.place)
        if found is None:
            self.fail()
        self.place = found.end()
        return found[0]

    def string(self) -> str:
        """Take a string.

        It ends at the next quote. Only one that would not be followed by anything legal there, and has a backslash before
        that quote, is read with the escapes of JSON.
        """
        self.need('"')
        start = self.place
        end = self.text.find('"', start)
        if end < 0:
            self.fail(start)
        if self.text[end - 1] == "\\" and end > start and not self._legal_after(end):
            return self._escaped(start)
        self.place = end + 1
        return self._checked(self.text[start:end], start)

    def _escaped(self, start: int) -> str:
        place = start
        while place < len(self.text) and self.text[place] != '"':
            place += 2 if self.text[place] == "\\" else 1
        if place >= len(self.text):
            self.fail(start)
        self.place = place + 1
        plain = _ESCAPE.sub(lambda found: found[1] or chr(int(found[2], 16)), self.text[start:place])
        return self._checked(plain, start)

    def _checked(self, text: str, start: int) -> str:
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            self.fail(start)
        return text

    def _legal_after(self, end: int) -> bool:
        found = _BLANK.match(self.text, end + 1)
        assert found is not None
        return found.end() >= len(self.text) or self.text[found.end()] in _AFTER
