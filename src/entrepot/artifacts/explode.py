"""Archives that are taken apart on deploy: their files go beside where the archive would lie (reference 7.4)."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from typing import IO, Final

from entrepot.access.actions import Action
from entrepot.artifacts.deploy import Deploy, Kept, Rejected, Target, within
from entrepot.blobs.threads import ARCHIVES
from entrepot.errors import Denied, Invalid
from entrepot.paths import RepoPath
from entrepot.repositories import archives
from entrepot.repositories.granted import Granted

_IN_MEMORY: Final = 8 << 20  # bytes of the archive that wait in memory rather than in a temporary file
MOST_AT_ONCE: Final = 5000  # entries that one transaction places: others wait for it


class TooManyAtOnce(Invalid):
    """The archive has {count} entries, and at most {most} can be deployed all at once; X-Explode-Archive takes more."""


class Explode:
    """Deploy what archives hold. One per process."""

    def __init__(self, deploy: Deploy) -> None:
        self._deploy = deploy

    async def run(self, granted: Granted, target: Target, body: AsyncIterator[bytes], *, atomic: bool) -> int:
        """Deploy every file of an archive below the folder of `target`; return how many.

        All entries are judged, and read once to their end, before the first is stored. With `atomic` they appear in one
        transaction. Raises Unsupported, Unreadable, TooManyAtOnce, Denied, Rejected, and what a deploy raises.
        """
        if not archives.is_archive(target.path):
            raise archives.Unsupported(name=target.path.rpartition("/")[2])
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            size = 0
            async for piece in body:
                size += len(piece)
                await ARCHIVES.run(file.write, piece)
            paths = await ARCHIVES.run(_checked, target.path, file, size)
            if atomic and len(paths) > MOST_AT_ONCE:
                raise TooManyAtOnce(count=len(paths), most=MOST_AT_ONCE)
            for path in paths:
                self._judge(granted, target, _place(target, path))
            return await (self._together if atomic else self._one_by_one)(granted, target, file, size)

    def _judge(self, granted: Granted, target: Target, path: str) -> None:
        if not target.repository.patterns.accepts(path):
            raise Rejected(key=target.repository.key, path=path)
        if not granted.may(Action.DEPLOY, target.repository, path):
            raise Denied(
                f"The user: '{granted.caller.name}' is not permitted to deploy '{path}' into '{target.repository.key}:{path}'."
            )

    async def _one_by_one(self, granted: Granted, target: Target, file: IO[bytes], size: int) -> int:
        count = 0
        async for path, stream in _entries(target.path, file, size):
            await self._deploy.file(granted, within(target, _place(target, path)), _pieces(stream), {})
            count += 1
        return count

    async def _together(self, granted: Granted, target: Target, file: IO[bytes], size: int) -> int:
        """Store the bytes of all entries first, of which nobody sees anything, and then place them all."""
        kept: dict[str, Kept] = {}
        async for path, stream in _entries(target.path, file, size):
            place = _place(target, path)
            kept[place] = await self._deploy.admit(_pieces(stream), place)
        await self._deploy.together(granted, target, kept)
        return len(kept)


async def _entries(name: str, file: IO[bytes], size: int) -> AsyncIterator[tuple[str, IO[bytes]]]:
    await ARCHIVES.run(file.seek, 0)
    archive = await ARCHIVES.run(archives.open_archive, name, file, size)
    found = archive.entries()
    while (one := await ARCHIVES.run(next, found, None)) is not None:
        entry, handle = one
        yield entry.path, await ARCHIVES.run(archive.open, handle)


def _place(target: Target, path: str) -> str:
    return RepoPath("/".join(filter(None, (target.path.rpartition("/")[0], path)))).text


def _checked(name: str, file: IO[bytes], size: int) -> list[str]:
    """Return the paths of all entries, each of which was read to its end."""
    file.seek(0)
    archive, paths = archives.open_archive(name, file, size), []
    for entry, handle in archive.entries():
        with archive.open(handle) as stream:
            while archives.piece(stream):
                pass
        paths.append(entry.path)
    return paths


async def _pieces(stream: IO[bytes]) -> AsyncIterator[bytes]:
    with stream:
        while piece := await ARCHIVES.run(archives.piece, stream):
            yield piece
