"""Uploads in every style, on both engines."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from entrepot.metadata.database import Database, Row, Tx
from entrepot.metadata.objects import Piece
from entrepot.metadata.sql import sql
from entrepot.metadata.uploads import append, load
from tests.stores import write
from tests.world import GRACE, Node, Sent, another, sha256

SMALL, BIG = b"small", bytes(range(256)) * 400
START = "/v2/r/app/blobs/uploads/"


async def start(node: Node) -> str:
    answer = await node.ask("POST", START)
    assert answer.status == 202
    return answer.headers["location"]


async def readable(node: Node, content: bytes, image: str = "r/app") -> bool:
    answer = await node.ask("GET", f"/v2/{image}/blobs/{sha256(content)}")
    return answer.status == 200 and answer.body == content


@pytest.mark.parametrize("content", [b"", SMALL, BIG], ids=["empty", "small", "big"])
async def test_a_blob_may_arrive_at_once(node: Node, content: bytes) -> None:
    answer = await node.ask("POST", f"{START}?digest={sha256(content)}", content)
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == sha256(content)
    assert await readable(node, content)


@pytest.mark.parametrize("content", [b"", SMALL, BIG], ids=["empty", "small", "big"])
async def test_a_blob_may_arrive_with_the_put(node: Node, content: bytes) -> None:
    answer = await node.ask("PUT", f"{await start(node)}?digest={sha256(content)}", content)
    assert answer.status == 201
    assert await readable(node, content)


@pytest.mark.parametrize("cut", [1, 5000, 16_384, 20_000, len(BIG)])
async def test_a_blob_may_arrive_in_chunks_of_any_size(node: Node, cut: int) -> None:
    where = await start(node)
    for at in range(0, len(BIG), cut):
        if cut == 1 and at > 3:
            answer = await node.ask("PATCH", where, BIG[at:], content_range=f"{at}-{len(BIG) - 1}")
            assert answer.status == 202
            break
        piece = BIG[at : at + cut]
        answer = await node.ask("PATCH", where, piece, content_range=f"{at}-{at + len(piece) - 1}")
        assert answer.status == 202
        assert answer.headers["range"] == f"0-{at + len(piece) - 1}"
    assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201
    assert await readable(node, BIG)


async def test_a_small_beginning_goes_on_as_one_object(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG[:10])
    await node.ask("PATCH", where, BIG[10:])
    await node.ask("PUT", f"{where}?digest={sha256(BIG)}")
    assert len(await node.objects()) == 1
    assert await readable(node, BIG)


async def test_a_chunk_that_does_not_go_on_where_the_last_ended_is_refused(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG[:20_000], content_range="0-19999")
    for span in ("0-9999", "10000-19999", "20001-30000"):
        answer = await node.ask("PATCH", where, BIG[:10_000], content_range=span)
        assert answer.status == 416
        assert answer.headers["range"] == "0-19999"
    assert (await node.ask("GET", where)).headers["range"] == "0-19999"
    assert len(await node.objects()) == 1


async def test_a_chunk_of_another_length_than_it_says_is_refused(node: Node) -> None:
    where = await start(node)
    assert (await node.ask("PATCH", where, BIG[:100], content_range="0-98")).status == 400
    assert (await node.ask("GET", where)).headers["range"] == "0-0"


@pytest.mark.parametrize("before", [0, 10, 20_000])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_chunk_without_a_length_must_be_as_long_as_its_range(node: Node, before: int, method: str) -> None:
    where = await start(node)
    if before:
        await node.ask("PATCH", where, BIG[:before])
    url = where if method == "PATCH" else f"{where}?digest={sha256(BIG)}"

    async def sent(end: int) -> int:
        body = Sent(BIG[before:])
        body.length = None
        return (await node.ask(method, url, body, content_range=f"{before}-{end}")).status

    assert await sent(len(BIG)) == 400
    assert await sent(len(BIG) - 2) == 400
    assert (await node.ask("GET", where)).headers["range"] == f"0-{max(before - 1, 0)}"
    assert await sent(len(BIG) - 1) == (202 if method == "PATCH" else 201)
    assert node.intake.unsettled == {}


@pytest.mark.parametrize("before", [0, 10, 20_000])
async def test_a_chunk_without_a_length_is_not_taken_in_beyond_its_range(node: Node, before: int) -> None:
    where = await start(node)
    if before:
        await node.ask("PATCH", where, BIG[:before])
    taken = 0

    class Endless(Sent):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal taken
            while taken < 100 << 20:
                taken += 7001
                yield b"x" * 7001

    body = Endless(b"")
    body.length = None
    assert (await node.ask("PATCH", where, body, content_range=f"{before}-{before + 50_000}")).status == 400
    assert taken < 100_000
    assert node.intake.unsettled == {}


async def test_of_two_chunks_at_once_one_is_admitted_and_the_other_leaves_nothing(node: Node) -> None:
    where = await start(node)
    together = asyncio.Barrier(4)
    answers = await asyncio.gather(*(node.ask("PATCH", where, Sent(BIG, together)) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [202, 416, 416, 416]
    assert {answer.headers["range"] for answer in answers} == {f"0-{len(BIG) - 1}"}
    assert len(await node.objects()) == 1
    assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201
    assert await readable(node, BIG)
    assert node.intake.unsettled == {}


async def test_another_process_goes_on_with_an_upload(node: Node) -> None:
    other = await another(node)
    where = await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    assert (await other.ask("GET", where)).headers["range"] == "0-29999"
    await other.ask("PATCH", where, BIG[30_000:60_000])
    await node.ask("PATCH", where, BIG[60_000:])
    assert (await other.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201
    assert await readable(node, BIG)


async def test_another_process_ends_an_upload_without_reading_a_byte_of_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, where = await another(node), await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    await node.ask("PATCH", where, BIG[30_000:])
    await other.ask("PATCH", where, b"")
    monkeypatch.setattr(type(other.content), "read", None)
    assert (await other.ask("PUT", f"{where}?digest={sha256(SMALL)}")).status == 400
    assert (await other.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201
    monkeypatch.undo()
    assert await readable(node, BIG)
    [row] = await node.database.rows(sql("SELECT sha1, md5 FROM blob"))
    assert tuple(row) == (hashlib.sha1(BIG).digest(), hashlib.md5(BIG).digest())


async def test_checksums_of_fewer_bytes_than_have_arrived_do_not_count(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    [(earlier,)] = await node.database.rows(sql("SELECT checksums FROM upload"))
    await node.ask("PATCH", where, BIG[30_000:])
    await write(node.database, "UPDATE upload SET checksums = :earlier", earlier=earlier)  # a node of an earlier version
    other = await another(node)
    assert (await other.ask("PUT", f"{where}?digest={sha256(BIG[:30_000])}")).status == 400
    assert (await other.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201


async def test_a_put_may_be_repeated(node: Node) -> None:
    where = await start(node)
    for _ in range(3):
        assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}", BIG)).status == 201
    other = await node.ask("PUT", f"{where}?digest={sha256(SMALL)}", SMALL)
    assert other.status == 404
    assert (await node.ask("PATCH", where, SMALL)).status == 404
    assert len(await node.objects()) == 1


async def test_a_put_may_be_repeated_before_the_first_is_answered(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    together = asyncio.Barrier(5)
    url = f"{where}?digest={sha256(BIG)}"
    answers = await asyncio.gather(*(node.ask("PUT", url, Sent(BIG[30_000:], together)) for _ in range(5)))
    assert [answer.status for answer in answers] == [201] * 5
    assert {answer.headers["docker-content-digest"] for answer in answers} == {sha256(BIG)}
    assert await readable(node, BIG)
    assert len(await node.objects()) == 2


class Interrupted:
    """Reads of a database beside which something happens after the first of them."""

    def __init__(self, database: Database, then: Callable[[], Awaitable[object]]) -> None:
        self._database = database
        self._then: Callable[[], Awaitable[object]] | None = then

    async def row(self, *statement: Any, **parameters: Any) -> Row | None:
        return await self._first(await self._database.row(*statement, **parameters))

    async def rows(self, *statement: Any, **parameters: Any) -> Sequence[Row]:
        return await self._first(await self._database.rows(*statement, **parameters))

    async def _first(self, found: Any) -> Any:
        then, self._then = self._then, None
        if then is not None:
            await then()
        return found


async def test_an_upload_that_ends_while_it_is_looked_at_is_seen_whole(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    repository = node.repositories.get("r")
    assert repository is not None
    reads = Interrupted(node.database, lambda: node.ask("PUT", f"{where}?digest={sha256(BIG)}", BIG[30_000:]))
    session = await load(reads, where.rpartition("/")[2], repository.id, "app")
    assert sum(piece.size for piece in session.pieces) == session.size == 30_000


async def test_a_wrong_digest_leaves_nothing(node: Node) -> None:
    where = await start(node)
    assert (await node.ask("PUT", f"{where}?digest={sha256(SMALL)}", BIG)).status == 400
    assert (await node.ask("POST", f"{START}?digest={sha256(SMALL)}", BIG)).status == 400
    assert await node.objects() == []
    assert await node.count("blob") == 0
    assert await node.count("image_blob") == 0
    assert node.intake.unsettled == {}


async def test_a_put_that_is_cut_off_while_all_is_read_again_leaves_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, where, reading = await another(node), await start(node), asyncio.Event()
    await node.ask("PATCH", where, BIG[:30_000])

    async def endless(*_: object) -> AsyncIterator[bytes]:
        reading.set()
        await asyncio.Event().wait()
        yield b""

    monkeypatch.setattr(type(other.content), "read", endless)
    putting = asyncio.create_task(other.ask("PUT", f"{where}?digest={sha256(BIG)}", BIG[30_000:]))
    await reading.wait()
    putting.cancel()
    await asyncio.wait([putting])
    assert other.intake.unsettled == {}
    assert len(await node.objects()) == 1


async def test_an_upload_that_has_lost_a_chunk_is_unknown(node: Node) -> None:
    other, where = await another(node), await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    await node.driver.delete((await node.objects())[0])
    answer = await other.ask("PUT", f"{where}?digest={sha256(BIG)}", BIG[30_000:])
    assert (answer.status, getattr(answer.error, "code", "")) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert await node.objects() == []


async def test_a_wrong_digest_may_be_put_right(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG)
    assert (await node.ask("PUT", f"{where}?digest={sha256(SMALL)}")).status == 400
    assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201
    assert await readable(node, BIG)


async def test_a_cancelled_upload_is_over_and_what_it_stored_goes(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG)
    assert (await node.ask("DELETE", where)).status == 204
    assert (await node.ask("PATCH", where, BIG)).status == 404
    assert (await node.ask("GET", where)).status == 404
    assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 404
    await node.later(10)
    await node.collect()
    assert await node.objects() == []


async def test_an_upload_that_nobody_goes_on_with_goes(node: Node) -> None:
    await node.ask("PATCH", await start(node), BIG)
    await node.later(node.lifetime + 1000)
    assert (await node.collect()).uploads == 1
    await node.later(10)
    await node.collect()
    assert await node.objects() == []
    assert await node.count("upload") == 0


async def test_an_upload_whose_time_is_over_is_unknown_before_it_is_collected_and_after(node: Node) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG)
    await node.later(node.lifetime + 1000)
    for _ in range(2):
        for method, url in (("GET", where), ("PATCH", where), ("PUT", f"{where}?digest={sha256(BIG)}"), ("DELETE", where)):
            answer = await node.ask(method, url, BIG if method != "DELETE" else b"")
            assert (answer.status, getattr(answer.error, "code", "")) == (404, "BLOB_UPLOAD_UNKNOWN"), method
        await node.collect()
    assert await node.count("upload") == 0


@pytest.mark.parametrize("end", ["DELETE", "PUT"])
async def test_an_id_that_has_ended_never_begins_again(node: Node, end: str) -> None:
    where = await start(node)
    await node.ask("PATCH", where, BIG)
    assert (await node.ask(end, f"{where}?digest={sha256(BIG)}")).status in (201, 204)
    await node.later(node.lifetime + 1000)
    await node.collect()
    assert await node.count("upload") == 0
    assert (await node.ask("PATCH", where, BIG)).status == 404


async def test_an_id_that_nothing_came_for_ends_long_before_any_row_does(node: Node) -> None:
    where = await start(node)
    await node.later(node.lifetime // 2 - 1000)
    assert (await node.ask("GET", where)).status == 204
    await node.later(2000)
    assert (await node.ask("PATCH", where, BIG)).status == 404


async def test_an_upload_that_goes_on_outlives_its_first_hour(node: Node) -> None:
    where = await start(node)
    for at in range(0, len(BIG), 30_000):
        assert (await node.ask("PATCH", where, BIG[at : at + 30_000])).status == 202
        await node.later(node.lifetime * 3 // 4)
    assert (await node.ask("PUT", f"{where}?digest={sha256(BIG)}")).status == 201


async def test_what_a_process_remembers_of_an_upload_is_not_believed_of_other_bytes_under_its_id(node: Node) -> None:
    other, where = await another(node), await start(node)
    first, second, last = BIG[:30_000], BIG[30_000:60_000], BIG[60_000:]
    await node.ask("PATCH", where, first)
    await write(node.database, "DELETE FROM upload")  # a backup was restored, or a clock is far off
    assert (await other.ask("PATCH", where, second)).status == 202
    assert (await node.ask("PUT", f"{where}?digest={sha256(first + last)}", last)).status == 400
    assert (await node.ask("PUT", f"{where}?digest={sha256(second + last)}", last)).status == 201
    assert await readable(node, second + last)


async def test_a_chunk_that_began_with_an_upload_is_not_admitted_to_a_later_one_of_its_id(node: Node) -> None:
    other, where = await another(node), await start(node)
    await node.ask("PATCH", where, BIG[:30_000])
    repository = node.repositories.get("r")
    assert repository is not None
    before = await load(node.database, where.rpartition("/")[2], repository.id, "app")
    await write(node.database, "DELETE FROM upload")
    await other.ask("PATCH", where, BIG[30_000:60_000])

    async def late(tx: Tx) -> bool:
        piece = Piece("w/2026010100/x", 9)
        return await append(tx, before, inline=None, piece=piece, checksums=None, actor="admin", lifetime=1000)

    assert not await node.database.transact(late)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("content", [SMALL * 3, BIG], ids=["small", "big"])
async def test_a_sha512_is_as_good_as_a_sha256(node: Node, content: bytes, parts: int) -> None:
    digest = f"sha512:{hashlib.sha512(content).hexdigest()}"
    where, step = await start(node), -(-len(content) // parts)
    for at in range(0, len(content), step):
        await node.ask("PATCH", where, content[at : at + step])
    answer = await node.ask("PUT", f"{where}?digest={digest}")
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == digest
    got = await node.ask("GET", f"/v2/r/app/blobs/{digest}")
    assert got.body == content
    assert got.headers["docker-content-digest"] == digest
    assert await readable(node, content)


async def test_a_sha512_that_was_announced_costs_no_reading_at_the_end(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = (await node.ask("POST", f"{START}?digest-algorithm=sha512")).headers["location"]
    await node.ask("PATCH", where, BIG[:30_000])
    await node.ask("PATCH", where, BIG[30_000:])

    def read(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(type(node.content), "read", read)
        assert (await node.ask("PUT", f"{where}?digest=sha512:{hashlib.sha512(BIG).hexdigest()}")).status == 201
    assert await readable(node, BIG)


async def test_an_algorithm_cannot_be_added_to_an_id(node: Node) -> None:
    where = await start(node)
    head, _, signature = where.rpartition("-")
    assert (await node.ask("PATCH", f"{head}-sha512-{signature}", SMALL)).status == 404


@pytest.mark.parametrize("change", ["/v2/r/other/blobs/uploads/", "/v2/r/app/blobs/uploads/x"])
async def test_an_id_that_was_not_issued_for_this_image_is_unknown(node: Node, change: str) -> None:
    where = await start(node)
    assert (await node.ask("PATCH", where.replace(START, change), SMALL)).status == 404


async def test_the_id_of_another_user_is_unknown(node: Node) -> None:
    from entrepot.access.actions import Action

    where = await start(node)
    thief = node.grant("thief", "r", rights=Action.READ | Action.DEPLOY)
    assert (await node.ask("PATCH", where, SMALL, caller=thief)).status == 404


async def test_an_upload_in_one_request_leaves_no_session(node: Node) -> None:
    await node.upload("r/app", BIG)
    await node.upload("r/app", SMALL)
    assert await readable(node, BIG)
    assert await readable(node, SMALL)
    assert await node.count("upload") == 0


async def test_the_same_bytes_are_stored_once(node: Node) -> None:
    await node.upload("r/app", BIG)
    await node.upload("r/other", BIG)
    await node.later(600_010)
    await node.collect()
    assert len(await node.objects()) == 1
    assert await readable(node, BIG, "r/app")
    assert await readable(node, BIG, "r/other")


async def test_chunks_are_joined_and_read_the_same(node: Node) -> None:
    where = await start(node)
    for at in range(0, len(BIG), 30_000):
        await node.ask("PATCH", where, BIG[at : at + 30_000])
    await node.ask("PUT", f"{where}?digest={sha256(BIG)}")
    assert await node.compact() == 1
    assert await node.compact() == 0
    assert await readable(node, BIG)
    await node.ask("HEAD", f"/v2/r/app/blobs/{sha256(BIG)}")
    await node.later(GRACE // 2 - 1000)
    await node.collect()
    assert await readable(node, BIG)


async def test_a_blob_whose_chunks_are_lost_does_not_keep_others_from_being_joined(node: Node) -> None:
    from tests.stores import value

    other = BIG[::-1]
    for content in (BIG, other):
        where = await start(node)
        for at in range(0, len(content), 30_000):
            await node.ask("PATCH", where, content[at : at + 30_000])
        await node.ask("PUT", f"{where}?digest={sha256(content)}")
    first = await value(node.database, "SELECT storage_key FROM blob_segment ORDER BY blob_id, seq LIMIT 1")
    await node.driver.delete(str(first))
    assert await node.compact() == 1
    assert await readable(node, other)


async def test_a_process_that_was_taken_for_dead_can_name_nothing(node: Node) -> None:
    where = await start(node)
    await write(node.database, "UPDATE writer SET fenced = 1")
    assert (await node.ask("PATCH", where, BIG)).status == 503
    assert (await node.ask("POST", f"{START}?digest={sha256(BIG)}", BIG)).status == 503
    assert await node.count("upload") == 0
    assert await node.count("blob") == 0
