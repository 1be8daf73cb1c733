"""The node as a program: how it starts, what it refuses, how it survives and how it ends."""

import contextlib
import fcntl
import http.client
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.parts.certificate import certificate
from tests.parts.entrepot import entrepot, program
from tests.parts.processes import Server, Word, answers, free_port, run, short_folder, wait_until

STUB = (sys.executable, "-m", "tests.cluster.stub", "serve")
CHECKOUT = Path(__file__).parents[2]
SECONDS = 60


class Node(Server):
    """`serve` with stand-ins for the application; see stub.py."""

    port: int
    home: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS) as reply:
            return str(reply.read().decode())

    @property
    def printed(self) -> str:
        return self.log.read_text()

    @property
    def events(self) -> list[dict[str, object]]:
        log = self.home / "logs" / "entrepot.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def children(self) -> list[int]:
        return [pid for pid in self.survivors() if pid != self.pid]

    def workers(self) -> list[int]:
        words = {}
        for pid in self.children():
            with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
                words[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
        return [pid for pid, line in words.items() if b"entrepot.cluster.worker" in line]


def node(tmp_path: Path, *arguments: str, port: int | None = None, **environment: str) -> Node:
    number = port or free_port()
    home = tmp_path / "home"
    argv: Sequence[str] = [*STUB, "--home", str(home), "--port", str(number), *arguments]
    made = Node("entrepot", argv, tmp_path / "printed", {"PYTHONPATH": str(CHECKOUT), **environment}, drop="ENTREPOT_")
    made.port, made.home = number, home
    return made


@contextmanager
def running(made: Node) -> Iterator[Node]:
    made.start(lambda: "ready in" in made.printed, seconds=SECONDS)
    try:
        yield made
    finally:
        made.kill9()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Node]:
    with running(node(tmp_path)) as made:
        yield made


