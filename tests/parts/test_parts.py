"""What the other suites count on: a part comes up, dies wholly, and comes up again with what it had."""

import signal
import sys
from pathlib import Path

import obstore
import obstore.exceptions
import pytest
from obstore.store import S3Store

from tests.parts.distribution import distribution
from tests.parts.nginx import nginx
from tests.parts.postgres import Postgres, postgres
from tests.parts.presence import missing, tool
from tests.parts.processes import PartError, Server, answers, run, wait_until
from tests.parts.versitygw import S3, versitygw

FAMILY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""

# Starts a server and dies as a killed test run does, without cleaning up.
ABANDON = """
import os, pathlib, sys
from tests.parts.processes import Server
folder = pathlib.Path(sys.argv[1])
server = Server("abandoned", ["sleep", "60"], folder / "log")
server.start(lambda: True)
(folder / "pid").write_text(str(server.pid))
os._exit(0)
"""


def family(folder: Path) -> Server:
    """A running process whose child has left its group, as PostgreSQL's do; the child's id is in `folder`/pid."""
    server = Server("family", [sys.executable, "-c", FAMILY, folder / "pid"], folder / "log")
    server.start(lambda: (folder / "pid").exists() and (folder / "pid").read_text() != "")
    return server


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc")
class TestServer:
    def test_a_kill_takes_the_children_that_left_the_group(self, tmp_path: Path) -> None:
        server = family(tmp_path)
        child = int((tmp_path / "pid").read_text())
        server.kill9()
        assert wait_until(lambda: not _alive(child), seconds=10)

    def test_a_stop_that_leaves_processes_behind_is_a_failure(self, tmp_path: Path) -> None:
        argv = ["sh", "-c", "sleep 60 & echo ready; trap 'exit 0' TERM; wait"]
        server = Server("careless", argv, tmp_path / "log")
        server.start(lambda: "ready" in server.tail())
        with pytest.raises(PartError, match="left processes behind"):
            server.stop()
        assert server.survivors() == []

    def test_the_log_of_a_server_that_does_not_come_up_is_shown(self, tmp_path: Path) -> None:
        server = Server("broken", ["sh", "-c", "echo no such luck; exit 3"], tmp_path / "log")
        with pytest.raises(PartError, match=r"ended with 3 .*\n.*no such luck"):
            server.start(lambda: False)

    def test_a_server_ends_with_the_process_that_started_it(self, tmp_path: Path) -> None:
        run([sys.executable, "-c", ABANDON, tmp_path], env={"PYTHONPATH": str(Path(__file__).parents[2])})
        server = int((tmp_path / "pid").read_text())
        assert wait_until(lambda: not _alive(server), seconds=10)

    def test_a_stop_gives_the_exit_code(self, tmp_path: Path) -> None:
        server = Server("sleeper", ["sleep", "60"], tmp_path / "log")
        server.start(lambda: True)
        assert server.stop(by=signal.SIGTERM) == -signal.SIGTERM


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def test_an_absent_part_skips_with_its_reason_and_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENTREPOT_REQUIRE_PARTS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-client is not installed"):
        tool("no-such-client")
    monkeypatch.setenv("ENTREPOT_REQUIRE_PARTS", "1")
    with pytest.raises(pytest.fail.Exception, match="it is gone"):
        missing("it is gone")


@pytest.mark.parametrize("durable", [False, True])
def test_postgres_keeps_what_was_committed_over_a_restart_and_a_kill(durable: bool) -> None:
    with postgres(fsync=durable) as server:
        dsn = server.new_database()
        assert ask(server, dsn, "show fsync") == ("on" if durable else "off")
        ask(server, dsn, "create table kept (id int)")
        server.restart()
        ask(server, dsn, "insert into kept values (1)")
        server.kill9()
        server.start()
        assert ask(server, dsn, "select id from kept") == "1"


def ask(server: Postgres, dsn: str, question: str) -> str:
    """The answer of psql, unaligned."""
    assert server.server.running
    return run([tool("psql"), "-Atc", question, dsn]).out.strip()


def test_s3_keeps_objects_over_a_restart_and_refuses_a_wrong_key(tmp_path: Path) -> None:
    with versitygw(tmp_path) as server:
        obstore.put(bucket(server, server.secret_key), "a/b", b"content")
        server.restart()
        assert obstore.get(bucket(server, server.secret_key), "a/b").bytes() == b"content"
        assert (server.data / "a" / "b").read_bytes() == b"content"
        with pytest.raises(obstore.exceptions.PermissionDeniedError):
            obstore.get(bucket(server, "wrong"), "a/b")


def bucket(server: S3, secret: str) -> S3Store:
    """The bucket of `server` as obstore sees it."""
    return S3Store(
        server.bucket,
        endpoint=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=secret,
        region=server.region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def test_nginx_serves_files_and_passes_on_to_a_registry(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_text("1")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    with nginx(tmp_path / "plain", files=tmp_path / "files") as files:
        assert answers(f"{files.url}/one")
    with (
        distribution(tmp_path / "registry", program="docker-registry") as registry,
        nginx(tmp_path / "proxy", upstream=registry.url) as proxy,
    ):
        assert answers(f"{proxy.url}/v2/", 401)
