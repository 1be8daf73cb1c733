"""Metrics: what several processes count is summed up, and any Prometheus can read it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from entrepot.metrics import collected, mapped, node
from entrepot.metrics.counters import Metrics

NAMES = {
    "jfrt_runtime_heap": ("freememory_bytes", "maxmemory_bytes", "totalmemory_bytes", "processors_total"),
    "jfrt_db_connections": ("active_total", "idle_total", "max_active_total", "min_idle_total"),
    "sys": ("cpu_totaltime_seconds", "cpu_ratio", "memory_used_bytes", "memory_free_bytes"),
    "app_disk": ("used_bytes", "free_bytes", "total_bytes"),
    "process": ("uptime_seconds", "cpu_usage"),
}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return Metrics(tmp_path)


def test_a_request_is_counted_by_operation_method_and_class(metrics: Metrics) -> None:
    meter = metrics.meter("pull", "GET")
    meter.answered(200, 0.002, received=0, sent=100)
    meter.answered(206, 0.02, received=5, sent=100)
    meter.answered(404, 700.0, received=0, sent=0)
    meter.answered(999, 0.001, received=0, sent=0)
    found = samples(metrics.render())
    labels = {"operation": "pull", "method": "GET"}
    assert value(found, "entrepot_request_seconds_count", **labels, status="2xx") == 2
    assert value(found, "entrepot_request_seconds_sum", **labels, status="2xx") == pytest.approx(0.022)
    assert value(found, "entrepot_request_seconds_bucket", **labels, status="2xx", le="0.0025") == 1
    assert value(found, "entrepot_request_seconds_bucket", **labels, status="4xx", le="600.0") == 0
    assert value(found, "entrepot_request_seconds_bucket", **labels, status="4xx", le="+Inf") == 1
    assert value(found, "entrepot_request_seconds_bucket", **labels, status="other", le="0.001") == 1
    assert (value(found, "entrepot_received_bytes_total"), value(found, "entrepot_sent_bytes_total")) == (5, 200)


def test_counts_only_grow_and_are_not_counted_twice(metrics: Metrics) -> None:
    meter = metrics.meter("pull", "GET")
    for expected in (1, 2):
        meter.answered(200, 0.002, received=0, sent=10)
        metrics.flush()
        found = samples(metrics.render())
        labels = {"operation": "pull", "method": "GET", "status": "2xx"}
        assert value(found, "entrepot_request_seconds_count", **labels) == expected
        assert value(found, "entrepot_sent_bytes_total") == 10 * expected


def test_requests_under_way_login_failures_and_the_pool_are_told(metrics: Metrics) -> None:
    metrics.entered()
    metrics.entered()
    metrics.left()
    metrics.login_failed("basic")
    metrics.database(active=1, idle=2, most=3, least=4)
    found = samples(metrics.render())
    assert value(found, "entrepot_requests_in_flight") == 1
    assert value(found, "entrepot_login_failures_total", how="basic") == 1
    names = ("active", "idle", "max_active", "min_idle")
    assert [value(found, f"jfrt_db_connections_{name}_total") for name in names] == [1, 2, 3, 4]


def test_the_names_that_dashboards_ask_for_are_there(metrics: Metrics) -> None:
    found = samples(metrics.render())
    assert {name for name, _ in found} >= {f"{start}_{name}" for start, names in NAMES.items() for name in names}
    assert value(found, "jfrt_runtime_heap_totalmemory_bytes") > 1 << 20
    assert value(found, "sys_memory_used_bytes") > 0
    assert value(found, "app_disk_total_bytes") > value(found, "app_disk_free_bytes")


def test_what_was_counted_is_flushed_once_a_second(tmp_path: Path) -> None:
    due: list[float] = []
    metrics = Metrics(tmp_path, lambda seconds, _work: due.append(seconds))
    metrics.entered()
    metrics.left()
    metrics.meter("pull", "GET").answered(200, 0.1, received=0, sent=0)
    assert due == [1.0]
    metrics.flush()
    metrics.left()
    assert due == [1.0, 1.0]


COUNT = """
import sys
from pathlib import Path
from entrepot.metrics.counters import Metrics
metrics = Metrics(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    metrics.meter("pull", "GET").answered(200, 0.1, received=1, sent=2)
metrics.entered()
metrics.flush()
sys.stdout.write(metrics.render().decode() if sys.argv[2] == "0" else "")
"""


def count(home: Path, folder: Path, times: int) -> str:
    argv = [sys.executable, "-c", COUNT, str(home), str(times)]
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(argv, env=environment, check=True, capture_output=True, text=True).stdout


def test_what_several_processes_count_is_summed_up_also_after_they_ended(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    count(tmp_path, folder, 2)
    count(tmp_path, folder, 3)
    found = samples(count(tmp_path, folder, 0).encode())
    assert value(found, "entrepot_request_seconds_count", operation="pull", method="GET", status="2xx") == 5
    assert value(found, "entrepot_sent_bytes_total") == 10
    assert value(found, "entrepot_requests_in_flight") == 3
    for file in folder.glob("gauge_live*"):
        file.unlink()
    found = samples(count(tmp_path, folder, 0).encode())
    assert value(found, "entrepot_requests_in_flight") == 1
    assert value(found, "process_uptime_seconds") >= 0


CROWD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
"""


@pytest.mark.parametrize(
    ("room", "sizes"),
    [(10, {}), (100_000, {"counter": 1, "gauge": 1, "histogram": 1}), (-1, {"counter": 1, "gauge": 1, "histogram": 4})],
)
def test_counters_lie_on_the_disk_before_they_are_touched_or_in_memory_when_there_is_no_room(
    tmp_path: Path, room: int, sizes: dict[str, int]
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    program = CROWD + COUNT.replace('"pull"', 'f"pull{_}"')
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "50", str(room)],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        check=False,
    )
    assert done.returncode == 0
    files = {file.name.partition("_")[0]: file.stat() for file in folder.iterdir()}
    assert all(found.st_blocks * 512 >= found.st_size for found in files.values())
    assert {kind: found.st_size >> 16 for kind, found in files.items()} == sizes
    assert b"process_uptime_seconds" in count(tmp_path, folder, 0).encode()