def refused(made: Node) -> str:
    """Start what must not start; the one line that it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    argv = [str(word) for word in made.argv]
    done = subprocess.run(
        argv, env=environment | dict(made.env), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "Traceback" not in line
    return line


def test_a_first_start_says_where_it_is_who_may_enter_and_what_to_try(served: Node) -> None:
    assert served.get("/") == "OK"
    registry = f"127.0.0.1:{served.port}"
    for words in (
        f"http://{registry}/artifactory/",
        "user admin, password made-up ",
        f"docker login -u admin {registry}\n",
        f"  docker pull hello-world; docker tag hello-world {registry}/docker-local/hello-world && docker push ",
        f"docker pull {registry}/docker-local/hello-world\n",
    ):
        assert words in served.printed
    assert re.search(r"^ready in \d+\.\d\d s$", served.printed, re.MULTILINE)


def test_a_start_says_which_ports_stand_for_nothing_where_the_password_is_and_why_the_node_is_not_ready(tmp_path: Path) -> None:
    idle, fine = free_port(), free_port()
    notes = json.dumps({"blob.store": "ConnectError:\n" + "refused " * 3, str(idle): "nosuch"})
    made = node(tmp_path, "--docker-ports", f"{idle}=nosuch,{fine}=docker-local", ENTREPOT_TEST_NOTES=notes)
    made.home.mkdir(mode=0o700, exist_ok=True)
    (made.home / "admin.password").write_text("of a start that failed")
    made.start(lambda: "ready" in made.printed, seconds=SECONDS)
    try:
        assert f"user admin, password in {made.home}/admin.password\n" in made.printed
        assert re.search(f":{idle}/v2/ +answers 404: there is no Docker repository nosuch yet\n", made.printed)
        assert re.search(f":{fine}/v2/ +Docker registry of docker-local\n", made.printed)
        assert made.printed.splitlines()[-1] == (
            "not ready: the blob store does not answer; the node is ready as soon as it does "
            "(ConnectError: refused refused refused)"
        )
        assert made.stop() == 0
    finally:
        made.kill9()


def test_it_serves_although_nobody_reads_what_it_prints_or_waits_for_its_notice(tmp_path: Path) -> None:
    made = node(tmp_path, NOTIFY_SOCKET=str(tmp_path / "gone"))
    made.argv = ["sh", "-c", '"$@" | true', "sh", *made.argv]
    made.start(lambda: answers(f"http://127.0.0.1:{made.port}/"), seconds=SECONDS)
    try:
        assert wait_until((made.home / "admin.password").exists, seconds=SECONDS)
        assert not wait_until(lambda: not made.workers() or "Traceback" in made.printed, seconds=1)
    finally:
        made.kill9()


@pytest.mark.parametrize("secure", [False, True])
def test_ping_asks_the_node_of_the_home_folder_whatever_its_port_and_proxies_say(tmp_path: Path, secure: bool) -> None:
    arguments: list[str] = []
    if secure:
        cert, key = certificate(tmp_path)
        arguments = ["--tls-cert", str(cert), "--tls-key", str(key)]
    ask: list[Word] = [program(), "ping", "--home", tmp_path / "home"]
    proxies = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}
    with running(node(tmp_path, "--host", "0.0.0.0", *arguments)) as made:
        assert run(ask, env=proxies).all.strip() == ""
        assert made.stop() == 0
    silent = run([*ask, "--port", str(made.port)], fails=True)
    assert (silent.code, silent.err.count("\n")) == (1, 1)
    assert f"The node at 127.0.0.1:{made.port} does not answer: Connection refused." in silent.err


def test_a_second_start_does_not_show_the_password_again(tmp_path: Path) -> None:
    with running(node(tmp_path)) as first:
        assert first.stop() == 0
    (tmp_path / "printed").unlink()
    with running(node(tmp_path)) as second:
        assert "made-up" not in second.printed


def test_nobody_else_can_read_any_file_that_a_node_makes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with entrepot(tmp_path / "home") as real:
            repository = httpx.put(
                f"{real.url}/artifactory/api/repositories/more",
                json={"rclass": "local", "packageType": "generic"},
                auth=(real.user, real.password),
            )
            assert repository.status_code == 200, repository.text
            made = ("audit.position", "logs/audit.log", "blobs/@entrepot")
            assert wait_until(lambda: all((real.home / name).exists() for name in made), seconds=SECONDS)
            assert list((real.home / "run" / "metrics").iterdir())
            open_to_others = [
                path for path in (real.home, *real.home.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077
            ]
    finally:
        os.umask(before)
    assert open_to_others == []


def test_nobody_else_can_read_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    with running(node(tmp_path)) as made:
        for path in [made.home, *made.home.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert stat.S_IMODE(made.home.stat().st_mode) == 0o700
        assert (made.home / "run" / "settings.json").exists()
        made.stop()
    assert not (made.home / "run" / "settings.json").exists()


def test_sigterm_ends_it_with_0_and_leaves_no_process(served: Node) -> None:
    assert served.stop() == 0
    assert [event["event"] for event in served.events[-2:]] == ["node.draining", "node.stopped"]


def test_ctrl_c_ends_it_with_0_although_the_terminal_tells_every_process(served: Node) -> None:
    os.killpg(served.pid, signal.SIGINT)
    assert served.popen.wait(SECONDS) == 0
    assert not served.survivors()


def slow(port: int, seconds: float) -> tuple[threading.Thread, list[bytes], threading.Event]:
    """A request that takes its time: its thread, where the answer will be, and when it has begun."""
    found: list[bytes] = []
    begun = threading.Event()

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/slow?{seconds}", timeout=SECONDS) as reply:
            found.append(reply.read(6))
            begun.set()
            try:
                found.append(reply.read())
            except http.client.IncompleteRead:
                found.append(b"cut off")

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, found, begun


def test_a_running_request_is_finished_before_it_ends(served: Node) -> None:
    thread, found, begun = slow(served.port, 1.5)
    assert begun.wait(SECONDS)
    assert served.stop() == 0
    thread.join(SECONDS)
    assert found == [b"begun ", b"ended"]


def test_nobody_new_waits_at_the_port_while_running_requests_are_finished(served: Node) -> None:
    thread, found, begun = slow(served.port, 3)
    assert begun.wait(SECONDS)
    served.popen.send_signal(signal.SIGTERM)

    def turned_away() -> bool:
        try:
            socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    assert wait_until(turned_away, seconds=SECONDS)
    assert thread.is_alive()
    thread.join(SECONDS)
    assert found == [b"begun ", b"ended"]


def test_a_request_that_never_ends_is_cut_off_when_the_time_for_draining_is_over(tmp_path: Path) -> None:
    with running(node(tmp_path, "--drain-seconds", "1")) as made:
        thread, found, begun = slow(made.port, 600)
        assert begun.wait(SECONDS)
        assert made.stop() == 0
        thread.join(SECONDS)
        assert found == [b"begun ", b"cut off"]
        assert "worker.cut_off" in [event["event"] for event in made.events]


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with running(node(tmp_path, "--drain-seconds", "600")) as made:
        thread, found, begun = slow(made.port, 600)
        assert begun.wait(SECONDS)
        made.popen.send_signal(signal.SIGINT)
        assert wait_until(lambda: "node.draining" in str(made.events), seconds=SECONDS)
        made.popen.send_signal(signal.SIGINT)
        assert made.popen.wait(SECONDS) == 130
        assert not made.survivors()
        thread.join(SECONDS)
        assert found == [b"begun ", b"cut off"]


def test_it_says_not_ready_while_it_still_answers_before_it_stops_accepting(tmp_path: Path) -> None:
    with running(node(tmp_path, "--drain-notice-seconds", "3")) as made:
        ready = f"http://127.0.0.1:{made.port}/ready"
        assert answers(ready)
        made.popen.send_signal(signal.SIGTERM)
        assert wait_until(lambda: answers(ready, 503), seconds=SECONDS)
        assert made.get("/") == "OK"
        assert made.popen.wait(SECONDS) == 0


def test_a_killed_worker_is_replaced_and_nobody_is_refused_meanwhile(served: Node) -> None:
    before = served.workers()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    assert [served.get("/") for _ in range(20)] == ["OK"] * 20
    assert wait_until(lambda: len(served.workers()) == 2 and before[0] not in served.workers(), seconds=SECONDS)
    assert wait_until(lambda: served.workers()[0] != 0 and "process.died" in str(served.events), seconds=SECONDS)
    assert served.stop() == 0


def test_the_background_process_is_replaced_too(served: Node) -> None:
    [jobs] = set(served.children()) - set(served.workers())
    os.kill(jobs, signal.SIGKILL)
    assert wait_until(lambda: set(served.children()) - set(served.workers()) not in ({jobs}, set()), seconds=SECONDS)
    assert served.stop() == 0


def test_a_process_that_cannot_be_started_now_is_started_later_and_the_others_go_on(tmp_path: Path) -> None:
    refused = tmp_path / "refused"
    with running(node(tmp_path, ENTREPOT_TEST_NO_SPAWN=str(refused))) as made:
        refused.touch()
        os.kill(made.workers()[0], signal.SIGKILL)
        assert wait_until(lambda: str(made.events).count("process.not_started") > 1, seconds=SECONDS)
        assert len(made.workers()) == 1
        refused.unlink()
        assert wait_until(lambda: len(made.workers()) == 2, seconds=SECONDS)
        assert [made.get("/") for _ in range(20)] == ["OK"] * 20
        assert made.stop() == 0


@pytest.mark.parametrize("whom", ["worker", "jobs"])
def test_a_process_that_hangs_is_ended_and_replaced(tmp_path: Path, whom: str) -> None:
    with running(node(tmp_path, ENTREPOT_TEST_HASTE="1")) as made:
        workers = made.workers()
        hung = workers[0] if whom == "worker" else (set(made.children()) - set(workers)).pop()
        os.kill(hung, signal.SIGSTOP)
        assert wait_until(lambda: hung not in made.children() and len(made.children()) == 3, seconds=SECONDS)
        [event] = [event for event in made.events if event["event"] == "process.hung"]
        assert event["killed"] == hung
        assert made.stop() == 0


def test_a_replacement_that_hangs_in_its_start_is_replaced_too(tmp_path: Path) -> None:
    hang = tmp_path / "hang"
    with running(node(tmp_path, ENTREPOT_TEST_HASTE="1", ENTREPOT_TEST_HANG=str(hang))) as made:
        hang.touch()
        os.kill(made.workers()[0], signal.SIGKILL)
        assert wait_until(lambda: not hang.exists(), seconds=SECONDS)
        assert wait_until(lambda: "process.hung" in str(made.events), seconds=SECONDS)
        assert wait_until(lambda: len(made.workers()) == 2, seconds=SECONDS)
        assert [made.get("/") for _ in range(20)] == ["OK"] * 20


@contextmanager
def preparing(tmp_path: Path) -> Iterator[tuple[Node, int]]:
    """The product's own node, and its process that prepares the database, which waits for the lock that we hold."""
    made = node(tmp_path)
    made.argv = [program(), *made.argv[3:]]
    made.home.mkdir(mode=0o700)
    with (made.home / "write.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.start(lambda: "database.migrating" in str(made.events), seconds=SECONDS)
        try:
            [child] = made.children()
            yield made, child
        finally:
            made.kill9()


def test_a_node_that_still_prepares_its_database_ends_at_a_signal(tmp_path: Path) -> None:
    with preparing(tmp_path) as (made, _):
        assert made.stop() == 0


def test_a_preparation_that_does_not_end_when_asked_is_ended_by_a_second_signal(tmp_path: Path) -> None:
    with preparing(tmp_path) as (made, child):
        os.kill(child, signal.SIGSTOP)
        stat = Path(f"/proc/{child}/stat")  # of two signals that wait the lower is delivered first
        assert wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", seconds=SECONDS)
        made.popen.send_signal(signal.SIGTERM)
        assert not wait_until(lambda: child not in made.survivors(), seconds=0.5)
        made.popen.send_signal(signal.SIGTERM)
        assert made.popen.wait(SECONDS) == 0
        assert not made.survivors()


def test_a_preparation_ends_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with preparing(tmp_path) as (made, child):
        os.kill(made.pid, signal.SIGKILL)
        assert wait_until(lambda: child not in made.survivors(), seconds=SECONDS)


def test_when_the_supervisor_is_killed_its_processes_end_and_the_home_is_free(served: Node, tmp_path: Path) -> None:
    children = served.children()
    os.kill(served.pid, signal.SIGKILL)
    assert wait_until(lambda: not set(children) & set(served.survivors()), seconds=SECONDS)
    served.popen.wait(SECONDS)
    (tmp_path / "printed").unlink()
    with running(node(tmp_path, port=served.port)) as again:
        assert again.get("/") == "OK"


def test_all_processes_together_idle_in_little_memory(served: Node) -> None:
    """The bound is for the stand-in; what the product needs is measured in the benchmark."""
    assert served.get("/") == "OK"
    sizes = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in served.survivors()]
    assert sum(sizes) * os.sysconf("SC_PAGE_SIZE") < 200 << 20


