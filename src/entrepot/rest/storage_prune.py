"""`api/system/storage/prune` (reference A10): objects that belong to nothing, removed in the background by some node.

`startFromDirectory` and `startFromBinary` are taken and change nothing: each run looks at everything.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from entrepot.errors import Invalid
from entrepot.jobs.pruning import Pruned, report, start, stop
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.rest.json_bodies import json_object

_MOST: Final = 36_500  # days


class StoragePruneApi:
    """The handlers of `api/system/storage/prune`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        url = "/artifactory/api/system/storage/prune"
        return (
            Row("POST", f"{url}/start", "storage.prune.start", "admin", self.start, request=dict, response=dict, status=202,
                summary="Remove objects of the store that belong to nothing, in the background"),
            Row("POST", f"{url}/stop", "storage.prune.stop", "admin", self.stop, response=dict, status=202,
                summary="Stop that"),
            Row("GET", f"{url}/status", "storage.prune.status", "admin", self.status, response=dict,
                summary="How it goes or went"),
        )  # fmt: skip

    async def start(self, request: Request) -> Reply:
        """POST, with or without a body; 412 while one is under way."""
        asked = await json_object(request, optional=True)
        dry, days = asked.get("dryRun", False), asked.get("binaryOlderThanDays", 1)
        if not isinstance(dry, bool) or type(days) is not int or not 0 <= days <= _MOST:
            raise Invalid("dryRun is true or false, binaryOlderThanDays a number of days.")
        now = self._database.now()
        if not await self._database.transact(lambda tx: start(tx, dry=dry, days=days, now=now)):
            return json_reply({"info": "Pruning Unreferenced Data task cannot be started"}, 412)
        return json_reply({"info": "Pruning Unreferenced Data task has been submitted"}, 202)

    async def stop(self, _: Request) -> Reply:
        """POST: it ends after the page that it is at."""
        if not await self._database.transact(stop):
            return json_reply({"info": "No running Prune task found"}, 412)
        return json_reply({"info": "Prune task stop request submitted"}, 202)

    async def status(self, _: Request) -> Reply:
        """GET: also of one that ended, also after a restart."""
        told = await report(self._database)
        return json_reply({"info": "No Prune task found"}, 412) if told is None else json_reply(_told(told))


def _told(told: Pruned) -> dict[str, Any]:
    passed = told.updated - told.started
    answer: dict[str, Any] = {
        "status": told.state, "dryRun": told.dry,
        "timing": {
            "startedAtMillis": told.started, "startedAt": _moment(told.started), "durationMillis": passed,
            "duration": str(timedelta(milliseconds=passed)), "lastUpdatedMillis": told.updated,
            "lastUpdated": _moment(told.updated),
        },
        "progress": f"{told.objects} objects",
        "report": {
            "totalBinariesProcessed": told.objects, "totalBinariesCleaned": told.cleaned, "totalBytesCleaned": told.size,
        },
    }  # fmt: skip
    if told.error:
        answer["error"] = told.error
    return answer


def _moment(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
