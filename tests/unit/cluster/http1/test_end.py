"""The end of a server: everybody gets the answer that was asked for, and nobody can keep it from ending."""

import asyncio
import os
import socket

from tests.unit.cluster.http1.talk import GET, on_both_loops, serving, until


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


@on_both_loops
async def test_a_request_that_is_on_its_way_is_answered() -> None:
    async with serving() as made:
        fresh, kept = await made.client(), await made.client()
        assert (await kept.get("/ok")).body == b"ok"
        await until(lambda: made.connections == 2)
        for client in (fresh, kept):
            with socket.socket(fileno=os.dup(client.writer.get_extra_info("socket").fileno())) as raw:
                raw.send(GET)  # at once, before the server has a turn
        made.server.stop()
        for client in (fresh, kept):
            found = await client.hear()
            assert (found.body, found.headers["connection"]) == (b"ok", "close")
            assert await client.ended() == b""


@on_both_loops
async def test_a_client_that_sends_ahead_cannot_keep_it_from_ending() -> None:
    async with serving() as made:
        client = await made.client()

        await client.say(GET * 10)

        async def stay_ahead() -> None:
            try:
                while True:
                    await client.hear()
                    await client.say(GET)
            finally:
                client.writer.close()

        ahead = asyncio.create_task(stay_ahead())
        await until(lambda: len(made.script.asked) > 100)
        made.server.stop()
        await asyncio.wait_for(made.task, 5)
        await asyncio.wait([ahead])
        assert isinstance(ahead.exception(), (asyncio.IncompleteReadError, ConnectionError))


@on_both_loops
async def test_what_runs_is_finished_although_its_client_is_gone() -> None:
    async with serving() as made:
        client = await made.client()
        await client.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.asked == ["/wait"])
        client.reset()
        made.server.stop()
        assert await asyncio.wait([made.task], timeout=0.5) == (set(), {made.task})
        made.script.go.set()
        await asyncio.wait_for(made.task, 5)


@on_both_loops
async def test_who_is_being_accepted_as_it_ends_is_answered() -> None:
    async with serving() as made:
        loop = asyncio.get_running_loop()
        raw = [socket.socket() for _ in range(5)]
        for one in raw:
            one.connect(made.address)
            one.send(GET)
            one.setblocking(False)
        while not made.server._acceptor.arriving:  # noqa: ASYNC110 - accepted, and no connection yet; nobody tells
            await asyncio.sleep(0)
        assert made.connections == 0
        made.server.stop()
        await asyncio.wait_for(made.task, 5)
        for one in raw:
            with one:
                assert (await loop.sock_recv(one, 1000)).startswith(b"HTTP/1.1 200")
        assert made.script.asked == ["/ok"] * 5


@on_both_loops
async def test_a_request_that_has_begun_to_arrive_is_answered() -> None:
    async with serving(parting_seconds=0.05) as made:
        client = await made.client()
        await client.say(b"GET /begun HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.asked == ["/begun"])
        made.server.stop()
        await client.say(GET[:-10])
        await asyncio.sleep(0.1)
        made.script.go.set()
        assert (await client.hear()).body == b"begun and ended"
        await client.say(GET[-10:])
        found = await client.hear()
        assert (found.body, found.headers["connection"]) == (b"ok", "close")


@on_both_loops
async def test_a_large_answer_is_read_to_its_end_by_a_client_that_goes_on_asking() -> None:
    async with serving(parting_seconds=0.05) as made:
        client = await made.client(receive_buffer=8192)
        await client.say(b"GET /large?2000000 HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: made.script.asked == ["/large"])
        made.server.stop()
        await asyncio.sleep(0.2)
        await client.say(GET)
        assert len((await client.hear()).body) == 2000000
        client.writer.close()


@on_both_loops
async def test_one_connection_that_fails_keeps_no_other_open() -> None:
    async with serving(parting_seconds=0.05) as made:
        clients = [await made.client() for _ in range(4)]
        for client in clients:
            assert (await client.get("/ok")).body == b"ok"

        def fails() -> None:
            raise OSError("broken")

        next(iter(made.server._connections)).stop = fails  # type: ignore[method-assign]
        made.server.stop()
        await asyncio.wait_for(made.task, 5)
