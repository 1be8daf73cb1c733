import asyncio
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.blobs.key_maker import KeyMaker
from entrepot.blobs.keys import KeyInvalid, checked, checked_prefix, valid

HOUR = 3_600_000


class Clock:
    def __init__(self) -> None:
        self.millis = int(datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC).timestamp() * 1000)

    def now(self) -> int:
        return self.millis


class Sql:
    """Where the open hours are told; each call ends when the test says so."""

    def __init__(self, *, ready: bool = True) -> None:
        self.told: list[str] = []
        self.known: list[str] = []
        self.ready = asyncio.Event()
        self.error: Exception | None = None
        if ready:
            self.ready.set()

    async def opened(self, hour: str) -> None:
        self.told.append(hour)
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        self.known.append(hour)


async def rounds(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_key_names_its_writer_and_hour_and_is_new_each_time() -> None:
    keys = KeyMaker("w1", Sql().opened, Clock())
    made = {await keys.new() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"w1/2026112407/[0-9a-f]{32}", key) and valid(key) for key in made)


async def test_the_hour_is_known_to_sql_before_its_first_key_is_given() -> None:
    sql = Sql(ready=False)
    making = asyncio.create_task(KeyMaker("w1", sql.opened, Clock()).new())
    await rounds()
    assert (sql.told, making.done()) == (["2026112407"], False)
    sql.ready.set()
    assert (await making).startswith("w1/2026112407/")
    assert sql.known == ["2026112407"]


async def test_all_who_come_meanwhile_wait_for_the_one_call() -> None:
    sql = Sql(ready=False)
    keys = KeyMaker("w1", sql.opened, Clock())
    making = [asyncio.create_task(keys.new()) for _ in range(20)]
    await rounds()
    assert not any(task.done() for task in making)
    sql.ready.set()
    assert len(set(await asyncio.gather(*making))) == 20
    assert sql.told == ["2026112407"]


async def test_each_new_hour_is_told_once() -> None:
    sql, clock = Sql(), Clock()
    keys = KeyMaker("w1", sql.opened, clock)
    for step in (0, 0, 1_000, 0, HOUR, 0):
        clock.millis += step
        await keys.new()
    assert sql.told == ["2026112407", "2026112408", "2026112409"]


async def test_a_clock_set_back_over_the_hour_tells_nothing_twice() -> None:
    sql, clock = Sql(), Clock()
    keys = KeyMaker("w1", sql.opened, clock)
    for step in (0, 1_000, -1_000, 1_000):
        clock.millis += step
        await keys.new()
    assert sql.told == ["2026112407", "2026112408"]


async def test_hours_long_past_are_forgotten_and_told_again() -> None:
    sql, clock = Sql(), Clock()
    keys = KeyMaker("w1", sql.opened, clock)
    for step in (0, HOUR, HOUR, HOUR, HOUR, -4 * HOUR):
        clock.millis += step
        await keys.new()
    assert sql.told == [f"20261124{hour:02}" for hour in (7, 8, 9, 10, 11, 7)]


async def test_when_sql_fails_no_key_is_given_and_the_next_call_tries_again() -> None:
    sql = Sql()
    keys = KeyMaker("w1", sql.opened, Clock())
    sql.error = ConnectionError("lost")
    for outcome in await asyncio.gather(keys.new(), keys.new(), return_exceptions=True):
        assert isinstance(outcome, ConnectionError)
    sql.error = None
    assert valid(await keys.new())
    assert sql.told == ["2026112407"] * 2


async def test_a_caller_that_is_cancelled_does_not_take_the_hour_from_the_others() -> None:
    sql = Sql(ready=False)
    keys = KeyMaker("w1", sql.opened, Clock())
    first, second = asyncio.create_task(keys.new()), asyncio.create_task(keys.new())
    await rounds()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    sql.ready.set()
    assert valid(await second)
    assert sql.told == ["2026112407"]


def test_a_writer_that_could_not_be_part_of_a_key_is_refused() -> None:
    with pytest.raises(KeyInvalid):
        KeyMaker("../w", Sql().opened, Clock())


@pytest.mark.parametrize("key", ["a", "a/b", "...", "a/.b/c..", "A-Z_0.9/x", "a" * 255])
def test_a_plain_name_is_a_key(key: str) -> None:
    assert checked(key) == key


@pytest.mark.parametrize(
    "key", ["", ".", "..", "a/..", "../a", "./a", "a/.", "/a", "a/", "a//b", "a\n", "a b", "a\\b", "é", "a" * 256]
)
def test_any_other_text_is_refused_with_a_line_that_can_be_printed(key: str) -> None:
    assert not valid(key)
    with pytest.raises(KeyInvalid) as told:
        checked(key)
    assert told.value.message.isascii()
    assert told.value.message.isprintable()
    assert told.value.status == 500


@settings(deadline=None)
@given(st.text(alphabet="ab./\\\0 \n%", max_size=12))
def test_a_key_never_leaves_its_folder(key: str) -> None:
    segments = key.split("/")
    harmless = all(segment and set(segment) <= set("ab.") and segment not in {".", ".."} for segment in segments)
    assert valid(key) == harmless


def test_a_prefix_is_a_folder_with_or_without_its_slash_or_all() -> None:
    assert (checked_prefix("a/b/"), checked_prefix("a"), checked_prefix("")) == ("a/b", "a", "")
    with pytest.raises(KeyInvalid):
        checked_prefix("a//")
