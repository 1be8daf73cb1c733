"""Directory servers as a source of identities: asked one after the other, each behind a circuit of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from entrepot.auth.directory.connection import DirectoryFailed, Unreachable
from entrepot.auth.directory.lookup import Directory, Found
from entrepot.auth.directory.settings import GROUPS, SETTINGS, read_group_setting, read_setting
from entrepot.auth.outside import Person, SourceUnavailable
from entrepot.configuration.documents import Documents
from entrepot.errors import Invalid

log = structlog.get_logger()

_SECONDS: Final = 25.0  # for all servers together
_AT_ONCE: Final = 16  # logins at one server, of one process; of one address fewer (`auth/guard.py`)
_WAITING: Final = 64  # that wait for it
_TRIES: Final = 2  # failures in a row after which a server is left alone
_PAUSE: Final = 10.0  # seconds
_COMPLAINT: Final = 60.0  # seconds between two lines in the log of how many wait

T = TypeVar("T")
Ask = Callable[[Directory], Awaitable[Found | None]]


class DirectoryBusy(SourceUnavailable):
    """Too many wait for the directory server that could tell who you are; try again in a few seconds."""


class _LeftAlone(DirectoryFailed):
    """It has just failed, and is tried again in some seconds. Whoever found that out has logged it."""


@dataclass(slots=True)
class _Circuit:
    """What this process knows of the state of one server."""

    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    failures: int = 0
    closed_until: float = 0.0  # seconds of the loop's clock
    under_way: int = 0
    complained: float = -_COMPLAINT

    async def run(self, work: Callable[[], Awaitable[Found | None]]) -> Found | None:
        """Do something at the server unless it is being left alone, or many wait for it.

        Raises DirectoryFailed, DirectoryBusy.
        """
        if self.under_way >= _AT_ONCE + _WAITING:
            raise DirectoryBusy
        self.under_way += 1
        try:
            return await self._run(work)
        finally:
            self.under_way -= 1

    async def _run(self, work: Callable[[], Awaitable[Found | None]]) -> Found | None:
        async with self.room:
            now = asyncio.get_running_loop().time()
            if now < self.closed_until:
                raise _LeftAlone
            tries = self.failures >= _TRIES
            if tries:
                self.closed_until = now + _PAUSE  # for all but this one, who tries
            try:
                found = await work()
            except Unreachable:
                if self.failures >= _TRIES and not tries:  # it was asked before another found out
                    raise _LeftAlone from None
                self.failures += 1
                if self.failures >= _TRIES:
                    self.closed_until = asyncio.get_running_loop().time() + _PAUSE
                raise
            self.failures, self.closed_until = 0, 0.0
            return found


class LdapSource:
    """Users of directory servers (`outside.IdentitySource`). One object per process, used on its loop."""

    realm = "ldap"

    def __init__(self, documents: Documents, fixed: Mapping[str, Any] | None = None) -> None:
        self._documents = documents
        self._fixed = dict(fixed or {})  # of the settings file: first, and not to be changed by REST
        self._seen: tuple[object, object] | None = None
        self._directories: list[Directory] = []
        self._circuits: dict[str, _Circuit] = {}

    def state(self) -> object:
        """See IdentitySource."""
        self._refresh()
        return self._directories

    def enabled(self) -> bool:
        """See IdentitySource."""
        self._refresh()
        return bool(self._directories)

    async def login(self, name: str, password: str) -> Person | None:
        """See IdentitySource."""
        return await self._first(name, lambda directory: directory.login(name, password))

    async def look_up(self, name: str) -> Person | None:
        """See IdentitySource."""
        return await self._first(name, lambda directory: directory.look_up(name))

    async def _first(self, name: str, ask: Ask) -> Person | None:
        failed = False
        self._refresh()
        try:
            async with asyncio.timeout(_SECONDS):
                for directory in self._directories:
                    try:
                        found = await self._ask(directory, ask)
                    except _LeftAlone:
                        failed = True
                        continue
                    except DirectoryFailed as error:
                        log.warning("directory.failed", server=directory.setting.key, reason=str(error)[:500])
                        failed = True
                        continue
                    if found is not None:
                        return _person(name, found)
        except TimeoutError:
            failed = True
        if failed:
            raise SourceUnavailable
        return None

    async def _ask(self, directory: Directory, ask: Ask) -> Found | None:
        circuit = self._circuits.setdefault(directory.setting.key, _Circuit())
        try:
            return await circuit.run(lambda: ask(directory))
        except DirectoryBusy:  # not for the next server to answer: all that is too much would fall on it
            now = asyncio.get_running_loop().time()
            if now - circuit.complained >= _COMPLAINT:
                circuit.complained = now
                log.warning("directory.busy", server=directory.setting.key)
            raise

    def _refresh(self) -> None:
        """Read the documents again if they are not those of the last time."""
        seen = (self._documents.section(SETTINGS), self._documents.section(GROUPS))
        if self._seen is not None and self._seen[0] is seen[0] and self._seen[1] is seen[1]:
            return
        self._seen = seen
        settings = _with(self._fixed.get(SETTINGS), self._documents.revealed(SETTINGS))
        grouped = _with(self._fixed.get(GROUPS), self._documents.revealed(GROUPS))
        self._directories = directories(settings, grouped)
        self._circuits = {}


def directories(settings: Mapping[str, Any], grouped: Mapping[str, Any]) -> list[Directory]:
    """Return the servers that are enabled, in their order; settings that cannot be read are left out, and logged."""
    groups = [by for key, body in grouped.items() if (by := _fit(read_group_setting, key, body))]
    found = [one for key, body in settings.items() if (one := _fit(read_setting, key, body))]
    return [
        Directory(setting, [by for by in groups if by.enabled_ldap == setting.key])
        for setting in found
        if setting.enabled
    ]


def _with(fixed: Mapping[str, Any] | None, documents: Mapping[str, Any]) -> dict[str, Any]:
    first = dict(fixed or {})
    return first | {key: body for key, body in documents.items() if key not in first}


def _fit(read: Callable[[str, Mapping[str, Any]], T], key: str, body: Mapping[str, Any]) -> T | None:
    try:
        return read(key, body)
    except Invalid as error:
        log.warning("directory.settings", key=key, reason=str(error)[:500])
        return None


def _person(name: str, found: Found) -> Person:
    return Person(
        realm=LdapSource.realm,
        name=name,
        unique=_unique(found),
        email=found.email,
        groups=found.held.names,
        group_entries=found.held.entries,
        create=found.setting.auto_create_user,
        profile_updatable=found.setting.allow_user_to_access_profile,
    )


def _unique(found: Found) -> str:
    """Return what tells a user apart: an id of the entry in all servers of its directory, a name in the one alone."""
    return f"{found.setting.key}:{found.unique}"[:255] if found.unique.startswith("dn:") else found.unique
