"""What the collection of garbage did last, and what waits for deletion: noted by the background process, told by whoever is asked.

The last run has its times as labels, as dashboards for Artifactory read them, so it cannot lie among the counters: each run
would leave a series there for ever. It is one small file beside them, replaced as a whole, and goes with them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_NAME: Final = "collection.json"
_LABELS: Final = ("start", "end", "status", "type")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: when (epoch milliseconds), whether it ended well, and how many blobs and bytes it gave up."""

    start: int
    end: int
    well: bool
    blobs: int
    size: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What all runs since the node started did; of several between two looks of Prometheus it sees only the last."""

    runs: int = 0
    blobs: int = 0
    size: int = 0
    objects: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """The last run of this node, and what holds for the whole cluster; times in epoch milliseconds, sizes in bytes.

    The times of the run are those of the database's clock, the others of the machine's.
    """

    last: Run | None
    sums: Sums
    next: int  # when this node collects by itself again
    size: int  # of all blobs
    waiting: int  # objects in the queue of deletions
    failing: int  # of them: those whose deletion has failed before
    due: int | None  # since when the first of them could go, or from when on


def shared_folder() -> Path | None:
    """Return where the processes of this node count; None where each counts for itself."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def note(folder: Path, collected: Collected) -> None:
    """Replace what is told. Raises OSError, as on a full disk: what was told before stays."""
    place = folder / f".{_NAME}"
    place.write_bytes(msgspec.json.encode(collected))
    place.replace(folder / _NAME)


def noted(folder: Path) -> Collected | None:
    """Return what was noted last since the node started."""
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=Collected)
    except (OSError, msgspec.DecodeError):
        return None


class CollectedCollector:
    """Gauges of what was noted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; none before the first note."""
        told = noted(self._folder)
        if told is None:
            return
        if told.last is not None:
            yield from _of_run(told.last, told.size)
        for name, words, count in (
            ("entrepot_collection_runs", "Collections of garbage by this node", told.sums.runs),
            ("entrepot_collected_blobs", "Blobs that they gave up", told.sums.blobs),
            ("entrepot_collected_bytes", "Bytes of these blobs", told.sums.size),
            ("entrepot_deleted_objects", "Objects that they deleted from the blob store", told.sums.objects),
        ):
            yield CounterMetricFamily(name, words, value=count)
        now = time.time() * 1000
        overdue = 0.0 if told.due is None else now - told.due
        for name, words, value in (
            ("jfrt_artifacts_gc_next_run_seconds", "Time until this node collects garbage again", (told.next - now) / 1000),
            ("jfrt_storage_current_total_size_bytes", "Bytes of all blobs, at most an hour ago", told.size),
            ("entrepot_delete_queue_objects", "Objects that wait to be deleted from the blob store", told.waiting),
            ("entrepot_delete_queue_failing_objects", "Of them: those whose deletion failed at least once", told.failing),
            ("entrepot_delete_queue_overdue_seconds", "For how long the first of them could have been deleted", overdue / 1000),
        ):  # fmt: skip
            yield GaugeMetricFamily(name, words, value=max(0.0, value))


def _of_run(run: Run, size: int) -> Iterator[GaugeMetricFamily]:
    labels = (str(run.start), str(run.end), "COMPLETED" if run.well else "FAILED", "FULL")
    for name, words, value in (
        ("duration_seconds", "Time that the last collection of garbage took", (run.end - run.start) / 1000),
        ("binaries_total", "Blobs that the last collection of garbage gave up", run.blobs),
        ("size_cleaned_bytes", "Bytes of these blobs; they go from the store after the grace time", run.size),
        ("current_size_bytes", "Bytes of all blobs, at most an hour before", size),
    ):
        family = GaugeMetricFamily(f"jfrt_artifacts_gc_{name}", words, labels=_LABELS)
        family.add_metric(labels, value)
        yield family
