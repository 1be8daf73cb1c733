"""The conformance tool of the OCI distribution specification, with every check on but sparse manifests."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.clients.registry import LOCAL, Registry
from tests.parts.presence import tool
from tests.parts.processes import PartError

# Off by default in the tool; all else is on. Sparse manifests are those whose blobs the registry does not have.
SWITCHES = ("BLOBS_UPLOAD_CANCEL", "MANIFESTS_TAG_PARAM", "BLOBS_DIGEST_HEADER", "MANIFESTS_DIGEST_HEADER")
SECONDS = 300
SHOWN = 60
FEWEST_CHECKS = 900
"""The tool ran 967 checks and skipped 25 when this was written; far fewer means that it did not run."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the tool found: its exit code, how many checks it made, those that failed and why, its own table."""

    code: int
    checks: int
    failed: list[str]
    table: str


@pytest.fixture(scope="module")
def report(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One run of the tool over two repositories."""
    results = tmp_path_factory.mktemp("conformance")
    settings = {
        "OCI_REGISTRY": registry.host,
        "OCI_TLS": "disabled",
        "OCI_USERNAME": registry.user,
        "OCI_PASSWORD": registry.password,
        "OCI_REPO1": f"{LOCAL}/conformance/repo1",
        "OCI_REPO2": f"{LOCAL}/conformance/repo2",
        "OCI_VERSION": "1.1",
        "OCI_RESULTS_DIR": str(results),
        "OCI_LOG": "error",
        "PATH": "",
        **{f"OCI_API_{switch}": "true" for switch in SWITCHES},
    }
    program = tool("conformance")
    done = subprocess.run(
        [program], env=settings, cwd=results, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if not (results / "junit.xml").exists():
        raise PartError(f"the conformance tool gave no results, exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return read(results / "junit.xml", done)


def read(junit: Path, done: subprocess.CompletedProcess[str]) -> Report:
    """Count the tool's outcomes. A test case has its outcome in `status`, the reason in `system-out`."""
    root = ET.parse(junit).getroot()
    failed = [
        f"{case.get('name')}: {case.findtext('system-out', '')[:500]}"
        for case in root.iter("testcase")
        if case.get("status") not in {"passed", "skipped"}
    ]
    checks = int(root.get("tests", 0)) - int(root.get("skipped", 0))
    return Report(done.returncode, checks, failed, done.stdout[done.stdout.rfind("OCI Conformance Result") :])


def test_no_check_fails(report: Report) -> None:
    if report.failed or report.code:
        pytest.fail("\n".join([report.table, f"exit {report.code}", *report.failed[:SHOWN]]), pytrace=False)


def test_the_checks_did_run(report: Report) -> None:
    assert report.checks > FEWEST_CHECKS, report.table
