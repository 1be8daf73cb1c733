"""Slow those down who guess passwords, without locking anybody out.

Counted are *different* wrong attempts, per client address and per account, in bounded tables of this process. A stale
password that a robot repeats is one attempt however often it comes, so it neither locks its owner out nor its office.
An account is held for at most 5 s, and never for an address from which it came in lately; an address for a minute.

What is being verified may turn out wrong: an account has no more of it at once than wrong attempts would be free, and of
one address some wait until others have ended. A directory is slow where our own hashes are not, and many people may share
an address: more of it is verified there at once, and not told once its address has to wait. So guesses that are sent all
together find out no more than one by one.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from entrepot.auth.recent import Recent
from entrepot.clock import Clock
from entrepot.errors import Denied, TooMany

K = TypeVar("K")

_TABLE: Final = 10_000  # addresses, accounts
_FORGET: Final = 600_000  # milliseconds without a further wrong attempt
_STEP: Final = 500  # milliseconds, doubled with each
_DIFFERENT: Final = 64  # attempts told apart; beyond, the longest wait has been reached anyway


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who verifies passwords: the room that an address has there. One that hangs keeps nobody from another."""

    at_once: int  # attempts that are verified
    waiting: int  # different ones that wait for it


OURS: Final = Keeper(4, 64)
DIRECTORIES: Final = Keeper(16, 256)


class Blocked(Denied):
    """This request is blocked due to recurrent request failures, please try again in {seconds} second(s)"""


@dataclass(frozen=True, slots=True)
class _Rule:
    free: int  # different wrong attempts before anything slows down
    longest: int  # milliseconds


_ADDRESS: Final = _Rule(5, 60_000)
_ACCOUNT: Final = _Rule(3, 5_000)


@dataclass(slots=True)
class _Record:
    attempts: set[bytes] = field(default_factory=set)
    last: int = 0
    until: int = 0

    def remembered(self, now: int) -> set[bytes]:
        if now - self.last > _FORGET:
            self.attempts.clear()
        return self.attempts

    def add(self, attempt: bytes, now: int, rule: _Rule) -> None:
        if attempt in self.remembered(now):
            return
        self.last = now
        if len(self.attempts) < _DIFFERENT:
            self.attempts.add(attempt)
        over = len(self.attempts) - rule.free
        if over >= 0:
            self.until = now + min(_STEP << min(over, 16), rule.longest)


@dataclass(slots=True)
class _Room:
    places: asyncio.Semaphore
    attempts: list[bytes] = field(default_factory=list)


class Guard:
    """What this process remembers of failed logins. All methods are called on the loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._addresses: Recent[str, _Record] = Recent(_TABLE)
        self._accounts: Recent[str, _Record] = Recent(_TABLE)
        self._familiar: Recent[tuple[str, str], bool] = Recent(_TABLE)
        self._of_addresses: dict[tuple[str, Keeper], _Room] = {}
        self._of_accounts: dict[str, _Room] = {}

    @asynccontextmanager
    async def trial(
        self, address: str, name: str, account: str, attempt: bytes, keeper: Keeper = OURS
    ) -> AsyncIterator[None]:
        """Hold a place for an attempt until its keeper has verified it, and it was counted if it was wrong.

        `account`: whose name it is, empty if nobody's. Raises Blocked while this address, or this name, has to wait, and
        TooMany.
        """
        network = _network(address)
        self._check(network, name, account, attempt)
        with _listed(self._of_addresses, (network, keeper), attempt, keeper.at_once) as room:
            if len(set(room.attempts)) > keeper.at_once + keeper.waiting:
                raise TooMany(seconds=2)
            async with room.places:
                self._check(network, name, account, attempt)  # anew: those before it have ended
                with _listed(self._of_accounts, name, attempt):
                    yield

    def recheck(self, address: str, account: str) -> None:
        """Raise Blocked for what was verified, right or wrong, if others of its address were found wrong meanwhile."""
        self._hold(_until(self._addresses.get(_network(address))), account)

    def _check(self, network: str, name: str, account: str, attempt: bytes) -> None:
        now = self._clock.now()
        until = _until(self._addresses.get(network))
        if not self._familiar.get((network, name)):
            until = max(until, _until(self._accounts.get(name)), self._until_verified(name, attempt, now))
        self._hold(until, account)

    def _hold(self, until: int, account: str) -> None:
        if until > (now := self._clock.now()):
            seconds = -(-(until - now) // 1000)
            raise Blocked(seconds=seconds, claimed=account, headers=[("retry-after", str(seconds))])

    def _until_verified(self, name: str, attempt: bytes, now: int) -> int:
        """Return when others that are being verified for this name will have ended, if they could all be wrong."""
        room, record = self._of_accounts.get(name), self._accounts.get(name)
        if room is None or attempt in room.attempts:
            return 0
        tried = set(room.attempts).union(record.remembered(now) if record is not None else ())
        return now + _STEP if len(tried) >= _ACCOUNT.free else 0

    def failed(self, address: str, name: str, attempt: bytes) -> None:
        """Count a wrong attempt; `attempt` tells different ones apart."""
        now = self._clock.now()
        network = _network(address)
        for table, key, rule in ((self._addresses, network, _ADDRESS), (self._accounts, name, _ACCOUNT)):
            record = table.get(key) or _Record()
            record.add(attempt, now, rule)
            table.put(key, record)

    def succeeded(self, address: str, name: str) -> None:
        """Remember that this account comes in from here. What its address has on record stays: a guesser may own it."""
        self._familiar.put((_network(address), name), True)


@contextmanager
def _listed(rooms: dict[K, _Room], key: K, attempt: bytes, places: int = 0) -> Iterator[_Room]:
    """Give the room that a key has while any attempt is in it."""
    room = rooms.get(key) or rooms.setdefault(key, _Room(asyncio.Semaphore(places)))
    room.attempts.append(attempt)
    try:
        yield room
    finally:
        room.attempts.remove(attempt)
        if not room.attempts:
            del rooms[key]


def _until(record: _Record | None) -> int:
    return record.until if record is not None else 0


def _network(address: str) -> str:
    """Return what one client can be held to: an IPv4 address, a /64 of IPv6."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
