"""JFrog's Java client: every method once, as a script would use it (`tests/parts/java/Script.java`)."""

from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.presence import missing, parts_folder, tool
from tests.parts.processes import run

SCRIPT = Path(__file__).parents[1] / "parts" / "java" / "Script.java"
STEPS = 60  # at least: the script went through
LATER = {
    "builds.getAllBuilds": "builds come later",
    "plugins.list": "plugins come later",
    "plugins.list.type": "plugins come later",
    "plugins.execute": "plugins come later",
    "repository.replicationStatus": "replication comes later",
    "repository.replications": "replication comes later",
}


@pytest.fixture
def told(registry: Registry, tmp_path: Path, entrepot_only: None) -> dict[str, str]:
    """What the script says of each method."""
    jars = parts_folder() / "java" / "lib"
    if not jars.is_dir():
        missing("the Java client is not installed (.ci/install obtains it)")
    run([tool("javac"), "-nowarn", "-cp", f"{jars}/*", "-d", tmp_path, SCRIPT])
    account = (registry.url, registry.user, registry.password)
    printed = run([tool("java"), "-cp", f"{tmp_path}:{jars}/*", "Script", *account]).out
    return dict(line.split("\t", 1) for line in printed.splitlines())


def test_every_method_does_what_it_says(told: dict[str, str]) -> None:
    assert {name: said for name, said in told.items() if said != "ok" and name not in LATER} == {}
    assert len(told) >= STEPS
    assert told["repository.delete"] == "ok"
