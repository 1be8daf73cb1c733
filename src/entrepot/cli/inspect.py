"""`entrepot gc --check` and `entrepot fsck`: run an inspection of the store and tell what it found."""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.cli.serve import needs_preparing
from entrepot.errors import EntrepotError
from entrepot.settings import Settings, load

if TYPE_CHECKING:
    from entrepot.blobs.contract import Driver
    from entrepot.jobs.inspection import Inspection, Progress
    from entrepot.metadata.database import Database

Inspect = Callable[["Database", "Driver", "Progress"], Awaitable["Inspection"]]
_CLEAN, _FINDINGS = 0, 1
_SHOWN = 20


class NoInstance(EntrepotError):
    """There is no instance in {home}; the home folder is named by --home DIR."""


def run_check(home: str, file: Path | None, *, repair: bool, json: bool) -> int:
    """Compare database and store; return the exit status."""
    from entrepot.jobs import inspection  # noqa: PLC0415 - only this command needs it

    async def check(database: Database, driver: Driver, progress: Progress) -> Inspection:
        return await inspection.check(database, driver, repair=repair, progress=progress)

    return _tell(asyncio.run(_inspect(existing(home, file), check, "Checking")), json=json)


def run_fsck(home: str, file: Path | None, *, json: bool) -> int:
    """Read every blob again; return the exit status."""
    from entrepot.jobs import inspection  # noqa: PLC0415 - only this command needs it

    async def fsck(database: Database, driver: Driver, progress: Progress) -> Inspection:
        return await inspection.fsck(database, driver, progress=progress)

    return _tell(asyncio.run(_inspect(existing(home, file), fsck, "Reading")), json=json)


def existing(home: str, file: Path | None) -> Settings:
    """Return the settings of an instance that has been started before. Raises NoInstance, SettingsInvalid."""
    settings = load({"home": home} if home else {}, os.environ, file).settings
    if not settings.home.is_dir() or (not settings.database_url and needs_preparing(settings)):
        raise NoInstance(home=settings.home)
    return settings


async def _inspect(settings: Settings, inspect: Inspect, words: str) -> Inspection:
    from entrepot.metadata.open import open_database  # noqa: PLC0415 - heavy, and not before the settings are right
    from entrepot.wiring import open_blobs  # noqa: PLC0415 - as above

    database = await open_database(settings.home, settings.database_url)
    try:
        driver = open_blobs(settings)
        try:
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


def _tell(found: Inspection, *, json: bool) -> int:
    if json:
        import msgspec  # noqa: PLC0415 - only for JSON

        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        print("\n".join(_lines(found)))
    return _CLEAN if found.clean else _FINDINGS


def _lines(found: Inspection) -> list[str]:
    lines = [f"{found.blobs:,} blobs of {found.bytes:,} bytes inspected"]
    if found.orphan_count:
        lines.append(f"{found.orphan_count:,} objects of {found.orphan_bytes:,} bytes belong to no blob")
        lines += [f"  {piece.key}  {piece.size:,} bytes" for piece in found.orphans[:_SHOWN]]
    for count, findings, words in (
        (found.missing_count, found.missing, "blobs have lost their bytes"),
        (found.corrupt_count, found.corrupt, "blobs are damaged"),
    ):
        if count:
            lines.append(f"{count:,} {words}")
            lines += [f"  {one.digest}  {one.why}  {', '.join(one.paths)}" for one in findings[:_SHOWN]]
    if found.missing_count or found.corrupt_count:
        lines.append("Push these images or files again, or restore them from a backup: what is pushed is stored anew.")
    if found.repaired:
        lines.append(
            f"{found.repaired:,} mended: what belongs to no blob is removed, and a push is not told any more that a lost one is there"
        )
    return [*lines, "clean"] if found.clean else lines
