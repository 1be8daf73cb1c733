"""What a client of a plain port sees: every request answered once, whole and in order, or the connection ended."""

import asyncio
import json
import socket

import pytest

from tests.unit.cluster.http1.talk import on_both_loops, said, serving, until

GET = b"GET /ok HTTP/1.1\r\nHost: here\r\n\r\n"


def upload(body: bytes, path: str = "/echo", *fields: str) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# Requests and answers.


@on_both_loops
async def test_one_connection_serves_many_requests_with_and_without_bodies() -> None:
    async with serving() as made:
        client = await made.client()
        for size in (0, 1, 70_000, 1 << 20, 5 << 20):
            body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            sending = asyncio.create_task(client.say(upload(body)))
            assert (await client.hear()).body == said(body)
            await sending
            assert (await client.get("/ok")).body == b"ok"


@on_both_loops
async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(
            GET + upload(b"abc") + b"HEAD /ok HTTP/1.1\r\nHost: here\r\n\r\n" + upload(b"d" * 100_000) + GET
        )
        assert (await client.hear()).body == b"ok"
        assert (await client.hear()).body == said(b"abc")
        assert (await client.hear(bodiless=True)).status == 200
        assert (await client.hear()).body == said(b"d" * 100_000)
        assert (await client.hear()).body == b"ok"


