"""Run the load client: the Go program in `load/`, or `pyload/` where there is no Go. Both take the same flags."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.values import CHECKOUT, Failed, Outcome, Plan

PATIENCE = 1800


@dataclass(frozen=True, slots=True)
class Load:
    """What to ask of the load client; with `count` exactly so many operations, else as long as the plan says."""

    mode: str
    flags: tuple[str, ...]
    connections: int = 16
    count: int = 0


class Client:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.command, self.name = find_client(plan.scratch)

    def run(self, load: Load, address: str, authorization: str) -> Outcome:
        """Return what was counted; raises Failed when any operation was refused or cut off."""
        flags = (
            f"--mode={load.mode}",
            f"--address={address}",
            f"--connections={load.connections}",
            f"--warm={self.plan.warm}s",
            f"--seconds={self.plan.seconds}s",
            f"--count={load.count}",
            *load.flags,
        )
        done = subprocess.run(
            [*self.command, *flags],
            env={**os.environ, "LOAD_AUTHORIZATION": authorization, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise Failed(done.stderr.strip()[-300:])
        counted = json.loads(done.stdout)
        if counted["errors"]:
            raise Failed(f"{counted['errors']} errors, first: {counted['first_error']}")
        return Outcome(
            operations=counted["operations"],
            everything=counted["all_operations"],
            bytes=counted["bytes"],
            seconds=counted["seconds"],
            p50=counted["p50_ms"],
            p99=counted["p99_ms"],
        )


def find_client(scratch: Path) -> tuple[Sequence[str], str]:
    go = shutil.which("go")
    if go is None:
        return (sys.executable, "-m", "bench.pyload"), "the Python client (no Go here: expect lower rates everywhere)"
    binary = scratch / "load"
    built = subprocess.run(
        [go, "build", "-o", str(binary), "."],
        cwd=Path(__file__).parent / "load",
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise Failed(f"go build of the load client: {built.stderr.strip()[-300:]}")
    return (str(binary),), "the Go client"
