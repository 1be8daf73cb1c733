"""The audit trail by REST: every change of who may do what, every refusal, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from entrepot.auth import trail
from entrepot.auth.trail import Query
from entrepot.errors import Invalid
from entrepot.messages import Parameter, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.rest.security.bodies import asked, limit

_PARAMETERS: Final = (
    Parameter("actor", "Who did it"),
    Parameter("action", "What, like user.create"),
    Parameter("outcome", "done or denied"),
    Parameter("subject", "To what: a name, or the path of a request"),
    Parameter("since", "From this time on, ISO 8601"),
    Parameter("until", "Before this time, ISO 8601"),
    Parameter("cursor", "Of an earlier answer, to go on"),
    Parameter("limit", "At most so many, up to 1000", "integer"),
)
_MOST: Final = 1 << 62


class AuditApi:
    """The handlers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        path = "/access/api/v1/audit"
        return (
            Row("GET", path, "audit.search", "admin", self.search, "access", parameters=_PARAMETERS, response=dict,
                summary="The audit trail"),
        )  # fmt: skip

    async def search(self, request: Request) -> Reply:
        """GET a page."""
        size, cursor = limit(request), asked(request, "cursor")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise Invalid("The cursor is not one of an earlier answer.")
        words = {name: asked(request, name)[:1000] for name in ("actor", "action", "outcome", "subject")}
        query = Query(
            words["actor"], words["action"], words["outcome"], words["subject"],
            since=_millis(asked(request, "since"), 0),
            until=_millis(asked(request, "until"), _MOST),
            before=int(cursor or _MOST),
        )  # fmt: skip
        events = await trail.search(self._database, query, size)
        more = {"cursor": str(events[-1]["id"])} if len(events) == size else {}
        return json_reply({"events": events, **more})


def _millis(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    try:
        stamp = datetime.fromisoformat(text)
        return int((stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Invalid("Times are written like 2026-01-31T12:00:00Z.") from None
