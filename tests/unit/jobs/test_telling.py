"""What the collection tells of itself: read as a Prometheus reads it."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from entrepot.jobs.collection import Collection
from entrepot.jobs.telling import Telling
from entrepot.metrics.collected import CollectedCollector
from tests.stores import write
from tests.world import GRACE, Node

RUN = "jfrt_artifacts_gc"


def told(folder: Path) -> dict[str, tuple[float, dict[str, str]]]:
    registry = CollectorRegistry()
    registry.register(CollectedCollector(folder))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {one.name: (one.value, one.labels) for family in families for one in family.samples}


def telling(node: Node, folder: Path | None) -> Telling:
    return Telling(Collection(node.database, node.driver), node.database, folder, 300)


async def test_a_run_is_told_with_what_it_gave_up_and_what_is_left(node: Node, tmp_path: Path) -> None:
    await node.upload("r/app", b"x" * 50_000)
    await node.push("r/app", "1.0", b"y" * 60_000)
    await node.later(GRACE + 1000)
    collection = telling(node, tmp_path)
    assert told(tmp_path) == {}
    await collection.round()
    await node.later(GRACE + 1000)
    await collection.round()
    await collection.look()
    found = told(tmp_path)
    assert (found[f"{RUN}_binaries_total"][0], found[f"{RUN}_size_cleaned_bytes"][0]) == (1, 50_000)
    assert found[f"{RUN}_current_size_bytes"][0] == found["jfrt_storage_current_total_size_bytes"][0] > 60_000
    duration, labels = found[f"{RUN}_duration_seconds"]
    assert duration == pytest.approx((int(labels["end"]) - int(labels["start"])) / 1000)
    assert (labels["status"], labels["type"]) == ("COMPLETED", "FULL")
    assert (found["entrepot_delete_queue_objects"][0], found["entrepot_delete_queue_failing_objects"][0]) == (1, 0)


async def test_what_all_runs_did_is_added_up(node: Node, tmp_path: Path) -> None:
    await node.upload("r/app", b"x" * 50_000)
    collection = telling(node, tmp_path)
    for _ in range(4):
        await node.later(GRACE + 1000)
        await collection.round()
    await collection.look()
    found = told(tmp_path)
    assert found[f"{RUN}_binaries_total"][0] == 0
    names = ("collection_runs", "collected_blobs", "collected_bytes", "deleted_objects")
    assert [found[f"entrepot_{name}_total"][0] for name in names] == [4, 1, 50_000, 1]


async def test_only_the_last_run_is_told_and_a_failure_is_told_as_one(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(self: Collection) -> None:
        raise TimeoutError

    collection = telling(node, tmp_path)
    await collection.by_itself()
    monkeypatch.setattr(Collection, "round", fails)
    with pytest.raises(TimeoutError):
        await collection.by_itself()
    await collection.look()
    found = told(tmp_path)
    assert found[f"{RUN}_duration_seconds"][1]["status"] == "FAILED"
    assert 290 < found["jfrt_artifacts_gc_next_run_seconds"][0] <= 300


async def test_the_next_run_is_an_interval_after_the_last_that_was_not_asked_for(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, now = telling(node, tmp_path), node.database.now
    monkeypatch.setattr(node.database, "now", lambda: now() + 100_000)
    await collection.round()
    await collection.look()
    assert 150 < told(tmp_path)["jfrt_artifacts_gc_next_run_seconds"][0] <= 200
    await collection.by_itself()
    await collection.look()
    assert 250 < told(tmp_path)["jfrt_artifacts_gc_next_run_seconds"][0] <= 300


async def test_sizes_are_added_up_once_an_hour(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection, now, sizes = telling(node, tmp_path), node.database.now, []
    for later in (0, 3_500_000, 3_700_000):
        monkeypatch.setattr(node.database, "now", lambda later=later: now() + later)
        await collection.look()
        sizes.append(told(tmp_path)["jfrt_storage_current_total_size_bytes"][0])
        await node.upload("r/app", b"x" * 50_000)
    assert sizes == [0, 0, 50_000]


async def test_what_waits_for_deletion_is_told_with_how_late_it_is_and_what_fails(node: Node, tmp_path: Path) -> None:
    now = node.database.now()
    for key, at, attempts in (("a/b/c", now - 90_000, 0), ("a/b/d", now + 60_000, 3)):
        await write(
            node.database,
            "INSERT INTO delete_queue (storage_key, not_before, attempts) VALUES (:key, :at, :attempts)",
            key=key, at=at, attempts=attempts,
        )  # fmt: skip
    await telling(node, tmp_path).look()
    found = told(tmp_path)
    assert (found["entrepot_delete_queue_objects"][0], found["entrepot_delete_queue_failing_objects"][0]) == (2, 1)
    assert 90 <= found["entrepot_delete_queue_overdue_seconds"][0] < 150


async def test_the_last_run_is_told_also_by_the_next_process(node: Node, tmp_path: Path) -> None:
    collection = telling(node, tmp_path)
    await collection.round()
    await collection.look()
    before = told(tmp_path)[f"{RUN}_duration_seconds"]
    following = telling(node, tmp_path)
    await following.look()
    assert told(tmp_path)[f"{RUN}_duration_seconds"] == before
    await following.round()
    await following.look()
    assert told(tmp_path)["entrepot_collection_runs_total"][0] == 2


async def test_where_nobody_counts_and_where_nothing_can_be_written_collection_goes_on(node: Node, tmp_path: Path) -> None:
    for folder in (None, tmp_path / "gone"):
        collection = telling(node, folder)
        await collection.round()
        await collection.look()
    assert told(tmp_path / "gone") == {}


async def test_that_nothing_can_be_written_is_logged_when_it_begins_and_not_each_time(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    collection = telling(node, folder)
    with capture_logs() as logs:
        for _ in range(3):
            await collection.look()
        assert [line["event"] for line in logs] == ["metrics.collection.not_noted"]
        assert "FileNotFoundError" in logs[0]["reason"]
        folder.mkdir()
        await collection.look()
        assert told(folder) != {}
        (folder / "collection.json").unlink()
        folder.rmdir()
        await collection.look()
    assert len(logs) == 2
