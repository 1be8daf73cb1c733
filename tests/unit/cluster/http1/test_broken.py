"""What is cut off, or fails, never looks whole, and costs nobody else anything."""

import asyncio
import socket

import pytest

from tests.unit.cluster.http1.talk import GET, on_both_loops, serving, until, upload


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


@on_both_loops
async def test_half_an_answer_does_not_look_whole_to_http_1_0_either() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /collapse HTTP/1.0\r\n\r\n")
        assert await client.broken()


@on_both_loops
async def test_nor_does_it_when_the_client_is_given_up() -> None:
    async with serving(send_seconds=0.2) as made:
        client = await made.client(receive_buffer=8192)
        await client.say(b"GET /endless HTTP/1.0\r\n\r\n")
        await until(lambda: made.script.refused == 1)
        assert await client.broken()


@on_both_loops
async def test_a_whole_answer_ends_in_order_for_http_1_0() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /pieces HTTP/1.0\r\n\r\n")
        assert (await client.hear()).body == b"one two three"


@on_both_loops
async def test_an_application_that_goes_on_after_a_broken_body_may_take_its_time() -> None:
    async with serving(body_seconds=0.2) as made:
        client = await made.client()
        await client.say(b"PUT /stubborn HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        await until(lambda: made.script.asked == ["/stubborn"])
        await client.say(b"zz\r\n")
        await until(lambda: made.script.disconnected == 1)
        await asyncio.sleep(0.6)
        made.script.go.set()
        assert (await client.hear()).body == b"at last"


@on_both_loops
async def test_requests_that_are_not_read_any_more_do_not_cost_the_answer_before_them() -> None:
    async with serving() as made:
        client = await made.client(receive_buffer=8192)
        await client.say(b"GET /parts?3000000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET * 5)
        await until(lambda: made.script.asked == ["/parts"])
        sending = asyncio.create_task(client.say(GET * 20_000))
        await asyncio.sleep(0.1)
        made.script.go.set()
        assert len((await client.hear()).body) == 3_000_000
        await asyncio.wait([sending])


@on_both_loops
async def test_an_application_that_gave_up_a_send_may_send_again_however_long_it_takes() -> None:
    async with serving(send_seconds=0.3) as made:
        client = await made.client(receive_buffer=8192)
        await client.say(b"GET /hurried HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.refused == 1)
        hearing = asyncio.create_task(client.hear())
        await asyncio.sleep(0.8)
        made.script.go.set()
        assert (await hearing).body == bytes(8 << 20) + b"end"


@on_both_loops
async def test_a_connection_that_breaks_while_nothing_is_read_gives_its_place_back() -> None:
    async with serving(linger_seconds=60, send_seconds=60) as made:
        client = await made.client()
        await client.say(upload(bytes(8 << 20), "/refusing")[: 400 << 10])
        assert (await client.hear()).status == 401
        [connection] = made.server._connections
        await until(lambda: connection._paused)
        client.reset()
        await asyncio.sleep(0.1)
        made.script.go.set()
        await until(lambda: made.connections == 0)


@on_both_loops
async def test_an_answer_that_breaks_off_takes_nothing_from_the_one_before() -> None:
    async with serving() as made:
        made.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # so that we hold most of the answer
        client = await made.client(receive_buffer=4096)
        await client.say(b"GET /large?60000 HTTP/1.1\r\nHost: here\r\n\r\nGET /collapse HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.asked == ["/large", "/collapse"])
        await asyncio.sleep(0.1)
        assert len((await client.hear()).body) == 60000
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.hear()
        client.writer.close()


@on_both_loops
async def test_an_answer_after_which_the_connection_ends_is_read_whole_although_more_is_sent() -> None:
    async with serving() as made:
        client = await made.client(receive_buffer=4096)
        await client.say(b"GET /large?2000000 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        await until(lambda: made.script.asked == ["/large"])
        await asyncio.sleep(0.1)
        await client.say(b"\r\n")
        assert len((await client.hear()).body) == 2000000
        client.writer.close()