def test_a_second_instance_on_the_same_home_is_refused_in_one_line(served: Node, tmp_path: Path) -> None:
    line = refused(node(tmp_path))
    assert line == f"entrepot: Another entrepot (process {served.pid}) is running on the home folder {served.home}."
    assert served.get("/") == "OK"


@pytest.mark.parametrize("extra", [False, True])
def test_a_taken_port_is_refused_in_one_line(tmp_path: Path, extra: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        made = node(tmp_path, "--docker-ports", f"{port}=docker") if extra else node(tmp_path, port=port)
        assert refused(made) == f"entrepot: Port {port} of 127.0.0.1 is taken by another program."


def test_a_port_that_shares_itself_is_taken_all_the_same(served: Node, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert "is taken" in refused(node(tmp_path / "other", port=served.port))


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_refused_in_one_line(tmp_path: Path, host: str) -> None:
    assert refused(node(tmp_path, "--host", host)).startswith("entrepot: Cannot listen on port ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prot", "1"], "No such option: --prot"),
        (["--workers", "none"], "--workers must be a whole number from 1 to 64, not 'none'"),
        (["--workers"], "requires an argument"),
        (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "tls.cert: /nowhere cannot be read"),
        (["--settings", "/nowhere"], "/nowhere: there is no such file"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in refused(node(tmp_path, *arguments))
    assert not (tmp_path / "home").exists()


def test_an_unknown_variable_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "unknown setting ENTREPOT_PROT" in refused(node(tmp_path, ENTREPOT_PROT="1"))


def test_a_certificate_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("nothing")
    line = refused(node(tmp_path, "--tls-cert", str(file), "--tls-key", str(file)))
    assert line.startswith(f"entrepot: tls.cert: {file} holds no certificate in PEM form")


def test_a_home_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    assert refused(node(tmp_path)) == f"entrepot: The home folder {tmp_path}/home cannot be used: it is not a folder."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_without_write_permission_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    assert "cannot be used: Permission denied" in refused(node(tmp_path))


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a file system that nobody can write to")
def test_an_unwritable_home_is_refused_in_one_line_to_root_too() -> None:
    made = node(Path("/proc"))
    assert re.search("The home folder /proc/home cannot be used: .", refused(made))


def test_an_application_that_cannot_open_is_told_in_one_line(tmp_path: Path) -> None:
    line = refused(node(tmp_path, ENTREPOT_TEST_BROKEN="the store is on fire."))
    assert re.fullmatch(r"entrepot: worker-\d did not start: the store is on fire\.", line)


def test_a_database_that_cannot_be_prepared_is_told_in_one_line(tmp_path: Path) -> None:
    line = refused(node(tmp_path, ENTREPOT_TEST_UNPREPARED="1"))
    assert line == "entrepot: The database did not start: the database is made of stone."


def test_extra_ports_and_both_versions_of_http_are_served_by_the_same_workers(tmp_path: Path) -> None:
    extra = free_port()
    with running(node(tmp_path, "--docker-ports", f"{extra}=docker-local", "--http2", "always")) as made:
        assert made.get("/about") == f"http 1.1 {made.port}"
        with urllib.request.urlopen(f"http://127.0.0.1:{extra}/about", timeout=SECONDS) as reply:
            assert reply.read().decode() == f"http 1.1 {extra}"
        with httpx.Client(http1=False, http2=True) as client:
            assert client.get(f"http://127.0.0.1:{extra}/about").text == f"http 2 {extra}"
        assert len(made.workers()) == 2


@pytest.mark.parametrize(("http2", "offered"), [("tls", "h2"), ("never", "http/1.1")])
def test_tls_offers_both_versions_of_http_unless_told_otherwise(tmp_path: Path, http2: str, offered: str) -> None:
    cert, key = certificate(tmp_path)
    with running(node(tmp_path, "--tls-cert", str(cert), "--tls-key", str(key), "--http2", http2)) as made:
        context = ssl.create_default_context(cafile=str(cert))
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", made.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.selected_alpn_protocol() == offered
        trusting = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(verify=trusting, http2=True) as client:
            answer = client.get(f"https://localhost:{made.port}/about")
        assert answer.text.split()[0] == "https"
        assert answer.http_version == ("HTTP/2" if offered == "h2" else "HTTP/1.1")
        assert f"https://127.0.0.1:{made.port}/artifactory/" in made.printed
        made.stop()


def test_a_flood_of_slow_headers_does_not_lock_others_out(served: Node) -> None:
    flood = [socket.create_connection(("127.0.0.1", served.port), SECONDS) for _ in range(1000)]
    try:
        for connection in flood:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert [served.get("/") for _ in range(20)] == ["OK"] * 20
    finally:
        for connection in flood:
            connection.close()


def test_headers_beyond_the_bound_are_refused_and_cost_nothing_more(served: Node) -> None:
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: ")
        try:
            for _ in range(64):
                connection.sendall(b"a" * (64 << 10))
            answer = connection.recv(64)
        except ConnectionError:
            answer = b""
    assert answer[:12] in {b"", b"HTTP/1.1 431", b"HTTP/1.1 400"}
    assert served.get("/") == "OK"


def test_full_logs_are_put_aside_while_it_runs(tmp_path: Path) -> None:
    with running(node(tmp_path, "--log-rotate-bytes", "64KiB", "--log-rotate-files", "2")) as made:
        log = made.home / "logs" / "artifactory-request.log"
        log.write_bytes(b"x" * (65 << 10))
        assert wait_until(lambda: log.with_name(f"{log.name}.1").exists(), seconds=SECONDS)
        assert not log.exists()


def test_a_connection_that_says_nothing_is_closed(served: Node) -> None:
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as silent:
        assert silent.recv(1) == b""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere accepted sockets do not inherit it")
def test_a_dead_client_is_noticed_by_the_kernel(served: Node) -> None:
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as connection:
        name = f"{connection.getsockname()[1]:04X}"
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        [timer] = [row[5][:2] for row in rows if row[2].endswith(f":{name}") and row[3] == "01"]
    assert timer == "02"  # the keep-alive timer runs, proc(5)


def test_systemd_is_told_when_it_is_ready(tmp_path: Path) -> None:
    with short_folder("sd") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(SECONDS)
        with running(node(tmp_path, NOTIFY_SOCKET=str(folder / "notify"))):
            assert systemd.recv(64) == b"READY=1"
