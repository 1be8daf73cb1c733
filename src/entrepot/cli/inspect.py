"""`entrepot gc --check` and `entrepot fsck`: run an inspection of the store and tell what it found."""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.cli.existing import existing, with_its_store

if TYPE_CHECKING:
    from entrepot.blobs.contract import Driver
    from entrepot.jobs.inspection import Inspection, Progress
    from entrepot.metadata.database import Database

Inspect = Callable[["Database", "Driver", "Progress"], Awaitable["Inspection"]]
_CLEAN, _FINDINGS = 0, 1
_SHOWN = 20


def run_check(flags: Mapping[str, str], file: Path | None, *, repair: bool, json: bool) -> int:
    """Compare database and store; return the exit status."""
    from entrepot.jobs import inspection  # noqa: PLC0415 - only this command needs it

    async def check(database: Database, driver: Driver, progress: Progress) -> Inspection:
        return await inspection.check(database, driver, repair=repair, progress=progress)

    return _tell(asyncio.run(_inspect(flags, file, check, words="Checking")), repair=repair, json=json)


def run_fsck(flags: Mapping[str, str], file: Path | None, *, repair: bool, json: bool) -> int:
    """Read every blob again; return the exit status."""
    from entrepot.jobs import inspection  # noqa: PLC0415 - only this command needs it

    async def fsck(database: Database, driver: Driver, progress: Progress) -> Inspection:
        return await inspection.fsck(database, driver, repair=repair, progress=progress)

    return _tell(asyncio.run(_inspect(flags, file, fsck, words="Reading")), repair=repair, json=json)


async def _inspect(flags: Mapping[str, str], file: Path | None, inspect: Inspect, *, words: str) -> Inspection:
    import structlog  # noqa: PLC0415 - heavy, and not before the settings are right

    from entrepot.cluster.store_mark import expect_mark  # noqa: PLC0415 - as above
    from entrepot.metadata.open import open_database  # noqa: PLC0415 - as above
    from entrepot.store import open_blobs  # noqa: PLC0415 - as above

    settings = existing(flags, file)
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # stdout is for what is found
    database = await open_database(settings.home, settings.database_url)
    try:
        driver = open_blobs(await with_its_store(settings, flags, database))
        try:
            await expect_mark(database, driver)
            return await _with_progress(lambda progress: inspect(database, driver, progress), words)
        finally:
            await driver.close()
    finally:
        await database.close()


async def _with_progress(work: Callable[[Progress], Awaitable[Inspection]], words: str) -> Inspection:
    """Run with a progress bar on stderr; on anything but a terminal Rich draws none."""
    from rich.console import Console  # noqa: PLC0415 - 0.1 s
    from rich.progress import Progress as Bar  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(words, total=None)
        return await work(lambda done, total: bar.update(task, completed=done, total=total))


def _tell(found: Inspection, *, repair: bool, json: bool) -> int:
    if json:
        import msgspec  # noqa: PLC0415 - only for JSON

        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        print("\n".join([*_lines(found), *_advice(found, repair=repair)]))
    return _CLEAN if found.clean else _FINDINGS


def _lines(found: Inspection) -> list[str]:
    inside = f", {found.in_database:,} of them kept in the database" if found.in_database else ""
    lines = [f"{_counted(found.blobs, 'blob')} of {found.bytes:,} bytes inspected{inside}"]
    if found.orphan_count:
        lines.append(f"belonging to no blob: {_counted(found.orphan_count, 'object')} of {found.orphan_bytes:,} bytes")
        lines += [f"  {piece.key}  {piece.size:,} bytes" for piece in found.orphans[:_SHOWN]]
    for count, findings, words in (
        (found.missing_count, found.missing, "bytes are missing"),
        (found.corrupt_count, found.corrupt, "bytes are damaged"),
    ):
        if count:
            lines.append(f"{words}: {_counted(count, 'blob')}")
            lines += [
                f"  {one.digest}  {one.why}  {one.key or 'no object'}  {', '.join(one.paths)}"
                for one in findings[:_SHOWN]
            ]
    if found.repaired:
        lines.append(f"mended: {found.repaired:,}")
    if found.waiting_count:
        lines.append(_waiting(found))
    return [*lines, "clean"] if found.clean else lines


def _waiting(found: Inspection) -> str:
    until = datetime.fromtimestamp(found.waiting_until / 1000, UTC)
    return (
        f"in the grace time: {_counted(found.waiting_count, 'object')} that nothing names any more; "
        f"a running server deletes them by itself, the last after {until:%Y-%m-%d %H:%M} UTC"
    )


def _advice(found: Inspection, *, repair: bool) -> list[str]:
    """Return what helps now (docs/howto/lost-bytes.md)."""
    lost = found.missing_count + found.corrupt_count - found.unreadable  # or will be, once they are given up
    fresh = found.missing_count + found.corrupt_count - found.given_up
    lines = []
    if found.given_up:
        lines.append(f"given up by an earlier repair, and not pushed since: {_counted(found.given_up, 'blob')}")
    if fresh and not repair:
        lines.append(
            "Restore these files of the blob store from a backup; or run this with --repair, and push the images or files again."
        )
    elif lost:
        lines.append("Push these images or files again now: what is pushed is stored anew.")
    if found.unreadable and repair:
        lines.append(
            "What cannot be read may be readable tomorrow. Else take it out of the blob store; it is missing then."
        )
    return lines


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
