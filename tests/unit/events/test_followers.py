"""Followers of the event log, and how it is cut behind them."""

from collections.abc import Awaitable, Callable

import pytest

from entrepot.errors import Unavailable
from entrepot.events.followers import KEEP, Feed
from entrepot.events.log import Event, cut, last
from entrepot.metadata.database import Tx
from tests.stores import value, write
from tests.world import Node

ONE = b"one"


class Follower:
    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[str] = []
        self.resyncs = 0

    async def handle(self, events: list[Event]) -> None:
        self.seen += [event.path for event in events]

    async def resync(self) -> None:
        self.resyncs += 1


async def test_a_follower_sees_each_change_once_and_in_order(node: Node) -> None:
    follower = Follower("f")
    feed = Feed(node.database, [follower])  # type: ignore[list-item]
    await node.push("r/before", "1.0", ONE)
    await feed.round()
    await feed.join()
    await node.push("r/app", "1.0", ONE)
    await node.ask("DELETE", "/v2/r/app/manifests/1.0")
    await feed.round()
    await feed.round()
    assert follower.seen[0] == "app/"
    assert len(follower.seen) == len(set(follower.seen)) or "app/1.0/manifest.json" in follower.seen
    assert not any(path.startswith("before") for path in follower.seen)


async def test_a_log_that_was_cut_never_numbers_below_a_cursor(node: Node) -> None:
    follower = Follower("f")
    feed = Feed(node.database, [follower])  # type: ignore[list-item]
    await feed.join()
    await node.push("r/app", "1.0", ONE)
    await feed.round()
    await write(node.database, "UPDATE event SET time = 0")
    await feed.round()
    assert await node.count("event") == 1
    before = len(follower.seen)
    await node.push("r/app", "2.0", ONE)
    await feed.round()
    assert len(follower.seen) > before
    assert follower.resyncs == 0


async def test_a_log_of_any_length_is_cut_in_steps(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.events.log._CUT_AT_ONCE", 3)
    feed = Feed(node.database, [Follower("f")])  # type: ignore[list-item]
    await feed.join()
    for tag in ("1.0", "2.0", "3.0"):
        await node.push("r/app", tag, ONE)
    await feed.round()
    await write(node.database, "UPDATE event SET time = 0")
    steps: list[int] = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(node.database, name)

        async def transact(self, body: Callable[[Tx], Awaitable[int]]) -> int:
            steps.append(await node.database.transact(body))
            return steps[-1]

    cursor = await last(node.database, node.database.engine)
    before = await node.count("event")
    assert await cut(Watched(), cursor, 60_000) == before - 1  # type: ignore[arg-type]
    assert max(steps) == 3
    assert await node.count("event") == 1


async def test_one_event_that_a_follower_fails_on_does_not_stop_the_feed(node: Node) -> None:
    class Failing(Follower):
        async def handle(self, events: list[Event]) -> None:
            if any(event.path == "app/1.0/manifest.json" for event in events):
                raise ZeroDivisionError
            await super().handle(events)

    follower = Failing("f")
    feed = Feed(node.database, [follower])  # type: ignore[list-item]
    await feed.join()
    await node.push("r/app", "1.0", ONE)
    await node.push("r/app", "2.0", ONE)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await feed.round()
    assert "app/2.0/manifest.json" not in follower.seen
    await feed.round()
    assert "app/2.0/manifest.json" in follower.seen
    assert await feed.round() == 0


async def test_a_follower_that_cannot_be_served_for_now_misses_nothing(node: Node) -> None:
    class Waiting(Follower):
        async def handle(self, events: list[Event]) -> None:
            raise Unavailable

    feed = Feed(node.database, [Waiting("f")])  # type: ignore[list-item]
    await feed.join()
    await node.push("r/app", "1.0", ONE)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await feed.round()
    assert await value(node.database, "SELECT cursor FROM follower") == 0


async def test_a_follower_that_is_seven_days_behind_starts_over(node: Node) -> None:
    away, here = Follower("away"), Follower("here")
    await Feed(node.database, [away]).join()  # type: ignore[list-item]
    feed = Feed(node.database, [here])  # type: ignore[list-item]
    await feed.join()
    await node.push("r/app", "1.0", ONE)
    await feed.round()
    await feed.round()
    assert await node.count("event") > 1
    await write(node.database, f"UPDATE event SET time = time - {KEEP + 1000}")
    await feed.round()
    assert await node.count("event") == 1
    await Feed(node.database, [away]).round()  # type: ignore[list-item]
    assert away.resyncs == 1
    await node.push("r/app", "2.0", ONE)
    await Feed(node.database, [away]).round()  # type: ignore[list-item]
    assert any(path.startswith("app/2.0") for path in away.seen)


async def test_a_follower_that_is_left_behind_while_it_handles_a_page_starts_over(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.events.followers._PAGE", 2)

    class Slow(Follower):
        async def handle(self, events: list[Event]) -> None:
            if not self.seen:
                await Feed(node.database, ()).round()
            await super().handle(events)

    follower = Slow("f")
    feed = Feed(node.database, [follower])  # type: ignore[list-item]
    await feed.join()
    await node.push("r/app", "1.0", ONE)
    await Feed(node.database, ()).round()
    await write(node.database, f"UPDATE event SET time = time - {KEEP + 1000}")
    await feed.round()
    await feed.round()
    assert follower.resyncs == 1
