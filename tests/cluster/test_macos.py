"""macOS, as near as Linux comes to it: the program runs without all that only Linux has."""

from pathlib import Path

from tests.parts.entrepot import Entrepot, entrepot, program
from tests.parts.processes import run
from tests.parts.registry_client import Registry

MACOS = {"PYTHONPATH": str(Path(__file__).parents[1] / "parts" / "macos")}


async def _push_and_pull(server: Entrepot, tag: str) -> None:
    registry = Registry(server.url, server.user, server.password)
    try:
        await registry.check(await registry.push("docker-local/app", tag, [b"layer " * 100_000, tag.encode() * 50_000]))
    finally:
        await registry.close()


async def test_a_node_serves_starts_again_after_a_kill_and_is_found_clean(tmp_path: Path) -> None:
    with entrepot(tmp_path / "home", arguments=["--workers", "2"], environment=MACOS) as server:
        await _push_and_pull(server, "1")
        server.kill9()
        server.start()
        await _push_and_pull(server, "2")
        info = run(["curl", "-sf", "-u", f"{server.user}:{server.password}", f"{server.url}/artifactory/api/system/info"])
        assert '"openFileDescriptorCount":0' in info.out, "the stand-in was not in force"
        for check in (["gc", "--check"], ["fsck"]):
            assert "clean" in run([program(), *check, "--home", server.home], env=MACOS).all
