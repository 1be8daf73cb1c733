"""What is told of each answered request: a line in the request log, counts, and denials in the access log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from entrepot.auth.credentials import sent
from entrepot.auth.trail import Refusal
from entrepot.cluster.home import logs_folder
from entrepot.errors import Unavailable, reason
from entrepot.logs.records import AccessAction, Accessed, Answered, RecordLogs
from entrepot.messages import Reply, Request, Row
from entrepot.metrics.counters import Meter, Metrics

if TYPE_CHECKING:
    from entrepot.settings import Settings

log = structlog.get_logger()

_REFUSED = frozenset({401, 403})
_ACTIONS: dict[str, AccessAction] = {"READ": "DOWNLOAD", "DEPLOY": "DEPLOY", "DELETE": "DELETE", "ANNOTATE": "ANNOTATE"}


class Watching:
    """Tell logs and metrics of requests (`web.application.Watcher`). One per process, used on its loop."""

    def __init__(self, settings: Settings, refused: Callable[[Refusal], None]) -> None:
        """`refused` is told of each refusal, for the audit trail."""
        later = asyncio.get_running_loop().call_later
        self._metrics = Metrics(settings.home, later) if settings.metrics_enabled else None
        self._records = RecordLogs(logs_folder(settings.home), later, requests=settings.log_requests)
        self._refused = refused
        self._meters: dict[tuple[str, str], Meter] = {}

    def answered(self, request: Request, row: Row | None, reply: Reply, *, seconds: float, sent: int) -> None:
        """See Watcher."""
        received = request.body.received
        unknown = reply.status == 401 and request.caller.is_anonymous
        user = "non_authenticated_user" if unknown else request.caller.name
        self._records.request(
            Answered(
                request.id,
                request.address,
                user,
                request.method,
                request.path,
                request.query_string,
                reply.status,
                received,
                sent,
                int(seconds * 1000),
                request.headers.get("user-agent") or "",
            )
        )
        if self._metrics is not None:
            self._meter(row, request.method).answered(reply.status, seconds, received=received, sent=sent)
        if reply.status in _REFUSED or request.claimed is not None:
            self._denied(request, row, reply)

    def failed(self, request: Request, error: BaseException) -> None:
        """See Watcher."""
        asked = {"request": request.id, "method": request.method, "path": request.path}
        if not isinstance(error, Unavailable):
            log.error("request.failed", **asked, exc_info=error)
        elif error.__cause__ is not None:  # and not that we are busy, or stopping
            log.error("request.unavailable", **asked, message=error.message, reason=reason(error))

    def metrics(self) -> bytes:
        """Return all metrics of this node."""
        return b"" if self._metrics is None else self._metrics.render()

    def close(self) -> None:
        """Write what is held back."""
        self._records.close()
        if self._metrics is not None:
            self._metrics.flush()

    def _meter(self, row: Row | None, method: str) -> Meter:
        assert self._metrics is not None
        key = (row.operation, method) if row else ("unknown", "other")
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = self._metrics.meter(*key)
        return meter

    def _denied(self, request: Request, row: Row | None, reply: Reply) -> None:
        """Note a refusal; what comes without credentials first, as clients of registries do, is none."""
        claimed = request.claimed
        unknown = claimed is not None or (
            reply.status == 401 and request.caller.is_anonymous
        )  # else somebody's token that covers too little
        if unknown and claimed is None and sent(request.headers) is None:
            return
        if self._metrics is not None and unknown:
            self._metrics.login_failed("credentials")
        action = "LOGIN" if unknown else _ACTIONS.get(row.action if row else "", "CONFIGURATION_CHANGE")
        user = (claimed or "") if unknown else request.caller.name
        operation = row.operation if row else "unknown"
        self._refused(Refusal(user, request.address, operation, request.path, str(reply.status)))
        self._records.access(
            Accessed(request.id, action, False, request.path, user, request.address, request.caller.token_id or "")
        )