@on_both_loops
async def test_a_body_in_chunks_arrives_whole_and_its_trailers_are_no_headers() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(
            b"PUT /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n" + GET
        )
        assert (await client.hear()).body == said(b"abcde")
        assert (await client.hear()).body == b"ok"
        await client.say(b"PUT /scope HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        headers = json.loads((await client.hear()).body)["headers"]
        assert ["authorization", "Basic eDp5"] not in headers


@on_both_loops
async def test_the_path_arrives_as_it_was_sent() -> None:
    async with serving() as made:
        client = await made.client()
        scope = json.loads((await client.get("/scope/a%2Fb//c%20;k=v?q=1%26&r")).body)
        assert (scope["raw_path"], scope["query_string"]) == ("/scope/a%2Fb//c%20;k=v", "q=1%26&r")
        await client.say("GET /scope/gr\u00fc\u00df HTTP/1.1\r\nHost: here\r\nX-Name: caf\u00e9\r\n\r\n".encode())
        scope = json.loads((await client.hear()).body)
        assert scope["raw_path"] == "/scope/gr%C3%BC%C3%9F"
        assert ["x-name", "caf\u00e9".encode().decode("latin-1")] in scope["headers"]


@on_both_loops
async def test_an_absolute_target_names_the_host_that_counts() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET http://there:81/scope?x=/ HTTP/1.1\r\nHost: here\r\n\r\n")
        scope = json.loads((await client.hear()).body)
        assert (scope["raw_path"], scope["query_string"]) == ("/scope", "x=/")
        assert scope["headers"] == [["host", "there:81"]]
        await client.say(b"GET http://there?a HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await client.hear()).body == b"ok"
        assert made.script.asked[-1] == "/"


@on_both_loops
async def test_answers_without_a_body_have_none() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"HEAD /large?5 HTTP/1.1\r\nHost: here\r\n\r\n" + GET)
        assert (await client.hear(bodiless=True)).status == 200
        assert (await client.hear()).body == b"ok"
        await client.say(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n" + GET)
        empty = await client.hear(bodiless=True)
        assert (empty.status, "content-length" in empty.headers) == (204, False)
        assert (await client.hear()).body == b"ok"


@on_both_loops
async def test_an_answer_of_unknown_length_comes_in_chunks() -> None:
    async with serving() as made:
        client = await made.client()
        found = await client.get("/pieces")
        assert (found.headers["transfer-encoding"], found.body) == ("chunked", b"one two three")
        assert (await client.get("/ok")).body == b"ok"


@on_both_loops
async def test_http_1_0_is_answered_without_chunks_and_kept_only_when_asked() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        found = await client.hear()
        assert (found.body, found.headers["connection"]) == (b"ok", "keep-alive")
        await client.say(b"GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        found = await client.hear()
        assert (found.body, found.headers["connection"]) == (b"one two three", "close")
        other = await made.client()
        await other.say(b"GET /ok HTTP/1.0\r\n\r\n")
        assert (await other.hear()).headers["connection"] == "close"
        assert await other.ended() == b""


@on_both_loops
async def test_whoever_asks_to_close_is_closed_to() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /ok HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n" + GET)
        assert (await client.hear()).headers["connection"] == "close"
        assert await client.ended() == b""
        assert made.script.asked == ["/ok"]


@on_both_loops
async def test_another_protocol_that_is_offered_is_passed_over() -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /ok HTTP/1.1\r\nHost: here\r\n" + upgrade + b"\r\n" + GET)
        assert [(await client.hear()).body for _ in range(2)] == [b"ok", b"ok"]
        await client.say(upload(b"abc", "/echo", *upgrade.decode().split("\r\n")[:-1]) + GET)
        assert (await client.hear()).body == said(b"abc")
        assert (await client.hear()).body == b"ok"


@on_both_loops
async def test_a_client_that_only_closed_its_side_gets_its_answer() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(GET + GET)
        client.writer.write_eof()
        assert [(await client.hear()).body for _ in range(2)] == [b"ok", b"ok"]
        assert await client.ended() == b""


@on_both_loops
async def test_spaces_around_a_value_are_no_part_of_it() -> None:
    async with serving() as made:
        client = await made.client()
        for framing, body in (
            (b"Content-Length: \t3 \t", b"abc"),
            (b"Transfer-Encoding: chunked ", b"3\r\nabc\r\n0\r\n\r\n"),
        ):
            await client.say(b"PUT /echo HTTP/1.1\r\nHost: here \r\n" + framing + b"\r\n\r\n" + body)
            assert (await client.hear()).body == said(b"abc")
        await client.say(b"PUT /scope HTTP/1.1\r\nHost: here \r\nContent-Length: 0 \r\n\r\n")
        assert json.loads((await client.hear()).body)["headers"] == [["host", "here"], ["content-length", "0"]]


# Whoever waits to be told to go on.


@on_both_loops
async def test_a_client_that_expects_it_is_told_to_go_on_when_its_body_is_wanted() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(upload(b"abc", "/echo", "Expect: 100-continue")[:-3])
        assert (await client.hear(bodiless=True)).status == 100
        await client.say(b"abc")
        assert (await client.hear()).body == said(b"abc")
        assert (await client.get("/ok")).body == b"ok"


@on_both_loops
async def test_a_client_whose_body_is_not_wanted_is_not_told_to_go_on() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(upload(b"abc", "/unread", "Expect: 100-continue")[:-3])
        found = await client.hear()
        assert (found.status, found.headers["connection"]) == (401, "close")
        assert await client.ended() == b""


@on_both_loops
async def test_a_client_that_still_sends_what_nobody_wants_can_read_the_answer() -> None:
    async with serving() as made:
        client = await made.client()
        sending = asyncio.create_task(client.say(upload(bytes(20 << 20), "/unread")))
        found = await client.hear()
        assert (found.status, found.headers["connection"], found.body) == (401, "close", b"no")
        await sending
        assert await client.ended() == b""


# Bodies and answers that break.


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("end", ["half", "whole", "reset"])
@on_both_loops
async def test_a_body_that_is_cut_off_never_looks_complete(framing: str, end: str) -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(f"PUT /echo HTTP/1.1\r\nHost: here\r\n{framing}\r\n\r\n3\r\nabc\r\n"[:-2].encode())
        await until(lambda: made.script.asked == ["/echo"])
        if end == "half":
            client.writer.write_eof()
            assert (await client.hear()).status == 400
        elif end == "whole":
            client.writer.close()
        else:
            client.reset()
        await until(lambda: made.script.disconnected == 1)


@on_both_loops
async def test_a_chunk_that_is_none_breaks_the_body_and_ends_the_connection() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"PUT /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
        assert (await client.hear()).status == 400
        assert await client.ended() == b""
        assert made.script.disconnected == 1


@pytest.mark.parametrize("path", ["/short", "/collapse"])
@on_both_loops
async def test_half_an_answer_never_looks_whole(path: str) -> None:
    async with serving() as made:
        client = await made.client()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.get(path)


@pytest.mark.parametrize("path", ["/crash", "/split"])
@on_both_loops
async def test_an_application_that_fails_before_it_answers_is_a_500_without_a_word_about_why(path: str) -> None:
    async with serving() as made:
        client = await made.client()
        found = await client.get(path)
        assert (found.status, found.body) == (500, b"Internal Server Error\n")
        assert "set-cookie" not in found.headers
        assert await client.ended() == b""


@on_both_loops
async def test_a_head_that_fails_has_no_body_either() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"HEAD /crash HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await client.hear(bodiless=True)).status == 500
        assert await client.ended() == b""


@on_both_loops
async def test_more_than_was_promised_is_not_sent() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /long HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"abcabc" not in await client.ended()


@on_both_loops
async def test_an_application_learns_that_its_client_is_gone() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /gone HTTP/1.1\r\nHost: here\r\n\r\n")
        reader = await made.client()
        await reader.say(b"GET /endless HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.accepted > 0)
        client.reset()
        reader.reset()
        await until(lambda: (made.script.disconnected, made.script.refused) == (1, 1))


# Requests that are none.

HOST = "Host: here\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param("GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}{HOST}\r\n", 400, id="two hosts"),
        pytest.param(f"GET / HTTP/1.0\r\n{HOST}{HOST}\r\n", 400, id="two hosts of the older version"),
        pytest.param(
            f"PUT / HTTP/1.1\r\n{HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="both"
        ),
        pytest.param(
            f"PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400, id="both 2"
        ),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400, id="two lengths"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: 3, 4\r\n\r\n", 400, id="a list of lengths"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n", 400, id="a negative length"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: +1\r\n\r\n", 400, id="a signed length"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: 0x1\r\n\r\n", 400, id="a length in hexadecimal digits"),
        pytest.param(
            f"PUT / HTTP/1.1\r\n{HOST}Content-Length: {'9' * 19}9\r\n\r\n", 400, id="a length beyond counting"
        ),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: {'0' * 20}\r\n\r\n", 413, id="a length of many zeros"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n", 501, id="an encoding"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, gzip\r\n\r\n", 400, id="chunked not last"),
        pytest.param(f"PUT / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n", 501, id="nearly chunked"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}A: b\r\n c\r\n\r\n", 400, id="a folded field"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}A : b\r\n\r\n", 400, id="a space before the colon"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST} A: b\r\n\r\n", 400, id="a space before the name"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}A\r\n\r\n", 400, id="no colon"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}A: \0\r\n\r\n", 400, id="NUL in a field"),
        pytest.param(f"GET / HTTP/1.1\n{HOST}\n\n", 400, id="line feeds alone"),
        pytest.param(f"GET /\0 HTTP/1.1\r\n{HOST}\r\n", 400, id="NUL in the path"),
        pytest.param(f"GET /a b HTTP/1.1\r\n{HOST}\r\n", 400, id="a space in the path"),
        pytest.param(f"GET /a#b HTTP/1.1\r\n{HOST}\r\n", 400, id="a fragment"),
        pytest.param(f"GET a HTTP/1.1\r\n{HOST}\r\n", 400, id="no path"),
        pytest.param(f"GET ftp://x/ HTTP/1.1\r\n{HOST}\r\n", 501, id="a proxy for something else"),
        pytest.param(f"GET http://u@x/ HTTP/1.1\r\n{HOST}\r\n", 400, id="a name in the authority"),
        pytest.param(f"CONNECT x:443 HTTP/1.1\r\n{HOST}\r\n", 501, id="a tunnel"),
        pytest.param(f"NONE / HTTP/1.1\r\n{HOST}\r\n", 400, id="no method"),
        pytest.param(f"get / HTTP/1.1\r\n{HOST}\r\n", 400, id="a method in small letters"),
        pytest.param("GET /\r\n\r\n", 505, id="version 0.9"),
        pytest.param(f"GET / HTTP/1.2\r\n{HOST}\r\n", 400, id="version 1.2"),
        pytest.param(f"GET / HTTP/2.0\r\n{HOST}\r\n", 505, id="version 2.0"),
        pytest.param("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="the preface of HTTP/2"),
        pytest.param("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400, id="the first bytes of TLS"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}A: {'a' * 70_000}\r\n\r\n", 431, id="a large field"),
        pytest.param(f"GET /{'a' * 70_000} HTTP/1.1\r\n{HOST}\r\n", 431, id="a large target"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}" + "A: b\r\n" * 40_000 + "\r\n", 431, id="many fields"),
    ],
)
@on_both_loops
async def test_what_is_no_request_is_refused_and_nothing_after_it_is_believed(head: str, status: int) -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(head.encode("latin-1") + GET)
        found = await client.hear()
        assert (found.status, found.headers["connection"]) == (status, "close")
        assert await client.ended() == b""
        assert made.script.asked == []


