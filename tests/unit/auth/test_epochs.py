import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from entrepot.auth import accounts, admins
from entrepot.auth.epochs import Epochs
from entrepot.errors import Invalid
from entrepot.metadata.database import Database, DatabaseUnavailable, Tx
from entrepot.metadata.versions import bump
from tests.unit.auth.support import Clocked, epochs_of

ANNOUNCE = """
import sys
from pathlib import Path
from entrepot.auth import accounts
from entrepot.auth.epochs import Epochs
words = Epochs(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    words.announce("security")
"""


async def nothing(_tx: Tx) -> str:
    return "done"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - shared memory has no event
            await asyncio.sleep(0.01)


class Broken:
    async def rows(self, *_: object) -> object:
        raise DatabaseUnavailable


def test_what_one_process_announces_all_processes_of_the_node_see(home: Path) -> None:
    with epochs_of(home) as here, epochs_of(home) as there:
        before = there.security(), there.repositories()
        here.announce("security")
        assert there.security() != before[0]
        assert there.repositories() == before[1]
        here.announce("repositories")
        assert there.repositories() != before[1]


def test_the_words_lie_on_the_disk_before_they_are_touched(home: Path) -> None:
    Epochs(home / "epoch").close()
    assert (home / "epoch").stat().st_blocks * 512 >= 4096


def test_announcements_of_several_processes_at_once_are_all_counted(home: Path) -> None:
    file = home / "run" / "epoch"
    with epochs_of(home) as words:
        before = words.security()
        started = [subprocess.Popen([sys.executable, "-c", ANNOUNCE, str(file), "2000"]) for _ in range(3)]
        assert [process.wait(60) for process in started] == [0, 0, 0]
        assert words.security() == before + 6000


async def test_a_change_is_announced_before_it_is_answered(database: Clocked, epochs: Epochs) -> None:
    before = epochs.security()
    assert await epochs.change(database, "security", nothing) == "done"
    assert epochs.security() != before


async def test_a_refused_change_counts_nothing_up_in_the_database(database: Clocked, epochs: Epochs) -> None:
    async def refuse(_tx: Tx) -> None:
        raise ValueError("no")

    await epochs.look(database)
    with pytest.raises(ValueError, match="no"):
        await epochs.change(database, "security", refuse)
    settled = epochs.security()
    await epochs.look(database)
    assert epochs.security() == settled


async def test_what_a_change_refuses_moves_nothing(database: Clocked, epochs: Epochs) -> None:
    async def refuse(_tx: Tx) -> None:
        raise Invalid

    before = epochs.security()
    with pytest.raises(Invalid):
        await epochs.change(database, "security", refuse)
    assert epochs.security() == before


async def test_another_node_s_change_is_noticed_by_looking(database: Clocked, epochs: Epochs, tmp_path: Path) -> None:
    (tmp_path / "other" / "run").mkdir(parents=True)
    with epochs_of(tmp_path / "other") as other_node:
        await database.transact(lambda tx: bump(tx, "security"))
        await other_node.look(database)
        security, repositories = other_node.security(), other_node.repositories()
        await other_node.look(database)
        assert other_node.security() == security
        await database.transact(lambda tx: bump(tx, "security"))
        await other_node.look(database)
        assert other_node.security() != security
        assert other_node.repositories() == repositories


async def test_a_scope_of_a_later_version_is_passed_over(database: Clocked, epochs: Epochs) -> None:
    await database.transact(lambda tx: bump(tx, "something-new"))
    await epochs.look(database)
    assert epochs.trusted()