def test_the_library_counts_in_the_files_that_stand_in_for_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    mapped.install()
    kind = values.MultiProcessValue()
    counter = kind("counter", "name", "name", (), (), "help")
    assert isinstance(counter._file, mapped.RoomyDict), "mapped.py replaces a name that this prometheus_client does not use"
    kind.close_all_files()


@pytest.mark.skipif(not Path("/proc/1/stat").exists(), reason="this system tells of nobody but ourselves")
def test_a_number_of_a_dead_worker_that_another_program_has_by_now_is_not_added_up(tmp_path: Path) -> None:
    assert node.process_usage(str(os.getpid())).resident > 0
    assert node.process_usage("1") == node.Usage(0, 0.0)


def test_a_machine_without_proc_tells_what_it_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = Path.read_text

    def read(self: Path, *rest: object) -> str:
        if str(self).startswith(("/proc", "/sys")):
            raise FileNotFoundError
        return real(self, *rest)  # type: ignore[arg-type]

    def read_bytes(_self: Path) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert node.machine_memory().total > 1 << 28
    assert node.process_usage(str(os.getpid())).cpu > 0
    assert node.process_usage("1") == node.Usage(0, 0.0)
    assert node.memory_limit(node.Memory(7, 1)) == 7


@pytest.mark.parametrize(("limit", "expected"), [("max\n", 100), ("50\n", 50), ("500\n", 100)])
def test_a_containers_limit_counts_when_it_is_lower(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, expected: int
) -> None:
    (tmp_path / "max").write_text(limit)
    monkeypatch.setattr(node, "_CGROUP_LIMIT", tmp_path / "max")
    assert node.memory_limit(node.Memory(100, 1)) == expected


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert node.process_usage("999999999") == node.Usage(0, 0.0)


def test_what_the_background_process_tells_of_collection_is_told_by_every_other(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    count(tmp_path, folder, 1)
    run_, sums = collected.Run(1000, 3500, True, 2, 77), collected.Sums(runs=4, blobs=6, size=88, objects=3)
    collected.note(folder, collected.Collected(run_, sums, 0, 99, 5, 1, None))
    found = samples(count(tmp_path, folder, 0).encode())
    assert [value(found, f"entrepot_{name}_total") for name in ("collected_blobs", "deleted_objects")] == [6, 3]
    run = {"start": "1000", "end": "3500", "status": "COMPLETED", "type": "FULL"}
    assert value(found, "jfrt_artifacts_gc_duration_seconds", **run) == 2.5
    assert value(found, "jfrt_artifacts_gc_size_cleaned_bytes", **run) == 77
    assert (value(found, "entrepot_delete_queue_objects"), value(found, "entrepot_collected_bytes_total")) == (5, 88)
    assert value(found, "jfrt_artifacts_gc_next_run_seconds") == value(found, "entrepot_delete_queue_overdue_seconds") == 0
