"""Request and access logs: lines that log shippers read, and that no client can forge."""

import errno
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.logs.fields import Stamps, column, without_secrets, word
from entrepot.logs.lines import LineFile
from entrepot.logs.records import Accessed, Answered, RecordLogs

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
REQUEST = re.compile(
    rf"^({TIME})\|([0-9a-f]{{16}})\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|(\d+)\|(-?\d+)\|(-?\d+)\|(\d+)\|([^|]*)$"
)
ACCESS = re.compile(
    rf"^({TIME}) \[([^\]]*)\s*\] \[([^\]]*)\] (\S+:\S*)? *for client : *(\S+) */ *(\S+)? ?(\[([^\]]*)\])?$"
)
TRACE = "0123456789abcdef"
PLAIN = Answered(TRACE, "10.0.0.7", "admin", "GET", "/v2/r/i/manifests/latest", "", 200, 0, 1024, 3, "docker/27.3")


def written(folder: Path, note: Callable[[RecordLogs], None], name: str) -> str:
    logs = RecordLogs(folder, None)
    note(logs)
    logs.close()
    return (folder / name).read_text()


def request_line(folder: Path, done: Answered) -> str:
    return written(folder, lambda logs: logs.request(done), "artifactory-request.log")


def test_a_request_has_eleven_columns(tmp_path: Path) -> None:
    line = request_line(tmp_path, PLAIN)
    match = REQUEST.fullmatch(line.removesuffix("\n"))
    assert match is not None
    expected = (TRACE, "10.0.0.7", "admin", "GET", "/v2/r/i/manifests/latest", "200", "0", "1024", "3", "docker/27.3")
    assert match.groups()[1:] == expected


def test_the_context_path_is_not_part_of_the_url(tmp_path: Path) -> None:
    assert "|GET|/api/system/ping|" in request_line(tmp_path, PLAIN._replace(path="/artifactory/api/system/ping"))


def test_secrets_in_a_query_are_stars(tmp_path: Path) -> None:
    line = request_line(tmp_path, PLAIN._replace(query="a=1&access_token=sesame&b"))
    assert "?a=1&access_token=*****&b|" in line


@pytest.mark.parametrize("forged", ["x\n2026|", "x|y", "x\r", "x\x85y", "x\u2028y", "x\x00y"])
@pytest.mark.parametrize("field", ["agent", "user", "path", "query", "method", "address"])
def test_no_field_can_forge_a_line_or_a_column(tmp_path: Path, field: str, forged: str) -> None:
    text = request_line(tmp_path, PLAIN._replace(**{field: forged}))
    assert len(text.splitlines()) == 1
    assert REQUEST.fullmatch(text.removesuffix("\n"))


def test_a_long_agent_and_url_are_cut(tmp_path: Path) -> None:
    line = request_line(tmp_path, PLAIN._replace(agent="a" * 10_000, path="/" + "p" * 10_000))
    assert len(line) < 2048 + 512


def test_requests_can_be_left_out(tmp_path: Path) -> None:
    logs = RecordLogs(tmp_path, None, requests=False)
    logs.request(PLAIN)
    logs.close()
    assert not (tmp_path / "artifactory-request.log").exists()


@pytest.mark.parametrize(
    ("done", "rest"),
    [
        (
            Accessed(TRACE, "DEPLOY", True, "docker-local:a/b", "admin", "::1", "tok1"),
            "[ACCEPTED DEPLOY] docker-local:a/b for client : admin / ::1 [tok1]",
        ),
        (Accessed(TRACE, "LOGIN", False, "", "", "1.2.3.4"), "[DENIED LOGIN]  for client : NA / 1.2.3.4"),
    ],
)
def test_an_access_line_is_what_log_shippers_expect(tmp_path: Path, done: Accessed, rest: str) -> None:
    line = written(tmp_path, lambda logs: logs.access(done), "artifactory-access.log").removesuffix("\n")
    assert ACCESS.fullmatch(line)
    assert line.endswith(f" [{TRACE}] {rest}")


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_path_or_name_can_forge_an_access_line(target: str, user: str) -> None:
    for text in (word(target), word(user)):
        assert not re.search(r"[\s|\[\]]", text)
        text.encode()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("list", "list"),
        ("a=1", "a=1"),
        ("PASSWORD=x", "PASSWORD=*****"),
        ("%74oken=x", "%74oken=*****"),
        ("token=x&token=y", "token=*****&token=*****"),
        ("X-Amz-Signature=x&X-Amz-Credential=y", "X-Amz-Signature=*****&X-Amz-Credential=*****"),
        ("key=x&repoKey=docker", "key=*****&repoKey=docker"),
        ("token", "token"),
        ("offline_token=true&refresh_token=x", "offline_token=true&refresh_token=*****"),
    ],
)
def test_a_query_keeps_what_opens_nothing(query: str, shown: str) -> None:
    assert without_secrets(query) == shown


def test_a_column_is_cut_and_encoded() -> None:
    assert column("a|b\n" + "c" * 10, 8) == "a%7Cb%0Acccc"
    assert column("grün") == "grün"


def test_stamps_change_with_the_second() -> None:
    stamps = Stamps()
    assert [stamps.at(millis) for millis in (0, 7, 1000)] == [
        "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.007Z", "1970-01-01T00:00:01.000Z",
    ]  # fmt: skip


class Clockwork:
    """Keeps what is to be done later until the test does it."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, work: Callable[[], None]) -> None:
        self.due.append((seconds, work))


def test_lines_are_held_for_half_a_second_at_most(tmp_path: Path) -> None:
    later, path = Clockwork(), tmp_path / "x.log"
    file = LineFile(path, later)
    file.append(b"1\n")
    file.append(b"2\n")
    assert not path.exists()
    [(seconds, flush)] = later.due
    assert seconds == 0.5
    flush()
    assert path.read_bytes() == b"1\n2\n"
    file.append(b"3\n")
    assert len(later.due) == 2
    file.close()
    assert path.read_bytes() == b"1\n2\n3\n"
    flush()
    assert path.stat().st_mode & 0o777 == 0o600


def test_many_lines_are_not_held_at_all(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x.log", Clockwork())
    for _ in range(70):
        file.append(b"x" * 1023 + b"\n")
    assert (tmp_path / "x.log").stat().st_size == 65 << 10
    file.close()


def test_a_file_that_was_put_aside_or_removed_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    file = LineFile(path)
    file.append(b"1\n")
    path.rename(tmp_path / "x.log.1")
    file.append(b"2\n")
    assert path.read_bytes() == b"2\n"
    path.unlink()
    file.append(b"3\n")
    assert path.read_bytes() == b"3\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"1\n"
    file.close()
    file.close()


def test_a_log_that_cannot_be_written_says_so_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = LineFile(tmp_path / "none" / "x.log")
    file.append(b"1\n")
    file.append(b"2\n")
    assert file.lost == 2
    assert capsys.readouterr().err == f"{tmp_path}/none/x.log: No such file or directory; lines are lost\n"


def test_a_log_that_nobody_can_be_told_of_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.EPIPE, "nobody reads")

    monkeypatch.setattr(sys, "stderr", Closed())
    file = LineFile(tmp_path / "none" / "x.log")
    file.append(b"1\n")
    assert file.lost == 1


def test_two_writers_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    first, second = (LineFile(tmp_path / "x.log") for _ in range(2))
    for number in range(100):
        (first if number % 3 else second).append(b"%d" % number * 50 + b"\n")
    first.close()
    second.close()
    lines = (tmp_path / "x.log").read_bytes().splitlines()
    assert lines == [b"%d" % number * 50 for number in range(100)]
