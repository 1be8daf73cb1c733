"""Structured events: one line each on stderr and in the file, whatever they carry."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from entrepot.logs import setup
from entrepot.logs.events import EventLog
from entrepot.logs.rotation import rotate
from entrepot.logs.setup import configure
from entrepot.settings import Secret


def events(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "entrepot.log").read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path, "worker", level="info", form="console")
    yield log
    log.close()


@pytest.fixture
def configured(log: EventLog) -> Iterator[EventLog]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure(log)
    yield log
    logging.captureWarnings(capture=False)
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_an_event_is_one_json_line_in_the_file_and_one_readable_line_on_stderr(
    log: EventLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.note("warning", "disk.full", path="/a b", left=7, empty="", secret=Secret("sesame"))
    [event] = events(tmp_path)
    assert event["event"] == "disk.full"
    assert (event["level"], event["process"], event["left"]) == ("warning", "worker", 7)
    shown = capsys.readouterr().err
    assert shown.endswith('WARNING  worker     disk.full  path="/a b" left=7 empty="" secret=*****\n')
    assert "sesame" not in shown + str(event)


def test_a_newline_in_a_word_cannot_forge_a_line(
    log: EventLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.note("info", "x", word="a\nERROR forged\u2028", odd="\ud800")
    assert len((tmp_path / "entrepot.log").read_bytes().splitlines()) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_less_severe_events_than_asked_for_are_left_out(log: EventLog, tmp_path: Path) -> None:
    log.note("debug", "x")
    assert not (tmp_path / "entrepot.log").exists()
    assert log.enabled("error")
    assert not log.enabled("debug")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize(
    ("form", "stream", "start"),
    [
        ("auto", Terminal, "time"),
        ("auto", io.StringIO, "json"),
        ("json", Terminal, "json"),
        ("console", io.StringIO, "time"),
    ],
)
def test_stderr_is_for_people_on_a_terminal_and_for_machines_elsewhere(
    monkeypatch: pytest.MonkeyPatch, form: str, stream: type[io.StringIO], start: str
) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.delenv("NO_COLOR", raising=False)
    EventLog(None, "cli", form=form).note("error", "x", exception="Traceback\n  one")
    shown = written.getvalue()
    assert shown.startswith("{") == (start == "json")
    assert ("\033[31m" in shown) == (start == "time" and stream is Terminal)
    assert shown.endswith("Traceback\n  one\n") == (start == "time")


def test_colours_can_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Terminal()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setenv("NO_COLOR", "1")
    EventLog(None, "cli").note("error", "x")
    assert "\033" not in written.getvalue()


def test_a_closed_stderr_does_not_stop_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stderr", Closed())
    log = EventLog(tmp_path, "worker")
    log.note("info", "x")
    log.note("info", "y")
    log.close()
    assert [event["event"] for event in events(tmp_path)] == ["x", "y"]


def test_structlog_writes_here_with_its_context(configured: EventLog, tmp_path: Path) -> None:
    with structlog.contextvars.bound_contextvars(request="abc"):
        structlog.get_logger().info("blob.stored", size=3)
        structlog.get_logger().debug("hidden")
    [event] = events(tmp_path)
    assert (event["event"], event["size"], event["request"], event["level"]) == ("blob.stored", 3, "abc", "info")


def test_an_exception_is_written_with_its_traceback(configured: EventLog, tmp_path: Path) -> None:
    try:
        int("boom")
    except ValueError as error:
        structlog.get_logger().exception("one")
        structlog.get_logger().error("two", exc_info=error)
        structlog.get_logger().error("three", exc_info=sys.exc_info())
        logging.getLogger("other").exception("four")
    found = events(tmp_path)
    assert [event["event"] for event in found] == ["one", "two", "three", "four"]
    assert all(str(event["exception"]).endswith("'boom'") for event in found)


def test_what_a_pool_of_connections_complains_of_over_and_over_is_one_line_each_time_that_it_begins(
    configured: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for now in (1000.0, 1001.0, 1003.0, 1063.0, 1300.0, 1301.0):  # up again in between
        monkeypatch.setattr(setup.time, "monotonic", lambda now=now: now)
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError:
            logging.getLogger("asyncpg.pool").warning("Failed to restore the floor; retrying", exc_info=True)
    found = events(tmp_path)
    words = "Failed to restore the floor; retrying: ConnectionRefusedError: [Errno 111] Connection refused"
    assert [event["event"] for event in found] == [words, words]
    assert not any("exception" in event for event in found)


def test_the_standard_librarys_loggers_and_warnings_write_here(configured: EventLog, tmp_path: Path) -> None:
    logging.getLogger("somebody").warning("careful with %s", "x")
    logging.getLogger("sqlalchemy.engine").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = events(tmp_path)
    assert (first["event"], first["logger"]) == ("careful with x", "somebody")
    assert "DeprecationWarning: old" in str(second["event"])


def test_full_logs_are_put_aside_and_the_oldest_go(tmp_path: Path) -> None:
    log, other = tmp_path / "x.log", tmp_path / "y.log"
    for round_ in range(5):
        log.write_text(f"{round_}" * 100)
        other.write_text("small")
        assert rotate(tmp_path, most_bytes=50, files=3) == ["x.log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log.1", "x.log.2", "y.log"]
    assert (tmp_path / "x.log.1").read_text().startswith("4")
    assert (tmp_path / "x.log.2").read_text().startswith("3")


def test_a_single_file_is_just_emptied(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("x" * 100)
    rotate(tmp_path, most_bytes=50, files=1)
    assert list(tmp_path.iterdir()) == []
