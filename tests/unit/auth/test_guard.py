import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.auth.guard import DIRECTORIES, Blocked, Guard
from entrepot.errors import TooMany
from tests.unit.auth.support import Clock

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.9"


@pytest.fixture
def guard(clock: Clock) -> Guard:
    return Guard(clock)


def fail(guard: Guard, *, times: int, address: str = HERE, name: str = "bob") -> None:
    for number in range(times):
        guard.failed(address, name, f"{name} {number}".encode())


def blocked(guard: Guard, address: str = HERE, name: str = "bob") -> int:
    """For how many seconds; 0: not at all."""

    async def trial() -> None:
        async with guard.trial(address, name, name, b"another"):
            pass

    try:
        asyncio.run(trial())
    except Blocked as refused:
        [(header, seconds)] = refused.headers
        return int(seconds) if header == "retry-after" and f"in {seconds} second(s)" in refused.message else -1
    return 0


def test_a_few_wrong_passwords_slow_nobody_down(guard: Guard) -> None:
    fail(guard, times=2)
    assert blocked(guard) == 0


def test_twenty_different_wrong_passwords_from_one_address_hold_it_for_a_minute(guard: Guard, clock: Clock) -> None:
    fail(guard, times=20)
    assert blocked(guard) == 60
    assert blocked(guard, name="ann") == 60
    clock.wait(seconds=60)
    assert blocked(guard) == 0


def test_meanwhile_the_owner_comes_in_from_elsewhere_within_seconds(guard: Guard, clock: Clock) -> None:
    fail(guard, times=20)
    assert blocked(guard, ELSEWHERE) <= 5
    clock.wait(seconds=5)
    assert blocked(guard, ELSEWHERE) == 0


def test_an_account_is_not_held_where_its_owner_came_in_lately(guard: Guard) -> None:
    guard.succeeded(ELSEWHERE, "bob")
    fail(guard, times=20)
    assert blocked(guard, ELSEWHERE) == 0
    assert blocked(guard, ELSEWHERE, "ann") == 0
    assert blocked(guard, "203.0.113.5") == 5


def test_a_success_does_not_clear_the_address_of_a_guesser(guard: Guard) -> None:
    fail(guard, times=20)
    guard.succeeded(HERE, "mallory")
    assert blocked(guard) == 60


def test_one_stale_password_repeated_holds_nobody(guard: Guard) -> None:
    for _ in range(1000):
        guard.failed(HERE, "bob", b"the same")
    assert blocked(guard) == 0
    assert blocked(guard, ELSEWHERE) == 0


