"""What each process counts. Counters lie in mapped files of the node, so that any process can sum up all of them.

    entrepot_request_seconds{operation,method,status}   histogram; status as 2xx
    entrepot_requests_in_flight                          gauge, over the live processes
    entrepot_received_bytes_total  entrepot_sent_bytes_total
    entrepot_login_failures_total{how}
    jfrt_db_connections_{active,idle,max_active,min_idle}_total

What the background process tells of the collection is in `collected`, what is measured when it is asked for in `node`.

The supervisor sets PROMETHEUS_MULTIPROC_DIR for the processes that it starts, empties the folder at the start and
removes what a dead process said about the moment. Elsewhere (tests) everything is kept in memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from entrepot.metrics import mapped
from entrepot.metrics.collected import CollectedCollector, shared_folder
from entrepot.metrics.node import NodeCollector

_FLUSH_SECONDS = 1.0
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
_CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")


Later = Callable[[float, Callable[[], None]], object]


class _Series:
    """One labelled series of a histogram, gathered in plain numbers until it is flushed."""

    __slots__ = ("_child", "counts", "total")

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def flush(self) -> None:
        """Add what was gathered to the shared file."""
        mapped.observe_all(self._child, self.counts, self.total)
        self.counts, self.total = [0] * len(self.counts), 0.0


class Meter:
    """Counts the requests of one row of the route table: about a microsecond each."""

    __slots__ = ("_classes", "_metrics", "_words")

    def __init__(self, metrics: Metrics, words: tuple[str, str]) -> None:
        self._metrics = metrics
        self._words = words
        self._classes: list[_Series | None] = [None] * len(_CLASSES)

    def answered(self, status: int, seconds: float, *, received: int, sent: int) -> None:
        """Note an answered request; lengths in bytes."""
        place = status // 100 if status < 600 else 0
        series = self._classes[place]
        if series is None:
            series = self._classes[place] = self._metrics.series(*self._words, _CLASSES[place])
        series.counts[bisect_left(_SECONDS, seconds)] += 1
        series.total += seconds
        self._metrics.moved(received, sent)


class Metrics:
    """All metrics of one process, and the sum over the processes of its node. One for each process."""

    def __init__(self, home: Path, later: Later | None = None) -> None:
        """`later` schedules the flushes, as `loop.call_later` does; without it only `flush` and `render` flush."""
        self._later = later
        self._dirty = False
        self._series: list[_Series] = []
        self._bytes = [0, 0]
        self._busy = 0
        mapped.install()
        registry = self._registry = CollectorRegistry()
        self._requests = Histogram(
            "entrepot_request_seconds",
            "Time to answer",
            ("operation", "method", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._received = Counter("entrepot_received_bytes", "Bytes of request bodies", registry=registry)
        self._sent = Counter("entrepot_sent_bytes", "Bytes of response bodies", registry=registry)
        self._in_flight = Gauge(
            "entrepot_requests_in_flight", "Requests being answered", multiprocess_mode="livesum", registry=registry
        )
        self._failures = Counter("entrepot_login_failures", "Refused credentials", ("how",), registry=registry)
        self._pool = {
            name: Gauge(f"jfrt_db_connections_{name}_total", words, multiprocess_mode="livesum", registry=registry)
            for name, words in (
                ("active", "Database connections in use"),
                ("idle", "Database connections waiting for use"),
                ("max_active", "Database connections there may be"),
                ("min_idle", "Database connections that are kept"),
            )
        }
        self._shared = shared_folder()
        self._node = NodeCollector(home, self._shared)

    def meter(self, operation: str, method: str) -> Meter:
        """Return what counts the requests of a row of the route table; make it once for each row."""
        return Meter(self, (operation, method))

    def series(self, operation: str, method: str, status: str) -> _Series:
        """Return a series of the request histogram; for Meter."""
        found = _Series(self._requests.labels(operation, method, status))
        self._series.append(found)
        return found

    def moved(self, received: int, sent: int) -> None:
        """Note bytes that came in and went out."""
        self._bytes[0] += received
        self._bytes[1] += sent
        if not self._dirty:
            self._touch()

    def entered(self) -> None:
        """Note that a request is being answered."""
        self._busy += 1
        if not self._dirty:
            self._touch()

    def left(self) -> None:
        """Note that a request is not being answered any more."""
        self._busy -= 1
        if not self._dirty:
            self._touch()

    def login_failed(self, how: str) -> None:
        """Note refused credentials; `how` is one of a few words such as "basic"."""
        self._failures.labels(how).inc()

    def database(self, *, active: int, idle: int, most: int, least: int) -> None:
        """State the database connections of this process."""
        for name, value in (("active", active), ("idle", idle), ("max_active", most), ("min_idle", least)):
            self._pool[name].set(value)

    def flush(self) -> None:
        """Write what was gathered to the shared files."""
        self._dirty = False
        for series in self._series:
            if series.total:
                series.flush()
        received, sent = self._bytes
        self._bytes = [0, 0]
        self._received.inc(received)
        self._sent.inc(sent)
        self._in_flight.set(self._busy)

    def render(self) -> bytes:
        """Return everything in the Prometheus text format.

        Reads the files of all processes, some milliseconds. What other processes counted within the last second may
        be missing.
        """
        if self._later is None:
            self.flush()
        if self._shared is None:
            return bytes(generate_latest(self._registry)) + self._render_node()
        summed = CollectorRegistry()
        MultiProcessCollector(summed, str(self._shared))  # type: ignore[no-untyped-call]
        return bytes(generate_latest(summed)) + self._render_node()

    def _touch(self) -> None:
        self._dirty = True
        if self._later is not None:
            self._later(_FLUSH_SECONDS, self.flush)

    def _render_node(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(self._node)
        if self._shared is not None:
            registry.register(CollectedCollector(self._shared))
        return bytes(generate_latest(registry))
