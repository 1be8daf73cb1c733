"""What builds tell of files: which builds used one, and which files one has made (builds reference A5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from entrepot.access.actions import Action
from entrepot.metadata.database import Database
from entrepot.metadata.sql import Statement, sql
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository
from entrepot.search.finder import Finder, Hit, with_property
from entrepot.search.mappings import Mapping

_USING: Final = """SELECT DISTINCT b.repo_id, b.name, b.number, b.started, b.id FROM build_dependency d
JOIN build_module m ON m.id = d.module_id JOIN build b ON b.id = m.build_id WHERE d.{column} = :digest
ORDER BY b.name, b.number, b.started, b.id"""
_USING_SHA1: Final = Statement(_USING.replace("{column}", "sha1"))
_USING_SHA256: Final = Statement(_USING.replace("{column}", "sha256"))
_SHA1 = sql("SELECT sha1 FROM blob WHERE sha256 = :digest")
_RUNS: Final = """SELECT b.repo_id, b.name, b.number, b.started, b.id FROM build b
WHERE b.name = :name AND {condition} ORDER BY b.started DESC, b.id DESC"""
_OF_NUMBER: Final = Statement(_RUNS.replace("{condition}", "b.number = :wanted"))
_OF_STATUS: Final = Statement(
    _RUNS.replace(
        "{condition}", "EXISTS (SELECT 1 FROM build_promotion p WHERE p.build_id = b.id AND p.status = :wanted)"
    )
)
_OF_ALL: Final = Statement(_RUNS.replace("{condition}", "'' = :wanted"))
_MADE: Final = """i.kind = 1 AND i.blob_id IN (SELECT x.id FROM build_module m JOIN build_artifact a ON a.module_id = m.id
JOIN blob x ON x.sha1 = a.sha1 WHERE m.build_id = {build})"""
LATEST: Final = "LATEST"


@dataclass(frozen=True, slots=True)
class Build:
    """One run of a build."""

    id: int
    name: str
    number: str


class Builds:
    """Look builds up for callers, who see those that they may read. One per process."""

    def __init__(self, database: Database, finder: Finder, repositories: Callable[[], Iterable[Repository]]) -> None:
        self._database = database
        self._finder = finder
        self._repositories = repositories

    async def using(self, granted: Granted, algorithm: str, digest: bytes) -> AsyncGenerator[Build, None]:
        """Yield the builds one of whose dependencies is a file, each number once. `algorithm` is sha1 or sha256."""
        statement = _USING_SHA1 if algorithm == "sha1" else _USING_SHA256
        if algorithm == "sha256":  # builds always know the SHA-1, and that is what they are found by quickly
            row = await self._database.row(_SHA1, digest=digest)
            if row is not None:
                statement, digest = _USING_SHA1, row[0]
        before: tuple[str, str] | None = None
        async with aclosing(self._readable(granted, statement, digest=digest)) as runs:
            async for one in runs:
                if (one.name, one.number) != before:
                    before = one.name, one.number
                    yield one

    async def run(
        self, granted: Granted, name: str, *, number: str = "", status: str = "", keys: Sequence[str] = ()
    ) -> Build | None:
        """Return the newest run of a number (`LATEST`: of any) or with a status; `keys` are the repositories of builds."""
        if status:
            statement, wanted = _OF_STATUS, status
        else:
            statement, wanted = (_OF_ALL, "") if number == LATEST else (_OF_NUMBER, number)
        async with aclosing(self._readable(granted, statement, keys=keys, name=name, wanted=wanted)) as runs:
            return await anext(runs, None)

    async def made(
        self, granted: Granted, build: Build, *, repos: Sequence[str] = (), mappings: Sequence[Mapping] = ()
    ) -> list[Hit]:
        """Return the files that a build has made, one for each content.

        Of several copies, one that carries the build's name and number is preferred, then one in a local repository.
        """

        def wanted(hit: Hit) -> bool:
            place = f"{hit.repository.key}/{hit.item.path}", f"{hit.repository.key}:{hit.item.path}"
            return not mappings or any(one.matches(text) for one in mappings for text in place)

        found: dict[int | None, tuple[tuple[bool, bool, str, str], Hit]] = {}
        for labelled in (True, False):
            binds = self._finder.binds()
            conditions = [_MADE.replace("{build}", binds.add(build.id))]
            if labelled:
                conditions += with_property(binds, "build.name", [build.name])
                conditions += with_property(binds, "build.number", [build.number])
            hits = self._finder.find(granted, conditions, binds, repos=repos, keep=wanted)
            async with aclosing(hits):
                async for hit in hits:
                    rank = not labelled, hit.repository.is_remote, hit.repository.key, hit.item.path
                    best = found.get(hit.item.blob_id)
                    if best is None or rank < best[0]:
                        found[hit.item.blob_id] = rank, hit
        return sorted((hit for _, hit in found.values()), key=lambda hit: (hit.repository.key, hit.item.path))

    async def _readable(
        self, granted: Granted, statement: Statement, *, keys: Sequence[str] = (), **values: bytes | str
    ) -> AsyncGenerator[Build, None]:
        known = {one.id: one for one in self._repositories() if not keys or one.key in keys}
        rows = self._database.stream(statement, seconds=60.0, **values)
        async with aclosing(rows):
            async for batch in rows:
                for repo_id, name, number, started, build_id in batch:
                    repository = known.get(repo_id)
                    path = f"{name}/{number}-{started}.json"
                    if repository is not None and granted.may(Action.READ, repository, path):
                        yield Build(build_id, name, number)
