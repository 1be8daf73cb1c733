"""The live tests of JFrog's own Go client, the groups that speak to what is here: artifacts, repositories, big files, access.

They are compiled by `.ci/install` and run as they are. A test that cannot pass yet is named below with the reason; one that is
named and passes fails ours, so that the list stays true.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.presence import missing, tool

SECONDS = 600
MODULE = "github.com/jfrog/jfrog-client-go@v1.55.0/tests"
_OUTCOME = re.compile(r"^ *--- (PASS|FAIL|SKIP): (\S+)", re.MULTILINE)

LATER: Mapping[str, str] = {
    "TestReplication": "replication comes with its own version",
}
"""Tests that fail, and why; whatever contains a named one counts as named."""
LEFT_OUT: Mapping[str, str] = {
    "TestCreateAqlQueryForBuildInfoJson": "publishes a build, and panics where that is not possible",
    "TestArtifactoryFederation$": "federation between instances comes with its own version",
    "Xray|Distribution|Build": "scanning, distribution and builds come with their own versions",
}


@dataclass(frozen=True, slots=True)
class Outcomes:
    passed: frozenset[str]
    failed: frozenset[str]
    output: str


def token(registry: Registry) -> str:
    """A token of the administrator, without which the tests of the Access API do not begin."""
    reply = registry.call(
        "POST", "/access/api/v1/tokens", {"scope": "applied-permissions/admin", "expires_in": SECONDS}
    )
    made: str = json.loads(reply.body)["access_token"]
    return made


def live(registry: Registry, group: str) -> Outcomes:
    """Run a group of the live tests."""
    cache = os.environ.get("GOMODCACHE") or str(Path(os.environ.get("GOPATH") or Path.home() / "go") / "pkg" / "mod")
    folder = Path(cache) / MODULE
    program = tool("cgtests")
    if not folder.is_dir():
        missing(f"the sources of the live tests are not in {folder}")
    arguments = (
        "-test.v", "-test.timeout", "0", "-test.skip", "|".join(LEFT_OUT), f"--test.{group}", f"--rt.url={registry.url}/artifactory/",
        f"--rt.user={registry.user}", f"--rt.password={registry.password}", "--ci.runId=entrepot",
        f"--access.url={registry.url}/access/", f"--access.token={token(registry)}",
    )  # fmt: skip
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    output = done.stdout + done.stderr
    found: dict[str, set[str]] = {"PASS": set(), "FAIL": set(), "SKIP": set()}
    for outcome, name in _OUTCOME.findall(output):
        found[outcome].add(name)
    return Outcomes(frozenset(found["PASS"]), frozenset(found["FAIL"]), output)


@pytest.mark.parametrize(("group", "fewest"), [("artifactory", 65), ("repositories", 135), ("mpu", 4), ("access", 14)])
def test_every_live_test_passes_but_those_that_are_named(
    registry: Registry, entrepot_only: None, group: str, fewest: int
) -> None:
    judge(live(registry, group), fewest)


@pytest.mark.parametrize(("group", "fewest"), [("artifactory", 65), ("access", 14)])
def test_on_postgresql_with_several_workers_too(
    on_postgres: Registry, entrepot_only: None, group: str, fewest: int
) -> None:
    judge(live(on_postgres, group), fewest)


def judge(outcomes: Outcomes, fewest: int) -> None:
    expected = {name for named in LATER for name in outcomes.failed if named == name or named.startswith(f"{name}/")}
    surprising = sorted(outcomes.failed - expected)
    assert not surprising, f"{surprising}\n{outcomes.output[-6000:]}"
    assert len(outcomes.passed) >= fewest, outcomes.output[-2000:]
    assert not (set(LATER) & outcomes.passed), "no longer an exception: take it from the list"
