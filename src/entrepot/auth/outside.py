"""Users whose password is kept elsewhere: what a source of identities says of them, and for how long that counts.

An answer of a source counts for five minutes from when it was given, whatever happens meanwhile: for passwords, and for
the tokens of its users, who are looked up again when it is over. A source that cannot answer then lets nobody in.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from entrepot.access.caller import Caller
from entrepot.auth.accounts import ANONYMOUS_NAME, Account, may_be_name
from entrepot.auth.recent import Recent
from entrepot.auth.standing import by_password
from entrepot.clock import Clock
from entrepot.errors import Unavailable

LIFETIME: Final = 300_000  # milliseconds that an answer counts
_WRONG: Final = 60_000  # milliseconds in which a wrong password is not tried again at the source
_REMEMBERED: Final = 10_000
_LONGEST: Final = 1024  # characters of a password


class SourceUnavailable(Unavailable):
    """The directory server that could tell who you are does not answer; try again in a few seconds."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user as a source knows it."""

    realm: str
    name: str
    unique: str = ""  # changes when another person gets the name
    email: str = ""
    groups: frozenset[str] = frozenset()  # names, folded
    group_entries: frozenset[str] = frozenset()  # names of directory entries, normalised
    create: bool = True  # whether there shall be an account
    profile_updatable: bool = False


class IdentitySource(Protocol):
    """Somebody else who knows users. Called on the loop; slow answers are awaited with a deadline of its own."""

    realm: str

    def state(self) -> object:
        """Return an object that is another one after the settings have changed."""
        ...

    def enabled(self) -> bool:
        """Whether there is anything to ask."""
        ...

    async def login(self, name: str, password: str) -> Person | None:
        """Return who the password is right for. Raises SourceUnavailable."""
        ...

    async def look_up(self, name: str) -> Person | None:
        """Return a user without its password; None when it is not there any more. Raises SourceUnavailable."""
        ...


class Admission(Protocol):
    """What takes a person of a source into the accounts."""

    async def admit(self, person: Person) -> Account | frozenset[str]:
        """Return the account, brought up to date; for a person that shall have none, the groups that count."""
        ...

    async def drop(self, account: Account) -> None:
        """Note that the source does not know the user of an account any more."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who came in, and until when (milliseconds) that may be relied on."""

    caller: Caller
    account: Account | None
    until: int


@dataclass(frozen=True, slots=True)
class _Answer:
    person: Person | None
    until: int


class Outside:
    """The sources together, with what they said lately. One object per process, used on its loop."""

    def __init__(self, sources: Sequence[IdentitySource], admission: Admission, clock: Clock) -> None:
        self._sources = tuple(sources)
        self._realms = frozenset(source.realm for source in sources)
        self._admission = admission
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._states: tuple[object, ...] = ()
        self._answers: Recent[bytes, _Answer] = Recent(_REMEMBERED)
        self._running: dict[bytes, asyncio.Task[_Answer]] = {}

    def keeps_password_of(self, name: str, account: Account | None) -> bool:
        """Whether a source, and not we, is to be asked: for names that are not taken here, and for its own users.

        The name of a user who has a password here is not for sources to give away. Nor is a source asked for a name that
        no account can have: servers compare names without spaces around them and in any width, so it could be another
        spelling of somebody who is disabled here.
        """
        if name == ANONYMOUS_NAME or not may_be_name(name) or not any(source.enabled() for source in self._sources):
            return False
        if account is None or account.realm in self._realms:
            return True
        return account.realm == "internal" and account.profile.internal_password_disabled

    def confirms(self, account: Account) -> bool:
        """Whether a user's tokens count only while a source knows the user."""
        return account.realm in self._realms

    async def login(self, name: str, password: str) -> Verdict | None:
        """Return who the name and the password stand for. Raises SourceUnavailable."""
        if not 0 < len(password) <= _LONGEST:
            return None
        key = self._hash("login", name, password)
        answer = await self._answer(key, lambda source: source.login(name, password), wrong=_WRONG)
        if answer.person is None:
            return None
        admitted = await self._admission.admit(answer.person)
        if isinstance(admitted, frozenset):  # who has no account administers nothing, and gets no tokens
            return Verdict(Caller(name, None, admitted, own_rights=False), None, answer.until)
        return None if admitted.disabled else Verdict(by_password(admitted), admitted, answer.until)

    async def confirm(self, account: Account) -> tuple[Account, int] | None:
        """Return a user as its source knows it now, and until when that counts; None when it does not any more.

        Raises SourceUnavailable.
        """
        key = self._hash("look-up", account.name, str(account.id))
        answer = await self._answer(key, lambda source: source.look_up(account.name), wrong=LIFETIME)
        if answer.person is None:
            await self._admission.drop(account)
            return None
        now = await self._admission.admit(answer.person)
        return None if isinstance(now, frozenset) or now.id != account.id else (now, answer.until)

    async def _answer(
        self, key: bytes, ask: Callable[[IdentitySource], Awaitable[Person | None]], *, wrong: int
    ) -> _Answer:
        """Return a remembered answer or a new one; equal questions at the same time are asked once."""
        self._forget_if_changed()
        known = self._answers.get(key)
        if known is not None and known.until > self._clock.now():
            return known
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(self._asked(ask, wrong))
            running.add_done_callback(functools.partial(self._remember, key, self._states))
        return await asyncio.shield(running)

    async def _asked(self, ask: Callable[[IdentitySource], Awaitable[Person | None]], wrong: int) -> _Answer:
        began, failed = self._clock.now(), None
        for source in self._sources:
            if not source.enabled():
                continue
            try:
                person = await ask(source)
            except SourceUnavailable as error:
                failed = error
                continue
            if person is not None:
                return _Answer(person, began + LIFETIME)
        if failed is not None:
            raise failed
        return _Answer(None, began + wrong)

    def _remember(self, key: bytes, states: tuple[object, ...], done: asyncio.Task[_Answer]) -> None:
        self._running.pop(key, None)
        if not done.cancelled() and done.exception() is None and states is self._states:
            self._answers.put(key, done.result())

    def _forget_if_changed(self) -> None:
        states = tuple(source.state() for source in self._sources)
        if len(states) != len(self._states) or any(a is not b for a, b in zip(states, self._states, strict=False)):
            self._states = states
            self._answers.clear()

    def _hash(self, *words: str) -> bytes:
        text = "\0".join(words).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=20).digest()
