"""Join structlog, and the standard library's logging that other packages use, to the event log of this process."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from entrepot.errors import reason
from entrepot.logs.events import LEVELS, EventLog

_REPEATING = ("asyncpg.pool",)
_QUIET_SECONDS = 150.0
_QUIET = ("alembic", "asyncio", "httpx", "sqlalchemy")  # below a warning they talk about themselves


class _Standard(logging.Handler):
    """Hands records of the standard library's loggers on as events."""

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        words: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            words["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        self._log.note(record.levelname.lower(), record.getMessage(), **words)


class _Briefly(logging.Filter):
    """Lets a complaint through once, without its traceback, until it has not been heard for a while.

    For libraries that say again and again, with all frames, what our own events say with its reason: asyncpg's pool of
    connections tries to fill itself up to once a minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = None
        told, now = record.getMessage(), time.monotonic()
        if error is not None:
            record.msg, record.args = f"{told}: {reason(error)}", ()
        fresh = now - self._heard.get(told, -_QUIET_SECONDS) >= _QUIET_SECONDS
        self._heard[told] = now
        return fresh


def configure(log: EventLog) -> None:
    """Make `structlog.get_logger()` and `logging.getLogger()` write to this log."""
    least = next(level for level in LEVELS if log.enabled(level))

    def finish(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
        name = str(event.pop("event", ""))
        log.write(level, name, event)
        raise structlog.DropEvent  # it has been written

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _with_traceback, finish],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[least]),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Standard(log)], level=LEVELS[least], force=True)
    logging.captureWarnings(capture=True)
    for name in _REPEATING:
        logger = logging.getLogger(name)
        logger.filters[:] = [_Briefly()]
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(LEVELS[least], logging.WARNING))


def _with_traceback(_logger: object, _level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info`, which is an exception, a triple or True, by its text."""
    info = event.pop("exc_info", None)
    if isinstance(info, BaseException):
        event["exception"] = "".join(traceback.format_exception(info)).rstrip()
    elif info:
        triple = info if isinstance(info, tuple) else sys.exc_info()
        event["exception"] = "".join(traceback.format_exception(*triple)).rstrip()
    return event
