"""Passwords: argon2id, a few at a time, and a short memory of those that were right.

One verification costs some 25 ms and 19 MiB on purpose. So at most two run at once in a process, a bounded number
waits, and whoever comes beyond that is told to try again. A pair that was right is remembered for five minutes as a
keyed hash (the key lives as long as the process), bound to the account's `security_epoch`: a changed password, a
disabled or deleted account stop at once. A pair that was wrong is remembered the same way: a robot with a stale
password costs nothing.

Unknown users, and accounts without a password, cost the same verification as known ones.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from entrepot.auth.recent import Recent
from entrepot.clock import Clock
from entrepot.errors import Invalid, TooMany
from entrepot.metadata.database import T

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_THREADS: Final = 2
_WAITING: Final = 64  # verifications: about a second's worth
_REMEMBERED: Final = 10_000
_LIFETIME: Final = 300_000  # milliseconds
_LONGEST: Final = 1024  # bytes; nobody types more, and argon2 reads them all
_NOBODY: Final = -1  # the epoch under which unknown users are remembered


@dataclass(frozen=True, slots=True)
class Known:
    """What an account's stored password is, for one verification."""

    epoch: int  # the account's security_epoch
    hash: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A name and password that somebody sent, with what we know about that name."""

    password: bytes
    known: Known | None  # None: there is no such user, or none that has a password here
    fingerprint: bytes  # a keyed hash of the whole attempt; useless outside of this process


class Passwords:
    """Hash and verify passwords. One object per process, used on its loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._right: Recent[bytes, int] = Recent(_REMEMBERED)  # fingerprint -> remembered until
        self._wrong: Recent[bytes, int] = Recent(_REMEMBERED)
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._under_way = 0

    def attempt(self, name: str, password: str, known: Known | None) -> Attempt:
        """Return what to ask `recall` and `verify` for."""
        sent = password.encode("utf-8", "surrogatepass")
        epoch = known.epoch if known else _NOBODY
        text = b"%s\0%d\0%s" % (name.encode("utf-8", "surrogatepass"), epoch, sent)
        return Attempt(sent, known, hashlib.blake2b(text, key=self._key, digest_size=20).digest())

    def recall(self, attempt: Attempt) -> bool | None:
        """Return whether the attempt was right when it was last verified; None when that is not remembered."""
        now = self._clock.now()
        if self._right.get(attempt.fingerprint, 0) > now:
            return True
        return False if self._wrong.get(attempt.fingerprint, 0) > now else None

    async def verify(self, attempt: Attempt) -> bool:
        """Whether the password is the user's. Equal attempts at the same time are verified once. Raises TooMany."""
        running = self._running.get(attempt.fingerprint)
        if running is None:
            stored = attempt.known.hash if attempt.known and 0 < len(attempt.password) <= _LONGEST else ""
            running = self._start(functools.partial(_matches, stored, attempt.password[:_LONGEST]))
            self._running[attempt.fingerprint] = running
            running.add_done_callback(functools.partial(self._remember, attempt.fingerprint))
        return await asyncio.shield(running)

    def outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's, so that the next login should replace it."""
        return _hasher().check_needs_rehash(stored)

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises TooMany, Invalid when there is nothing to hash or too much."""
        sent = password.encode("utf-8", "surrogatepass")
        if not 0 < len(sent) <= _LONGEST:
            raise Invalid(f"A password has between 1 and {_LONGEST} bytes.")
        return await asyncio.shield(self._start(functools.partial(_hashed, sent)))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        if self._under_way >= _THREADS + _WAITING:
            raise TooMany(seconds=2)
        self._under_way += 1
        started = asyncio.get_running_loop().run_in_executor(self._threads, work)
        started.add_done_callback(self._ended)
        return started

    def _ended(self, _done: object) -> None:
        self._under_way -= 1

    def _remember(self, fingerprint: bytes, done: asyncio.Future[bool]) -> None:
        del self._running[fingerprint]
        if not done.cancelled() and done.exception() is None:
            (self._right if done.result() else self._wrong).put(fingerprint, self._clock.now() + _LIFETIME)


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher, Type  # noqa: PLC0415 - 4 MiB, on first use

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


@functools.cache
def _stand_in() -> str:
    """The hash of nothing that anybody can type: verified for those who have no password of their own."""
    return _hasher().hash(secrets.token_hex(32))


def _hashed(password: bytes) -> str:
    return _hasher().hash(password)


def _matches(stored: str, password: bytes) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

    try:
        return _hasher().verify(stored or _stand_in(), password)
    except (VerificationError, InvalidHashError):
        return False
