"""Structured events: a name, a level and words, as one line of JSON in `entrepot.log` and one line on stderr.

Plain standard library: the supervisor uses it as it is, because structlog costs 18 MiB; the other processes reach it
through structlog (`logs/setup.py`). Values of settings' type `Secret` show as stars, and JSON escapes every newline.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from entrepot.clock import iso
from entrepot.logs.fields import column
from entrepot.logs.lines import LineFile

FILE_NAME: Final = "entrepot.log"
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@+,[]()*{}")


class EventLog:
    """Where the events of one process go."""

    def __init__(self, folder: Path | None, process: str, *, level: str = "info", form: str = "auto") -> None:
        """Write to `<folder>/entrepot.log` and to stderr; `form` is a value of the setting log.format."""
        self._file = LineFile(folder / FILE_NAME) if folder else None
        self._process = process
        self._least = LEVELS[level]
        terminal = sys.stderr.isatty()
        self._console = form == "console" or (form == "auto" and terminal)
        self._colours = self._console and terminal and "NO_COLOR" not in os.environ

    def enabled(self, level: str) -> bool:
        """Return whether events of this level are written."""
        return LEVELS[level] >= self._least

    def note(self, level: str, event: str, **words: object) -> None:
        """Write one event."""
        if self.enabled(level):
            self.write(level, event, words)

    def write(self, level: str, event: str, words: Mapping[str, object]) -> None:
        """Write one event, whatever its level. Does not raise on a full disk or a closed terminal."""
        now = iso(time.time_ns() // 1_000_000)
        told = {"time": now, "level": level, "event": event, "process": self._process, "pid": os.getpid(), **words}
        line = json.dumps(told, default=str) + "\n"
        if self._file is not None:
            self._file.append(line.encode())
        try:
            sys.stderr.write(self._shown(now, level, event, words) if self._console else line)
        except OSError:  # nobody reads stderr any more; the file has the line
            self._console = False

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _shown(self, now: str, level: str, event: str, words: Mapping[str, object]) -> str:
        colour = _COLOURS[level] if self._colours else ""
        name = f"\033[{colour}m{level.upper():<8}\033[0m" if colour else f"{level.upper():<8}"
        rest = " ".join(f"{key}={_word(value)}" for key, value in words.items() if key != "exception")
        trace = f"\n{words['exception']}" if "exception" in words else ""
        return f"{now[11:23]} {name} {self._process:<10} {column(event)}  {rest}".rstrip() + trace + "\n"


def _word(value: object) -> str:
    shown = str(value)
    return shown if shown and _PLAIN.issuperset(shown) else json.dumps(shown)
