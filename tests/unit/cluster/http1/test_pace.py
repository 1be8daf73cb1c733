"""Clients that are slow, and clients that are many."""

import asyncio
import errno
import socket

import pytest

from tests.unit.cluster.http1.talk import Client, on_both_loops, said, serving, until, upload


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
        body = bytes(20 << 20)  # more than the buffers of both ends hold
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
        assert not made.server._acceptor.is_open
        made.script.go.set()
        assert [(await client.hear()).body for client in working] == [b"waited"] * 3
        assert [found.body for found in await asyncio.gather(*asked)] == [b"ok"] * 10


@on_both_loops
async def test_a_client_that_sends_and_reads_nothing_is_given_up_too() -> None:
    async with serving(send_seconds=0.3) as made:
        client = await made.client(receive_buffer=8192)
        await client.say(upload(bytes(100), "/endless")[:-99])
        await until(lambda: made.script.accepted > 0)
        await asyncio.sleep(0.1)
        await client.say(b"x")
        await until(lambda: made.script.refused == 1)


@on_both_loops
async def test_a_body_that_nobody_wants_has_one_deadline_however_it_drips() -> None:
    async with serving(body_seconds=0.4) as made:
        client = await made.client()
        await client.say(upload(bytes(100), "/unread")[:-100])
        assert (await client.hear()).status == 401
        ended = asyncio.create_task(client.ended())
        for _ in range(50):
            if ended.done():
                break
            await client.say(b"x")
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("it was taken in for five seconds")


@on_both_loops
async def test_a_client_that_was_refused_and_stays_is_not_waited_for_long() -> None:
    async with serving(linger_seconds=0.2) as made:
        client = await made.client()
        await client.say(b"nothing\r\n\r\n")
        assert (await client.hear()).status == 400
        await until(lambda: made.connections == 0)


@on_both_loops
async def test_connections_that_end_make_room_like_others() -> None:
    async with serving(connections=4, rest_seconds=0.0, linger_seconds=60) as made:
        refused = [await made.client() for _ in range(4)]
        for client in refused:
            await client.say(b"nothing\r\n\r\n")
            assert (await client.hear()).status == 400
        for _ in range(20):
            assert (await (await made.client()).get("/ok")).body == b"ok"
            assert made.connections <= 5


@on_both_loops
async def test_a_burst_beyond_the_bound_is_let_go_at_once_when_it_has_rested() -> None:
    async with serving(connections=4, rest_seconds=0.3) as made:
        burst = await asyncio.gather(*[made.client() for _ in range(12)])
        assert (await burst[0].get("/ok")).body == b"ok"
        await until(lambda: made.connections <= 4)


@on_both_loops
async def test_a_request_whose_client_is_gone_keeps_its_place() -> None:
    async with serving(connections=2) as made:
        for _ in range(3):
            client = await made.client()
            await client.say(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
            await until(lambda: "/wait" in made.script.asked)
            client.reset()
        late = asyncio.create_task((await made.client()).get("/ok"))
        assert await asyncio.wait([late], timeout=0.5) == (set(), {late})
        made.script.go.set()
        assert (await late).body == b"ok"


@on_both_loops
async def test_who_was_accepted_when_there_was_no_more_room_is_answered() -> None:
    async with serving(connections=2, rest_seconds=0.1) as made:
        clients = await asyncio.gather(*(made.client() for _ in range(40)))

        async def asks(client: Client) -> bytes:
            found = await client.get("/slow")
            client.writer.close()
            return found.body

        assert await asyncio.gather(*map(asks, clients)) == [b"slow"] * 40


class _Full:
    """A listener of a process that has no descriptor left."""

    def __init__(self, listener: socket.socket) -> None:
        self.refused = 0
        self.full = True
        self.close, self.fileno, self._listener = listener.close, listener.fileno, listener

    def accept(self) -> tuple[socket.socket, object]:
        if self.full:
            self.refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()


@on_both_loops
async def test_without_descriptors_it_accepts_nobody_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(linger_seconds=0.4) as made:
        assert (await (await made.client()).get("/ok")).body == b"ok"
        acceptor = made.server._acceptor
        listener = _Full(acceptor._listener)
        monkeypatch.setattr(acceptor, "_listener", listener)
        client = await made.client()
        asked = asyncio.create_task(client.get("/ok"))
        await until(lambda: listener.refused > 0)
        assert not acceptor.is_open
        listener.full = False
        assert (await asked).body == b"ok"
