"""The request and access logs: lines that log shippers made for Artifactory read (reference D9).

artifactory-request.log     ts|trace|ip|user|METHOD|url|status|request bytes|response bytes|ms|user agent
artifactory-access.log      ts [trace] [ACCEPTED DEPLOY] repo:path for client : user / ip [token]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal, NamedTuple

from entrepot.logs.fields import Stamps, column, without_secrets, word
from entrepot.logs.lines import Later, LineFile

_CONTEXT = "/artifactory"
_COLUMNS = 11
_CONTROLS = bytes([*range(0x20), 0x7F])
_URL, _AGENT, _NAME = 2048, 256, 256  # characters kept

AccessAction = Literal[
    "ANNOTATE", "ANNOTATE_DELETE", "DOWNLOAD", "DEPLOY", "DELETE", "SEARCH", "LOGIN", "CONFIGURATION_CHANGE", "CREATE",
    "UPDATE", "PROPERTY_ADDED", "PROPERTY_REMOVED", "PROPERTY_UPDATED", "BUILD_CREATE", "BUILD_PROMOTE", "BUILD_DELETE",
]  # fmt: skip


class Answered(NamedTuple):
    """One answered request. Bytes of the bodies, as they were moved and not as they were announced; times in milliseconds."""

    trace: str  # 16 hex digits
    address: str
    user: str  # "anonymous", or "non_authenticated_user" when it was refused for that
    method: str
    path: str  # still percent-encoded
    query: str
    status: int
    received: int
    sent: int
    millis: int
    agent: str


class Accessed(NamedTuple):
    """One decision about what a caller wanted to do."""

    trace: str
    action: AccessAction
    accepted: bool
    target: str  # "repo:path", or empty
    user: str  # empty when unknown
    address: str
    token: str = ""  # the id of the token, never the token


class RecordLogs:
    """The two logs of one process. A line costs some microseconds and leaves within half a second."""

    def __init__(self, folder: Path, later: Later | None, *, requests: bool = True) -> None:
        """`later` schedules the flushes, as `loop.call_later` does; without it lines are written at once."""
        self._requests = LineFile(folder / "artifactory-request.log", later) if requests else None
        self._access = LineFile(folder / "artifactory-access.log", later)
        self._stamps = Stamps()

    def request(self, done: Answered) -> None:
        """Note an answered request."""
        if self._requests is None:
            return
        path = done.path.removeprefix(_CONTEXT) or "/"
        url = f"{path}?{without_secrets(done.query)}" if done.query else path
        told = (
            f"{self._now()}|{done.trace}|{done.address}|{done.user}|{done.method}|{url}"
            f"|{done.status}|{done.received}|{done.sent}|{done.millis}|{done.agent}"
        )
        line = told.encode(errors="replace")
        if not _harmless(line):
            line = self._cleaned(done, url).encode()
        self._requests.append(line + b"\n")

    def access(self, done: Accessed) -> None:
        """Note a decision."""
        verdict = "ACCEPTED" if done.accepted else "DENIED"
        target = word(done.target, _URL)
        user = word(done.user, _NAME) or "NA"
        token = f" [{word(done.token, _NAME)}]" if done.token else ""
        told = f"{self._now()} [{word(done.trace)}] [{verdict} {done.action}] {target} for client : {user} / "
        self._access.append(f"{told}{word(done.address)}{token}\n".encode(errors="replace"))

    def close(self) -> None:
        """Write what is held."""
        for file in (self._requests, self._access):
            if file is not None:
                file.close()

    def _now(self) -> str:
        return self._stamps.at(time.time_ns() // 1_000_000)

    def _cleaned(self, done: Answered, url: str) -> str:
        numbers = map(str, (done.status, done.received, done.sent, done.millis))
        texts = (done.trace, done.address, done.user, done.method)
        told = [self._now(), *(column(text, _NAME) for text in texts), column(url, _URL), *numbers]
        return "|".join([*told, column(done.agent, _AGENT)])


def _harmless(line: bytes) -> bool:
    """Whether no field of a request line needs cleaning; 0.5 us where the columns one by one cost 10."""
    plain = line.isascii() and len(line.translate(None, _CONTROLS)) == len(line)
    return plain and line.count(b"|") == _COLUMNS - 1 and len(line) <= _URL
