"""What a run is made of: plain values that every other module of the benchmark passes around."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHECKOUT = Path(__file__).resolve().parent.parent


class Unable(Exception):
    """A server or a tool that this machine does not have; its column is left empty."""


class Failed(Exception):
    """A step that should have worked and did not; its cell shows the text and the run ends with status 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how big: `seconds` counted after `warm` per measurement, `rounds` measurements per cell."""

    seconds: float
    warm: float
    rounds: int
    many: int
    pushes: int
    scratch: Path
    workers: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the load client counted: operations and payload bytes in `seconds`; latencies in milliseconds.

    `everything` counts the operations of the warm-up too, because the server worked for them as well.
    """

    operations: int
    everything: int
    bytes: int
    seconds: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement in the unit of its row; latencies in milliseconds where there were requests.

    `cpu` is the server's CPU time for one operation, in microseconds: a figure that noise hardly touches.
    """

    value: float
    p50: float | None = None
    p99: float | None = None
    operations: int = 0
    cpu: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """All measurements of one row on one server, or why there are none."""

    samples: tuple[Sample, ...] = ()
    error: str | None = None

    @property
    def median(self) -> Sample | None:
        ordered = sorted(self.samples, key=lambda sample: sample.value)
        return ordered[len(ordered) // 2] if ordered else None


@dataclass(frozen=True, slots=True)
class Goal:
    """`factor` times what `server` reached, or what ours reached in another row."""

    factor: float
    server: str | None = None
    row: str | None = None


class Server(Protocol):
    """One server under measurement, started on a free port of 127.0.0.1 with an empty folder of its own.

    Names of images (`app`, `tags-100`) are the benchmark's; `repository` gives the name that the server knows them by.
    """

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def is_registry(self) -> bool: ...

    def start(self) -> None:
        """Return when it answers; raises Unable where the machine lacks it, Failed with its last log lines."""

    def stop(self) -> None: ...
    def repository(self, image: str) -> str: ...
    def token(self, image: str | None) -> str:
        """Give the header value for one image, or for the catalog; good for one measurement; empty where anonymous."""

    def password(self) -> str:
        """Give the header value that carries the password itself; empty for anonymous servers."""

    def put_blob(self, image: str, digest: str, body: bytes) -> None: ...
    def put_manifest(self, image: str, reference: str, body: bytes) -> None: ...
    def seed_tags(self, image: str, prefix: str, count: int) -> None:
        """Put `prefix` + nine digits, 0 to count-1, on the one manifest of the image."""

    def seed_images(self, group: str, prefix: str, first: int, last: int) -> None:
        """Make images `group`/`prefix` + nine digits, from first to last-1, with one tag each."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `prepare` is called once for each server, `measure` once in each round."""

    name: str
    title: str
    unit: str
    prepare: Callable[[Server], None]
    measure: Callable[[Server], Sample]
    goal: Goal | None = None
    registries_only: bool = True
    writes: bool = False
    once: bool = False
    less_is_better: bool = False