@pytest.mark.parametrize("rest", ["a" * (1 << 20), "A: b\r\n" * 100_000], ids=["one field", "many fields"])
@on_both_loops
async def test_a_head_that_never_ends_is_refused_although_no_field_is_complete(rest: str) -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: ")
        sending = asyncio.create_task(client.say(rest.encode()))
        assert (await client.hear()).status == 431
        await asyncio.wait([sending])


@pytest.mark.parametrize(
    "filler", [b"1;" + b"x" * 200_000, b"0\r\n" + b"A: b\r\n" * 40_000], ids=["extension", "trailers"]
)
@on_both_loops
async def test_framing_without_end_is_refused(filler: bytes) -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"PUT /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        await until(lambda: made.script.asked == ["/echo"])
        await client.say(filler)
        assert (await client.hear()).status == 400
        assert made.script.disconnected == 1


@on_both_loops
async def test_chunks_of_one_byte_are_a_body_like_another() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"PUT /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        sending = asyncio.create_task(client.say(b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"))
        assert (await client.hear()).body == said(b"x" * 100_000)
        await sending


@on_both_loops
async def test_too_many_requests_ahead_are_not_taken_in() -> None:
    async with serving(ahead=5) as made:
        client = await made.client()
        await client.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n" + GET * 1000)
        await until(lambda: made.script.asked == ["/wait"])
        made.script.go.set()
        assert (await client.hear()).body == b"waited"
        assert [(await client.hear()).body for _ in range(5)] == [b"ok"] * 5
        assert (await client.hear()).status == 503
        assert await client.ended() == b""


