"""Items: what is at a path of the tree, a file that points at a blob or a folder; `metadata/tree.py` changes it.

A path here is what `RepoPath` gave: segments joined by `/`, no leading or trailing one; the root is the empty path and has
no row. A row is kept under the path of its folder (`.` for the root) and its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from entrepot.errors import Conflict
from entrepot.metadata.database import Reads, Row
from entrepot.metadata.properties import Properties
from entrepot.metadata.sql import sql

FOLDER, FILE = 0, 1
BATCH = 1000

_GET = sql("SELECT {item} FROM item WHERE repo_id = :repo_id AND path = :path AND name = :name")
_CHILDREN = sql("""
SELECT {item} FROM item WHERE repo_id = :repo_id AND path = :path AND name > :after ORDER BY name LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder. `path` is the whole path within its repository."""

    id: int
    path: str
    kind: int
    size: int
    blob_id: int | None
    created: int
    created_by: str
    modified: int
    modified_by: str
    updated: int

    @property
    def is_file(self) -> bool:
        """Whether it has bytes."""
        return self.kind == FILE

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The path without its last segment; empty for what lies in the root."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Stamps:
    """Who made and changed a file elsewhere, and when (epoch milliseconds); None: this change does."""

    created: int | None = None
    created_by: str | None = None
    modified: int | None = None
    modified_by: str | None = None


class NoNameForFile(Conflict):
    """The root of a repository is a folder: name a path below it for the file."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be placed: its name within the folder, its blob, and all its properties. Raises NoNameForFile."""

    name: str
    blob_id: int
    size: int
    properties: Properties | None = None
    stamps: Stamps | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise NoNameForFile


@dataclass(frozen=True, slots=True)
class Came:
    """Where files that are placed come from."""

    kind: Literal["copied", "moved"]
    repo_key: str
    paths: Sequence[str]  # of each file, in order


def split(path: str) -> tuple[str, str]:
    """Return the folder as rows name it (`.` for the root) and the name."""
    folder, _, name = path.rpartition("/")
    return folder or ".", name


def below(path: str) -> tuple[str, str]:
    """Return the bounds [low, high) of the folder paths under `path`: `/` is followed by `0` in byte order."""
    return f"{path}/", f"{path}0"


def read_item(row: Row) -> Item:
    """Return the item of a row of the columns `{item}`."""
    folder, name = row[1], row[2]
    return Item(row[0], name if folder == "." else f"{folder}/{name}", *row[3:])


async def find(reads: Reads, repo_id: int, path: str) -> Item | None:
    """Return the item at a path, or None."""
    folder, name = split(path)
    row = await reads.row(_GET, repo_id=repo_id, path=folder, name=name)
    return None if row is None else read_item(row)


async def children(reads: Reads, repo_id: int, folder: str, *, after: str = "", limit: int = BATCH) -> list[Item]:
    """Return the items directly in a folder with a name beyond `after`, in byte order of their names."""
    rows = await reads.rows(_CHILDREN, repo_id=repo_id, path=folder or ".", after=after, limit=limit)
    return [read_item(row) for row in rows]


async def all_children(reads: Reads, repo_id: int, folder: str, most: int) -> AsyncIterator[Item]:
    """Yield the first `most` items directly in a folder, in byte order of their names; `most` is in whole batches."""
    after = ""
    for _ in range(most // BATCH):
        page = await children(reads, repo_id, folder, after=after)
        for item in page:
            yield item
        if len(page) < BATCH:
            return
        after = page[-1].name
        await asyncio.sleep(0)  # others have their turn: on SQLite no read ever suspends
