"""Requests that are none: refused, and nothing that follows is believed."""

import asyncio
import json

import pytest

from tests.unit.cluster.http1.talk import GET, on_both_loops, said, serving, until

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
        pytest.param(f"N()NE / HTTP/1.1\r\n{HOST}\r\n", 400, id="no method"),
        pytest.param(f"NONE a HTTP/1.1\r\n{HOST}\r\n", 400, id="an unknown method and no path"),
        pytest.param(f"NONE / HTTP/2.0\r\n{HOST}\r\n", 505, id="an unknown method and version"),
        pytest.param(f"GET / RTSP/1.0\r\n{HOST}\r\n", 505, id="another protocol"),
        pytest.param(f"\r\nOPTIONS / RTSP/1.1\r\n{HOST}\r\n", 505, id="another protocol with our version"),
        pytest.param(f"SOURCE / ICE/1.0\r\n{HOST}\r\n", 505, id="yet another protocol"),
        pytest.param("GET /\r\n\r\n", 505, id="version 0.9"),
        pytest.param(f"GET / HTTP/1.2\r\n{HOST}\r\n", 400, id="version 1.2"),
        pytest.param(f"GET / HTTP/2.0\r\n{HOST}\r\n", 505, id="version 2.0"),
        pytest.param("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="the preface of HTTP/2"),
        pytest.param("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400, id="the first bytes of TLS"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}A: {'a' * 70_000}\r\n\r\n", 431, id="a large field"),
        pytest.param(f"GET /{'a' * 70_000} HTTP/1.1\r\n{HOST}\r\n", 431, id="a large target"),
        pytest.param(f"GET / HTTP/1.1\r\n{HOST}" + "A: b\r\n" * 1_000 + "\r\n", 431, id="many fields"),
        pytest.param(f"PUT / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n", 400, id="chunks of 1.0"),
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


@pytest.mark.parametrize("method", ["NONE", "get", "M!X"])
@on_both_loops
async def test_an_unknown_method_is_for_the_application_to_refuse_and_ends_the_connection(method: str) -> None:
    async with serving() as made:
        client = await made.client()
        request = f"{method} /scope/a?b HTTP/1.1\r\n{HOST}Content-Length: 3\r\nX-One: 1\r\n\r\nabc"
        await client.say(request.encode() + GET)
        found = await client.hear()
        scope = json.loads(found.body)
        assert (scope["method"], scope["raw_path"], scope["query_string"]) == (method, "/scope/a", "b")
        assert ["x-one", "1"] in scope["headers"]
        assert found.headers["connection"] == "close"
        assert await client.ended() == b""
        assert made.script.asked == ["/scope/a"]


@pytest.mark.parametrize("pieces", [[b"NONE / HT"], [b"G", b"OO / HTTP/1.1\r\n"]], ids=["no line yet", "in pieces"])
@on_both_loops
async def test_an_unknown_method_whose_path_is_not_known_is_not_implemented(pieces: list[bytes]) -> None:
    async with serving() as made:
        client = await made.client()
        for piece in pieces:
            await client.say(piece)
            await asyncio.sleep(0.05)
        found = await client.hear()
        assert (found.status, found.headers["connection"]) == (501, "close")
        assert b"proxy" not in found.body
        assert made.script.asked == []


@on_both_loops
async def test_a_request_by_an_unknown_method_may_come_after_others_and_in_parts() -> None:
    async with serving() as made:
        client = await made.client()
        assert (await client.get("/ok")).body == b"ok"
        await client.say(b"NONE /echo HTTP/1.1\r\nHost: here\r\nTransfer-Enc")
        await asyncio.sleep(0.05)
        await client.say(b"oding: chunked\r\n\r\n3\r\nab")
        await until(lambda: made.script.asked == ["/ok", "/echo"])
        await client.say(b"c\r\n0\r\n\r\n")
        assert (await client.hear()).body == said(b"abc")
        assert await client.ended() == b""
        ahead = await made.client()
        await ahead.say(GET + b"NONE / HTTP/1.1\r\n\r\n")
        assert [(await ahead.hear()).status for _ in range(2)] == [200, 501]


@on_both_loops
async def test_words_of_another_protocol_are_a_body_like_another() -> None:
    body = b"GET / RTSP/1.0\r\n\r\nSOURCE / ICE/1.0\r\n"
    async with serving() as made:
        client = await made.client()
        head = f"PUT /echo HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\nX: a RTSP/1.0\r\n\r\n"
        await client.say(head.encode() + body)
        assert (await client.hear()).body == said(body)


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