async def test_nothing_is_trusted_before_the_first_look_nor_when_looking_fails_for_long(
    database: Clocked, epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not epochs.trusted()
    await epochs.look(database)
    assert epochs.trusted()
    real = time.monotonic_ns
    monkeypatch.setattr(time, "monotonic_ns", lambda: real() + 5_100_000_000)
    assert not epochs.trusted()


async def test_whoever_has_a_request_looks_itself_when_nobody_has_for_long_and_one_looks_for_all(
    database: Clocked, epochs: Epochs
) -> None:
    looks = 0

    class Counted:
        async def rows(self, *arguments: object) -> object:
            nonlocal looks
            looks += 1
            return await database.rows(*arguments)  # type: ignore[arg-type]

    await asyncio.gather(*(epochs.renew(Counted()) for _ in range(20)))  # type: ignore[arg-type]
    assert (epochs.trusted(), looks) == (True, 1)


async def test_a_database_that_hangs_or_is_gone_is_told_to_who_needs_it(
    epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging:
        async def rows(self, *_: object) -> None:
            await asyncio.Event().wait()

    class Gone:
        async def rows(self, *_: object) -> None:
            raise DatabaseUnavailable

    monkeypatch.setattr("entrepot.auth.epochs._RENEWAL", 0.01)
    for database in (Hanging(), Gone()):
        with pytest.raises(DatabaseUnavailable):
            await epochs.renew(database)  # type: ignore[arg-type]
        assert not epochs.trusted()


async def test_a_file_from_before_the_machine_s_start_is_not_trusted(
    database: Clocked, epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await epochs.look(database)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 0)
    assert not epochs.trusted()


async def test_one_process_of_a_node_polls_and_another_takes_over(database: Clocked, home: Path) -> None:
    looked: list[str] = []

    class Watched:
        def __init__(self, name: str) -> None:
            self.name = name

        async def rows(self, *_: object) -> list[object]:
            looked.append(self.name)
            return []

    def polling(words: Epochs, name: str) -> asyncio.Task[None]:
        return asyncio.create_task(words.poll(Watched(name)))  # type: ignore[arg-type]

    first, second = Epochs(home / "run" / "epoch"), Epochs(home / "run" / "epoch")
    tasks = [polling(first, "first"), polling(second, "second")]
    await until(lambda: len(looked) >= 2)
    assert set(looked) == {"first"}
    await ended(tasks[0])
    first.close()
    await until(lambda: "second" in looked)
    await ended(tasks[1])
    second.close()


@pytest.mark.parametrize("failure", [DatabaseUnavailable(), RuntimeError("a fault")])
async def test_a_database_that_cannot_be_read_does_not_end_the_poll(
    database: Clocked, epochs: Epochs, failure: Exception
) -> None:
    class Flaky:
        failed = False

        async def rows(self, *arguments: object) -> object:
            if not self.failed:
                self.failed = True
                raise failure
            return await database.rows(*arguments)  # type: ignore[arg-type]

    task = asyncio.create_task(epochs.poll(Flaky()))  # type: ignore[arg-type]
    await until(epochs.trusted)
    await ended(task)


async def test_after_an_outage_everything_is_read_again(database: Clocked, epochs: Epochs) -> None:
    await database.transact(lambda tx: bump(tx, "security"))
    await epochs.look(database)
    before = epochs.security()
    polled: Database = Broken()  # type: ignore[assignment]
    task = asyncio.create_task(epochs.poll(polled))
    await asyncio.sleep(0)
    await ended(task)
    await epochs.look(database)
    assert epochs.security() != before


async def ended(task: Awaitable[None]) -> None:
    assert isinstance(task, asyncio.Task)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_changes_made_at_once_run_one_after_the_other_so_that_an_administrator_is_left(
    database: Clocked, epochs: Epochs
) -> None:
    async def two(tx: Tx) -> None:
        for name in ("root", "second"):
            await accounts.create(tx, name, accounts.Change(admin=True))

    async def demote(tx: Tx, name: str) -> None:
        await accounts.alter(tx, await accounts.get(tx, name), accounts.Change(admin=False))

    await database.transact(two)
    others: list[asyncio.Task[None]] = []

    async def first(tx: Tx) -> None:
        await demote(tx, "root")
        if database.engine == "postgresql":  # on SQLite no body begins before another has ended
            others.append(asyncio.create_task(second()))
            await asyncio.wait(others, timeout=0.2)

    async def second() -> None:
        await epochs.change(database, "security", lambda tx: demote(tx, "second"))

    await epochs.change(database, "security", first)
    with pytest.raises(admins.LastAdmin):
        await (others[0] if others else second())
