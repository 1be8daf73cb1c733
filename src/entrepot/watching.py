"""What is told of each answered request: log lines and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from entrepot.messages import Reply, Request, Row

if TYPE_CHECKING:
    from entrepot.settings import Settings

log = structlog.get_logger()


class Watching:
    """Tell logs and metrics of requests (`web.application.Watcher`)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def answered(self, request: Request, row: Row | None, reply: Reply, *, seconds: float, sent: int) -> None:
        """See Watcher."""

    def failed(self, request: Request, error: BaseException) -> None:
        """See Watcher."""
        log.error("request.failed", request=request.id, method=request.method, path=request.path, exc_info=error)

    def metrics(self) -> bytes:
        """Return all metrics of this node."""
        return b""

    def close(self) -> None:
        """Write what is held back."""
