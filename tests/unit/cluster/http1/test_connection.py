"""What a client of a plain port sees: every request answered once, whole and in order, or the connection ended."""

import asyncio
import json

import pytest

from tests.unit.cluster.http1.talk import GET, on_both_loops, said, serving, until, upload

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


@on_both_loops
async def test_a_small_body_that_nobody_wants_does_not_cost_the_connection() -> None:
    async with serving() as made:
        client = await made.client()
        for _ in range(2):
            await client.say(upload(b"abc", "/unread")[:-3])
            found = await client.hear()
            assert (found.status, "connection" in found.headers) == (401, False)
            await client.say(b"abc" + GET)
            assert (await client.hear()).body == b"ok"


@pytest.mark.parametrize("fields", [(), ("Expect: 100-continue",)])
@on_both_loops
async def test_whoever_has_answered_waits_for_no_body(fields: tuple[str, ...]) -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(upload(b"abc", "/finale", *fields)[:-3])
        assert (await client.hear()).status == 401
        await until(lambda: made.script.afterwards == "http.disconnect")


@on_both_loops
async def test_who_asks_for_a_body_after_answering_does_not_cost_the_connection() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(upload(b"defghij", "/finale")[:-7])
        found = await client.hear()
        assert (found.status, found.headers.get("connection")) == (401, None)
        await until(lambda: made.script.afterwards == "http.disconnect")
        await client.say(b"defghij")
        assert (await client.get("/ok")).body == b"ok"


@on_both_loops
async def test_a_client_that_asks_to_close_after_its_body_is_closed_to() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(
            b"PUT /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\nConnection: close\r\n\r\n"
        )
        found = await client.hear()
        assert (found.body, found.headers["connection"]) == (said(b"abc"), "close")
        assert await client.ended() == b""
