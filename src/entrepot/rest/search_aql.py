"""`api/search/aql` (AQL reference 1)."""

from __future__ import annotations

import re
from typing import Final

from entrepot.errors import EntrepotError, Invalid, Unauthenticated
from entrepot.messages import Parameter, Reply, Request, Row
from entrepot.search.aql.parser import MAX_TEXT
from entrepot.search.aql.run import Aql

_TEXT: Final = ("text/", "application/octet-stream")
_QUERY = re.compile(r"\s*[a-z._]+\s*\.\s*find\s*\(")


class UnsupportedType(EntrepotError):
    """Send the query as text/plain."""

    code, status = "UNSUPPORTED", 415


class AqlApi:
    """The handler of AQL queries."""

    def __init__(self, aql: Aql) -> None:
        self._aql = aql

    def rows(self) -> tuple[Row, ...]:
        """Return the row."""
        return (
            Row("POST", "/artifactory/api/search/aql", "search.aql", "user", self.search, request="text/plain", response=dict,
                parameters=(Parameter("query", "The query, where the body is empty"),), summary="Search by an AQL query"),
        )  # fmt: skip

    async def search(self, request: Request) -> Reply:
        """POST: the answer is streamed."""
        if request.caller.is_anonymous:
            raise Unauthenticated("Only non-anonymous users are allowed to access AQL queries")
        body = await request.body.read(4 * MAX_TEXT)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise Invalid("The query is not valid UTF-8.") from None
        if not text.strip():
            text = (request.query.get("query") or [""])[0]
        if not text.strip():
            raise Invalid('The query is empty: send it as the body, like items.find({"repo":"libs"}).')
        kind = (request.headers.get("content-type") or "text/plain").partition(";")[0].strip().lower()
        if not kind.startswith(_TEXT) and not _QUERY.match(text):
            raise UnsupportedType
        answer = await self._aql.answer(request.granted, text)
        return Reply(200, [("content-type", "application/json")], stream=answer)
