import asyncio
import threading
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from argon2 import PasswordHasher

from entrepot.auth import passwords as module
from entrepot.auth.passwords import Attempt, Known, Passwords
from entrepot.errors import Invalid, TooMany
from tests.unit.auth.support import Clock

RIGHT = "correct horse"


@pytest.fixture
def passwords(clock: Clock) -> Iterator[Passwords]:
    made = Passwords(clock)
    yield made
    made.close()


@pytest.fixture(scope="module")
def stored() -> str:
    return module._hasher().hash(RIGHT)


class Slow:
    """Verifications that end when they are let go, counted."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.running = self.most = self.all = 0

    def __call__(self, _stored: str, password: bytes) -> bool:
        with self.lock:
            self.running += 1
            self.all += 1
            self.most = max(self.most, self.running)
        self.gate.wait(30)
        with self.lock:
            self.running -= 1
        return password == RIGHT.encode()


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    with patch.object(module, "_matches", made):
        yield made
    made.gate.set()


def attempts(passwords: Passwords, count: int) -> list[Attempt]:
    return [passwords.attempt("bob", f"wrong {number}", Known(1, "hash")) for number in range(count)]


async def test_a_hash_is_argon2id_with_the_agreed_cost(passwords: Passwords) -> None:
    assert (await passwords.hash(RIGHT)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_the_right_password_matches_and_a_wrong_one_does_not(passwords: Passwords, stored: str) -> None:
    known = Known(1, stored)
    assert await passwords.verify(passwords.attempt("bob", RIGHT, known))
    assert not await passwords.verify(passwords.attempt("bob", "wrong", known))


async def test_a_password_beyond_ascii_matches(passwords: Passwords) -> None:
    known = Known(1, await passwords.hash("pässwörd ✓"))
    assert await passwords.verify(passwords.attempt("bob", "pässwörd ✓", known))
    assert not await passwords.verify(passwords.attempt("bob", "\udcff", known))


@pytest.mark.parametrize("password", ["", "x" * 1025])
async def test_an_empty_or_endless_password_never_matches_and_cannot_be_stored(
    passwords: Passwords, password: str
) -> None:
    known = Known(1, module._hasher().hash(password[:1024]))
    assert not await passwords.verify(passwords.attempt("bob", password, known))
    with pytest.raises(Invalid):
        await passwords.hash(password)


async def test_unknown_users_cost_a_verification_like_known_ones(passwords: Passwords, stored: str) -> None:
    asked: list[str] = []
    real = PasswordHasher.verify

    def counted(hasher: PasswordHasher, text: str, password: bytes) -> bool:
        asked.append(text)
        return real(hasher, text, password)

    with patch.object(PasswordHasher, "verify", counted):
        for known in (None, Known(1, ""), Known(1, stored)):
            assert not await passwords.verify(passwords.attempt("bob", "wrong", known))
    assert len(asked) == 3
    assert {text.rpartition("$")[0].rpartition("$")[0] for text in asked} == {"$argon2id$v=19$m=19456,t=2,p=1"}


async def test_a_stored_value_that_is_no_hash_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.verify(passwords.attempt("bob", "x", Known(1, "x")))


async def test_what_was_verified_is_remembered_for_five_minutes(
    passwords: Passwords, stored: str, clock: Clock
) -> None:
    right = passwords.attempt("bob", RIGHT, Known(1, stored))
    wrong = passwords.attempt("bob", "wrong", Known(1, stored))
    assert passwords.recall(right) is None
    await passwords.verify(right)
    await passwords.verify(wrong)
    clock.wait(seconds=299)
    assert passwords.recall(right) is True
    assert passwords.recall(wrong) is False
    clock.wait(seconds=1)
    assert passwords.recall(right) is None
    assert passwords.recall(wrong) is None


async def test_what_was_verified_is_forgotten_when_the_account_changes(passwords: Passwords, stored: str) -> None:
    await passwords.verify(passwords.attempt("bob", RIGHT, Known(1, stored)))
    assert passwords.recall(passwords.attempt("bob", RIGHT, Known(2, stored))) is None
    assert passwords.recall(passwords.attempt("bob", RIGHT, None)) is None
    assert passwords.recall(passwords.attempt("ann", RIGHT, Known(1, stored))) is None


def test_another_process_tells_attempts_apart_in_another_way(clock: Clock) -> None:
    here, there = Passwords(clock), Passwords(clock)
    assert here.attempt("bob", RIGHT, None).fingerprint != there.attempt("bob", RIGHT, None).fingerprint
    assert RIGHT.encode() not in here.attempt("bob", RIGHT, None).fingerprint
    here.close()
    there.close()


async def test_at_most_two_are_verified_at_once(passwords: Passwords, slow: Slow) -> None:
    asked = [asyncio.create_task(passwords.verify(attempt)) for attempt in attempts(passwords, 20)]
    async with asyncio.timeout(10):
        while slow.running < 2:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0)
    slow.gate.set()
    assert await asyncio.gather(*asked) == [False] * 20
    assert (slow.most, slow.all) == (2, 20)


async def test_equal_attempts_at_the_same_time_are_verified_once(passwords: Passwords, slow: Slow) -> None:
    attempt = passwords.attempt("bob", RIGHT, Known(1, "hash"))
    asked = [asyncio.create_task(passwords.verify(attempt)) for _ in range(500)]
    await asyncio.sleep(0)
    slow.gate.set()
    assert await asyncio.gather(*asked) == [True] * 500
    assert slow.all == 1


async def test_beyond_the_queue_clients_are_told_to_come_again(passwords: Passwords, slow: Slow) -> None:
    asked = [asyncio.create_task(passwords.verify(attempt)) for attempt in attempts(passwords, 66)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany) as refused:
        await passwords.verify(passwords.attempt("bob", "one more", None))
    assert refused.value.words["seconds"] == 2
    slow.gate.set()
    await asyncio.gather(*asked)
    assert not await passwords.verify(passwords.attempt("bob", "one more", None))


async def test_clients_that_go_away_leave_the_queue_as_it_was(passwords: Passwords, slow: Slow) -> None:
    asked = [asyncio.create_task(passwords.verify(attempt)) for attempt in attempts(passwords, 66)]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    with pytest.raises(TooMany):
        await passwords.verify(passwords.attempt("bob", "one more", None))
    slow.gate.set()
    async with asyncio.timeout(10):
        while passwords._under_way:  # noqa: ASYNC110 - other threads count it down
            await asyncio.sleep(0)
    assert await passwords.verify(passwords.attempt("bob", RIGHT, None))


async def test_a_hash_of_older_parameters_is_outdated(passwords: Passwords, stored: str) -> None:
    assert not passwords.outdated(stored)
    assert passwords.outdated(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(RIGHT))
