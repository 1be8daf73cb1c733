"""Two nodes of a cluster under one `node.id`: nothing breaks, but nobody can tell their logs, jobs and answers apart.

A start cannot refuse. What a killed node left looks alive for a while, and it may come back in another home folder, as a
container does. But the lock of our home tells that all which ran there before is dead: so whoever beats some seconds after our
start under our id, and either is elsewhere or began before us, is another node.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from entrepot.metadata.database import Reads
from entrepot.metadata.sql import sql
from entrepot.settings import Settings

log = structlog.get_logger()

_LATER = 10_000  # ms after our start, when processes whose supervisor was killed have ended

_BEATING = sql("SELECT node, started FROM writer WHERE heartbeat > :since ORDER BY started")


def label(settings: Settings) -> str:
    """Return what a writer's row calls its node: its id, and where it runs."""
    return f"{settings.node_id} {_place(settings.home)}"


@dataclass(slots=True)
class Namesakes:
    """Look for other nodes under our id; `began` is when this node started, by the database's clock."""

    reads: Reads
    settings: Settings
    began: int
    _told: set[str] = field(default_factory=set)

    async def round(self) -> None:
        """Log each place where there is one, once."""
        here = _place(self.settings.home)
        for node, started in await self.reads.rows(_BEATING, since=self.began + _LATER):
            name, _, there = node.partition(" ")
            if name != self.settings.node_id or (there == here and started >= self.began) or there in self._told:
                continue
            self._told.add(there)
            log.warning("node.id.not_unique", node=name, here=here, there=there)


def _place(home: Path) -> str:
    return f"{socket.gethostname()}:{home}"
