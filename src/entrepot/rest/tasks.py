"""`api/tasks` (reference 5): the durable jobs that wait, run or were given up, on whichever node."""

from __future__ import annotations

from typing import Final

from entrepot.artifacts.multipart import KIND as CHECKSUMS
from entrepot.jobs.asked import KIND as COLLECT
from entrepot.jobs.pruning import KIND as PRUNE
from entrepot.jobs.purge import KIND as PURGE
from entrepot.jobs.queue import Listed, listed
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata.database import Reads

_STATES: Final = {"queued": "scheduled", "running": "running", "failed": "stopped"}
_WORDS: Final = {
    COLLECT: "Collects garbage, as an administrator asked for",
    PRUNE: "Removes objects of the blob store that belong to nothing",
    PURGE: "Removes the content of a repository that was deleted",
    CHECKSUMS: "Computes the checksums of a multi-part upload",
}


class TasksApi:
    """The handler of `api/tasks`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def rows(self) -> tuple[Row, ...]:
        """Return the row."""
        return (
            Row("GET", "/artifactory/api/tasks", "tasks.list", "admin", self.list, response=dict,
                summary="Jobs that wait, run or were given up"),
        )  # fmt: skip

    async def list(self, _: Request) -> Reply:
        """GET: those that run first."""
        return json_reply({"tasks": [_task(one) for one in await listed(self._reads)]})


def _task(job: Listed) -> dict[str, str]:
    words = _WORDS.get(job.kind, job.kind)
    told = {
        "id": str(job.id),
        "type": job.kind,
        "state": _STATES[job.state],
        "description": f"{words}: {job.error}" if job.error else words,
    }
    if job.state == "running" and job.node:
        told["nodeId"] = job.node
    return told