# Clients that are slow, and clients that are many.


@pytest.mark.parametrize("part", [b"G", b"GET /ok HTTP/1.1\r\nHost: here\r\nX-Slow: "])
@on_both_loops
async def test_a_slow_head_is_given_up(part: bytes) -> None:
    async with serving(head_seconds=0.2) as made:
        client = await made.client()
        await client.say(part)
        assert (await client.hear()).status == 408
        assert await client.ended() == b""


@on_both_loops
async def test_a_client_that_says_nothing_is_closed_to_without_a_word() -> None:
    async with serving(head_seconds=0.2, idle_seconds=0.3) as made:
        silent = await made.client()
        assert await silent.ended() == b""
        idle = await made.client()
        assert (await idle.get("/ok")).body == b"ok"
        assert await idle.ended() == b""


@on_both_loops
async def test_a_body_that_stops_coming_is_given_up() -> None:
    async with serving(body_seconds=0.2) as made:
        client = await made.client()
        await client.say(upload(b"abc")[:-1])
        found = await client.hear()
        assert (found.status, found.headers["connection"]) == (400, "close")
        assert made.script.disconnected == 1


@on_both_loops
async def test_an_application_may_take_longer_than_any_client() -> None:
    async with serving(head_seconds=0.1, idle_seconds=0.1, body_seconds=0.1, send_seconds=0.1) as made:
        client = await made.client()
        await client.say(upload(b"abc", "/later"))
        await asyncio.sleep(0.5)
        made.script.go.set()
        assert (await client.hear()).body == said(b"abc")


