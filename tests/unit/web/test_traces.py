"""The id of a request: told in the answer and in the logs, and the caller's own where it names a trace."""

import asyncio
import re
from pathlib import Path

import pytest

from entrepot.cluster.home import logs_folder
from entrepot.web.traces import trace_of
from tests.served import prepared, served, settings_of
from tests.world import Given

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LOW = TRACE[16:]


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        ("traceparent", f"00-{TRACE}-{SPAN}-01", LOW), ("traceparent", f"cc-{TRACE}-{SPAN}-01-more", LOW),
        ("uber-trace-id", f"{TRACE}:{SPAN}:0:1", LOW), ("uber-trace-id", f"{LOW}%3A{SPAN}%3A0%3A1", LOW),
        ("uber-trace-id", "1f:2:0:1", "000000000000001f"),
        ("x-b3-traceid", TRACE, LOW), ("x-b3-traceid", LOW, LOW), ("b3", f"{TRACE}-{SPAN}-1", LOW),
    ],
)  # fmt: skip
def test_a_trace_that_the_caller_names_goes_on(name: str, value: str, id_: str) -> None:
    assert trace_of(Given({name: value})) == id_


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("traceparent", f"ff-{TRACE}-{SPAN}-01"), ("traceparent", f"00-{'0' * 32}-{SPAN}-01"), ("traceparent", TRACE),
        ("traceparent", f"00-{TRACE.upper()}-{SPAN}-01"), ("uber-trace-id", "a|b:c:d:e"), ("uber-trace-id", "0:0:0:0"),
        ("x-b3-traceid", TRACE + "\n"), ("x-b3-traceid", "a" * 17), ("b3", "0"), ("b3", "d"),
    ],
)  # fmt: skip
def test_what_is_no_trace_gets_an_id_of_our_own(name: str, value: str) -> None:
    ids = {trace_of(Given({name: value})) for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)


async def test_the_answer_names_the_id_that_the_log_has(tmp_path: Path) -> None:
    settings = await asyncio.to_thread(prepared, settings_of(tmp_path / "home"))
    async with served(settings) as client:
        trace = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        answers = [
            await client.get("/artifactory/api/system/ping", headers=trace),
            await client.get("/artifactory/none/there"),
            await client.get("/v2/", auth=None),
        ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids[0] == LOW
    assert len(set(ids)) == 3
    assert [answer.headers["x-jfrog-trace-id"] for answer in answers] == ids
    lines = (logs_folder(settings.home) / "artifactory-request.log").read_text().splitlines()
    assert [line.split("|")[1] for line in lines] == ids