def test_the_wait_doubles(guard: Guard, clock: Clock) -> None:
    waits = []
    for number in range(14):
        guard.failed(HERE, f"user{number}", b"%d" % number)
        waits.append(blocked(guard, name="nobody"))
        clock.wait(seconds=60)
    assert waits == [0, 0, 0, 0, 1, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_old_failures_are_forgotten(guard: Guard, clock: Clock) -> None:
    fail(guard, times=20)
    clock.wait(seconds=601)
    fail(guard, times=2)
    assert blocked(guard) == 0


def test_a_client_with_a_whole_ipv6_network_is_one_client(guard: Guard) -> None:
    for number in range(20):
        guard.failed(f"2001:db8:1:2::{number:x}", f"user{number}", b"%d" % number)
    assert blocked(guard, "2001:db8:1:2:ffff::1", "nobody") == 60
    assert blocked(guard, "2001:db8:1:3::1", "nobody") == 0


@settings(deadline=None)
@example("a:b")
@given(st.text(max_size=50))
def test_any_text_may_stand_for_an_address(address: str) -> None:
    guard = Guard(Clock())
    fail(guard, times=20, address=address)
    assert blocked(guard, address) == 60


def test_the_tables_are_bounded(guard: Guard) -> None:
    for number in range(10_100):
        guard.failed(f"a{number}", f"u{number}", b"x")
        guard.succeeded(f"a{number}", f"u{number}")
    assert {len(table) for table in (guard._addresses, guard._accounts, guard._familiar)} == {10_000}
    for number in range(200):
        guard.failed(HERE, "bob", b"%d" % number)
    record = guard._accounts.get("bob")
    assert record is not None
    assert len(record.attempts) == 64


async def test_of_one_account_no_more_is_verified_at_once_than_may_be_wrong(guard: Guard) -> None:
    async with AsyncExitStack() as verified:
        for number in range(3):
            await verified.enter_async_context(guard.trial(f"192.0.2.{number}", "bob", "bob", b"%d" % number))
        with pytest.raises(Blocked):
            await guard.trial(ELSEWHERE, "bob", "bob", b"3").__aenter__()
        await verified.enter_async_context(guard.trial(ELSEWHERE, "bob", "bob", b"0"))  # the same once more
        await verified.enter_async_context(guard.trial(ELSEWHERE, "ann", "ann", b"0"))
        guard.succeeded("203.0.113.5", "bob")
        await verified.enter_async_context(guard.trial("203.0.113.5", "bob", "bob", b"3"))
    async with guard.trial(ELSEWHERE, "bob", "bob", b"3"):  # none of those was wrong
        pass


async def test_wrong_attempts_of_last_month_leave_room_for_several_to_be_verified(guard: Guard, clock: Clock) -> None:
    fail(guard, times=3)
    clock.wait(seconds=2_592_000)
    async with guard.trial(ELSEWHERE, "bob", "bob", b"x"), guard.trial("203.0.113.5", "bob", "bob", b"y"):
        pass


async def test_of_one_address_some_wait_until_others_have_been_found_wrong(guard: Guard) -> None:
    verified: list[int] = []
    going = asyncio.Event()

    async def guess(number: int) -> None:
        async with guard.trial(HERE, f"user{number}", "", b"%d" % number):
            verified.append(number)
            await going.wait()
            guard.failed(HERE, f"user{number}", b"%d" % number)

    guesses = [asyncio.create_task(guess(number)) for number in range(69)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert verified == [0, 1, 2, 3]
    async with guard.trial(ELSEWHERE, "ann", "ann", b"x"):
        going.set()
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert len(verified) < 9
    assert [type(one) for one in outcomes].count(Blocked) == 68 - len(verified)
    assert isinstance(outcomes[-1], TooMany)


async def test_an_office_logs_in_at_a_directory_all_together(guard: Guard) -> None:
    going = asyncio.Event()

    async def login(number: int) -> None:
        async with guard.trial(HERE, f"user{number}", "", b"%d" % number, DIRECTORIES):
            await going.wait()
            guard.recheck(HERE, "")

    office = [asyncio.create_task(login(number)) for number in range(200)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    going.set()
    assert await asyncio.gather(*office) == [None] * 200


async def test_logins_that_hang_at_a_directory_keep_nobody_who_has_a_password_here(guard: Guard) -> None:
    async with AsyncExitStack() as hanging:
        for number in range(16):
            await hanging.enter_async_context(guard.trial(HERE, f"u{number}", "", b"%d" % number, DIRECTORIES))
        async with asyncio.timeout(1), guard.trial(HERE, "root", "root", b"x"):
            pass


@pytest.mark.parametrize("right", [5, 30, 1000])
async def test_guesses_sent_together_to_a_directory_are_told_no_more_than_one_by_one(guard: Guard, right: int) -> None:
    told: list[int] = []

    async def guess(number: int) -> None:
        async with guard.trial(HERE, f"user{number}", "", b"%d" % number, DIRECTORIES):
            await asyncio.sleep(0)
            guard.recheck(HERE, "")
            told.append(number)
            if number != right:
                guard.failed(HERE, f"user{number}", b"%d" % number)

    outcomes = await asyncio.gather(*(guess(number) for number in range(100)), return_exceptions=True)
    assert told == [0, 1, 2, 3, 4]
    assert [type(one) for one in outcomes[5:]] == [Blocked] * 95