@on_both_loops
async def test_a_client_that_reads_nothing_holds_its_application_back_and_is_given_up() -> None:
    async with serving(send_seconds=0.3) as made:
        client = await made.client(receive_buffer=8192)
        await client.say(b"GET /endless HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.refused == 1)
        assert made.script.accepted < 16 << 20  # what the kernel holds of it


@on_both_loops
async def test_a_client_that_reads_slowly_gets_everything() -> None:
    async with serving(send_seconds=0.2) as made:
        client = await made.client(receive_buffer=8192)
        size = 9 << 20
        await client.say(f"GET /large?{size} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        await client.reader.readuntil(b"\r\n\r\n")
        got = 0
        while got < size:
            if got < size // 4:
                await asyncio.sleep(0.02)
            piece = await client.reader.read(32 << 10)
            assert piece
            got += len(piece)


@on_both_loops
async def test_a_client_whose_body_is_not_read_is_held_back() -> None:
    async with serving() as made:
        client = await made.client()
        body = bytes(40 << 20)
        sending = asyncio.create_task(client.say(upload(body, "/later")))
        assert await asyncio.wait([sending], timeout=1) == (set(), {sending})
        [connection] = made.server._connections
        assert connection._current.body.held < 1 << 20
        made.script.go.set()
        assert (await client.hear()).body == said(body)
        await sending


@on_both_loops
async def test_one_that_rests_makes_room_for_one_that_comes() -> None:
    async with serving(connections=4, rest_seconds=0.0) as made:
        resting = [await made.client() for _ in range(3)]
        for client in resting:
            assert (await client.get("/ok")).body == b"ok"
        for _ in range(20):
            assert (await (await made.client()).get("/ok")).body == b"ok"
        assert await resting[0].ended() == b""


@on_both_loops
async def test_when_all_work_further_ones_wait_and_are_then_served() -> None:
    async with serving(connections=3) as made:
        working = [await made.client() for _ in range(3)]
        for client in working:
            await client.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.asked == ["/wait"] * 3)
        late = [await made.client() for _ in range(10)]
        asked = [asyncio.create_task(client.get("/ok")) for client in late]
        await asyncio.sleep(0.2)
        assert made.server._listening is None
        made.script.go.set()
        assert [(await client.hear()).body for client in working] == [b"waited"] * 3
        assert [found.body for found in await asyncio.gather(*asked)] == [b"ok"] * 10


# The end.


@on_both_loops
async def test_at_the_end_what_runs_is_finished_and_what_rests_is_let_go() -> None:
    async with serving() as made:
        busy, idle, silent = [await made.client() for _ in range(3)]
        assert (await idle.get("/ok")).body == b"ok"
        await busy.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: "/wait" in made.script.asked)
        made.server.stop()
        assert await idle.ended() == await silent.ended() == b""
        made.script.go.set()
        found = await busy.hear()
        assert (found.body, found.headers["connection"]) == (b"waited", "close")
        await asyncio.wait_for(made.task, 5)


@on_both_loops
async def test_what_does_not_end_in_time_is_cut_off() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: "/wait" in made.script.asked)
        made.server.stop()
        made.task.cancel()
        assert await client.ended() == b""
        assert (await asyncio.gather(made.task, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        made.task = asyncio.create_task(asyncio.sleep(0))


@on_both_loops
async def test_the_socket_outlives_its_server() -> None:
    with socket.socket() as other:
        other.setblocking(False)
        async with serving() as made:
            made.server.stop()
            await made.task
            await asyncio.get_running_loop().sock_connect(other, made.address)  # it waits for whoever serves next
