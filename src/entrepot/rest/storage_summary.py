"""The storage summary (reference 5.1): how much there is, in the types and units that clients parse."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata import facts
from entrepot.metadata.database import Database
from entrepot.metadata.sql import sql
from entrepot.repositories.fields import display_name
from entrepot.repositories.repository import Repository

_KEY: Final = "storage_summary"
_SECONDS: Final = 300.0  # that the counting may take

_BY_REPOSITORY = sql("SELECT repo_id, kind, COUNT(*), COALESCE(SUM(size), 0) FROM item GROUP BY repo_id, kind")
_BINARIES = sql("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM blob")


class StorageSummaryApi:
    """The handlers of `api/storageinfo`. `folder`: where files are kept, None where they are elsewhere."""

    def __init__(
        self, database: Database, repositories: Callable[[], Iterable[Repository]], folder: Path | None
    ) -> None:
        self._database = database
        self._repositories = repositories
        self._folder = folder
        self._counting = asyncio.Lock()

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        url = "/artifactory/api/storageinfo"
        return (
            Row("GET", url, "storage.summary", "admin", self.get, response=dict,
                summary="The storage summary, as last calculated"),
            Row("POST", f"{url}/calculate", "storage.summary.calculate", "admin", self.calculate, response=dict, status=202,
                summary="Calculate the storage summary anew"),
        )  # fmt: skip

    async def get(self, _: Request) -> Reply:
        """GET: what was calculated last; the first time it is calculated."""
        last = await facts.known(self._database, _KEY)
        if last is not None:
            return Reply(200, [("content-type", "application/json")], last.encode())
        return json_reply(await self._calculated())

    async def calculate(self, _: Request) -> Reply:
        """POST: done before this is answered."""
        await self._calculated()
        return json_reply({"info": "Calculating storage summary was successfully scheduled to run"}, 202)

    async def _calculated(self) -> dict[str, Any]:
        async with self._counting:
            counts = await self._database.scan(_BY_REPOSITORY, seconds=_SECONDS)
            binaries = (await self._database.scan(_BINARIES, seconds=_SECONDS))[0]
            summary = self._summary(
                [(row[0], row[1], int(row[2]), int(row[3])) for row in counts], int(binaries[0]), int(binaries[1])
            )
            text = msgspec.json.encode(summary).decode()
            await self._database.transact(lambda tx: facts.note(tx, _KEY, text))
        return summary

    def _summary(self, counts: list[tuple[int, int, int, int]], binaries: int, size: int) -> dict[str, Any]:
        files = {repo: (count, total) for repo, kind, count, total in counts if kind}
        folders = {repo: count for repo, kind, count, _ in counts if not kind}
        listed = [one for one in self._repositories() if not one.is_virtual]
        total_files = sum(files.get(one.id, (0, 0))[0] for one in listed)
        total_folders = sum(folders.get(one.id, 0) for one in listed)
        total = sum(files.get(one.id, (0, 0))[1] for one in listed)
        rows = [_row(one, folders.get(one.id, 0), *files.get(one.id, (0, 0)), total) for one in listed]
        rows.append({"repoKey": "TOTAL", "repoType": "NA", **_counts(total_folders, total_files, total)})
        return {
            "binariesSummary": {
                "binariesCount": f"{binaries:,}", "binariesSize": units(size), "artifactsSize": units(total),
                "optimization": f"{100 * size / total if total else 0:,.2f}%", "itemsCount": f"{total_files + total_folders:,}",
                "artifactsCount": f"{total_files:,}",
            },
            "fileStoreSummary": self._file_store(),
            "repositoriesSummaryList": rows,
        }  # fmt: skip

    def _file_store(self) -> dict[str, str]:
        if self._folder is None:
            return {"storageType": "s3", "storageDirectory": "", "totalSpace": "", "usedSpace": "", "freeSpace": ""}
        disk = shutil.disk_usage(self._folder)
        return {
            "storageType": "file-system", "storageDirectory": str(self._folder), "totalSpace": units(disk.total),
            "usedSpace": f"{units(disk.used)} ({_share(disk.used, disk.total)})",
            "freeSpace": f"{units(disk.free)} ({_share(disk.free, disk.total)})",
        }  # fmt: skip


def _row(one: Repository, folders: int, files: int, size: int, total: int) -> dict[str, Any]:
    return {
        "repoKey": f"{one.key}-cache" if one.is_remote else one.key,
        "repoType": "CACHE" if one.is_remote else one.rclass.upper(),
        **_counts(folders, files, size),
        "packageType": display_name(one.package_type),
        "projectKey": str(one.config.get("projectKey") or "default"),
        "percentage": f"{100 * size / total if total else 0:.2f}%",
    }


def _counts(folders: int, files: int, size: int) -> dict[str, Any]:
    return {
        "foldersCount": folders, "filesCount": files, "usedSpace": units(size), "usedSpaceInBytes": size,
        "itemsCount": folders + files,
    }  # fmt: skip


def units(size: int) -> str:
    """Return a number of bytes with a unit, each 1024 times the one before, as those who read the summary parse it.

    Thousands are divided, for there are up to 1,023 of a unit, and bytes have no decimals (reference D4).
    """
    if size < 1024:
        return f"{size:,} bytes"
    value, names = size / 1024, ["KB", "MB", "GB", "TB"]
    while value >= 1024 and len(names) > 1:
        value /= 1024
        names.pop(0)
    return f"{value:,.2f} {names[0]}"


def _share(part: int, whole: int) -> str:
    """Return a part of a disk; with three digits before the point nobody parses it."""
    return f"{min(100 * part / whole, 99.99):.2f}%"
