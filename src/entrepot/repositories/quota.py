"""The disk quota: nothing more is taken in when the volume of the blob store is as full as an administrator allows.

`quotaConfig` of the configuration descriptor has percentages. Object stores have no volume: there it says nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Final

import structlog

from entrepot.configuration.documents import Documents
from entrepot.errors import TooLarge
from entrepot.messages import Request

log = structlog.get_logger()

SECTION: Final = "quotaConfig"
_FRESH: Final = 2.0  # seconds for which a look at the volume counts
_WARNED: Final = 3600.0  # seconds between two warnings


_TOLD: Final = (  # what clients and people know
    "Datastore disk usage is too high. Contact your Artifactory administrator to add additional storage space or change"
    " the disk quota limits."
)


class DiskQuotaExceeded(TooLarge):
    """The disk is as full as is allowed."""


class DiskQuota:
    """A gate before whatever takes bytes in. One per process, used on its loop."""

    def __init__(self, documents: Documents, folder: Path | None) -> None:
        self._documents = documents
        self._folder = folder  # of the blob store; None: it has none
        self._seen: tuple[float, int, int] = (-_FRESH, 1, 0)  # when, bytes in all, bytes used
        self._warned = -_WARNED

    async def check(self, request: Request) -> None:
        """Raise DiskQuotaExceeded when the volume, with what the request brings, would be too full."""
        quota = self._documents.one(SECTION)
        if self._folder is None or quota.get("enabled") is not True:
            return
        now = time.monotonic()
        if now - self._seen[0] > _FRESH:
            usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
            self._seen = (now, usage.total, usage.used)
        _, total, used = self._seen
        percent = 100 * (used + (request.body.length or 0)) / total
        if percent >= _percentage(quota.get("diskSpaceLimitPercentage")):
            raise DiskQuotaExceeded(_TOLD)
        if percent >= _percentage(quota.get("diskSpaceWarningPercentage")) and now - self._warned > _WARNED:
            self._warned = now
            log.warning("storage.quota", used_percent=round(percent, 1), folder=str(self._folder))


def _percentage(value: object) -> float:
    """Return a limit; what is not stated, or makes no sense, limits nothing."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= 100 else 101.0
