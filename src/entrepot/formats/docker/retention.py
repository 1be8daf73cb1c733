"""Retention of what tags pointed to before: `dockerTagRetention` N keeps N - 1 of them per tag, and all for the grace time.

A manifest that lost its tag is kept by digest and marked with the tag and the time. It goes when it is old enough and more
recent ones of that tag fill the repository's allowance; never while an index of the image names it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from entrepot.formats.docker.image_blobs import lock_blobs
from entrepot.formats.docker.layout import folder_of
from entrepot.formats.docker.manifest_rows import lock_image
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.eventlog import Where
from entrepot.metadata.sql import sql
from entrepot.metadata.tree import Tree
from entrepot.repositories.repository import Repository

_PAGE = 200
_MOST_REFERRERS = 1000  # that one transaction removes

_OLD = sql("""
SELECT item_id, repo_id, image, reference, retired_tag, retired FROM docker_manifest
WHERE retired IS NOT NULL AND retired < {now} - (SELECT millis FROM grace) AND (retired, item_id) > (:after, :after_id)
ORDER BY retired, item_id LIMIT :limit
""")
_LOCK = sql("""
SELECT retired FROM docker_manifest
WHERE item_id = :item_id AND retired < {now} - (SELECT millis FROM grace) {update}
""")
_NEWER = sql("""
SELECT COUNT(*) FROM docker_manifest
WHERE repo_id = :repo_id AND image = :image AND retired_tag = :tag AND retired > :retired
""")
_IN_AN_INDEX = sql("""
SELECT 1 FROM docker_child c JOIN docker_manifest m ON m.blob_id = c.blob_id
WHERE c.digest = :digest AND m.repo_id = :repo_id AND m.image = :image LIMIT 1
""")
_TAGGED = sql("""
SELECT 1 FROM docker_manifest t JOIN docker_manifest m ON m.blob_id = t.blob_id
WHERE t.repo_id = :repo_id AND t.image = :image AND t.is_tag = 1
AND m.repo_id = :repo_id AND m.image = :image AND m.reference = :reference LIMIT 1
""")
_REFERRERS = sql("""
SELECT r.reference FROM docker_manifest r
WHERE r.repo_id = :repo_id AND r.image = :image AND r.subject = :subject AND r.is_tag = 0
AND NOT EXISTS (
  SELECT 1 FROM docker_child c JOIN docker_manifest m ON m.blob_id = c.blob_id
  WHERE c.digest = r.reference AND m.repo_id = :repo_id AND m.image = :image
) ORDER BY r.reference LIMIT :limit
""")


class Retention:
    """Remove retired manifests in rounds; any number of processes may do so at once."""

    def __init__(self, database: Database, tree: Tree, by_id: Callable[[int], Repository | None]) -> None:
        self._database = database
        self._tree = tree
        self._by_id = by_id

    async def round(self) -> int:
        """Remove what is due; return how many manifests."""
        removed, after, after_id = 0, 0, 0
        while page := await self._database.rows(_OLD, after=after, after_id=after_id, limit=_PAGE):
            for item_id, repo_id, image, reference, tag, retired in page:
                repository = self._by_id(repo_id)
                if repository is not None:
                    removed += await self._look_at(
                        repository, item_id, image, reference=reference, tag=tag, retired=retired
                    )
            after_id, after = page[-1][0], page[-1][5]
        return removed

    async def _look_at(
        self, repository: Repository, item_id: int, image: str, *, reference: str, tag: str, retired: int
    ) -> bool:
        allowed = max(repository.number("dockerTagRetention"), 1) - 1

        async def removable(reads: Reads, retired: int) -> bool:
            newer = await reads.row(_NEWER, repo_id=repository.id, image=image, tag=tag, retired=retired)
            if newer is None or newer[0] < allowed:
                return False
            return await reads.row(_IN_AN_INDEX, digest=reference, repo_id=repository.id, image=image) is None

        async def work(tx: Tx) -> bool:
            where = Where(repository.id, repository.key, repository.package_type, "_system_")
            await lock_image(tx, repository.id, image)
            row = await tx.row(_LOCK, item_id=item_id)
            if row is None or not await removable(tx, row[0]):
                return False
            going = await _with_referrers(tx, repository.id, image, reference)
            folders = [folder_of(image, one) for one in going]
            await lock_blobs(tx, repository.id, folders)
            for folder in folders:
                await self._tree.remove_files(tx, where, folder)
            await self._tree.prune(tx, where, image)
            return reference in going

        return await removable(self._database, retired) and await self._database.transact(work)


async def _with_referrers(tx: Tx, repo_id: int, image: str, reference: str) -> list[str]:
    """Return a manifest that is kept by digest alone, what refers to it, and to those in turn, unless a tag or an index has it.

    The manifest itself is left out, for the next round, where more refer to it than one transaction removes.
    """
    found, waiting = [reference], deque([reference])
    while waiting and len(found) <= _MOST_REFERRERS:
        subject = waiting.popleft()
        if await tx.row(_TAGGED, repo_id=repo_id, image=image, reference=subject) is None:
            rows = await tx.rows(_REFERRERS, repo_id=repo_id, image=image, subject=subject, limit=_MOST_REFERRERS)
            fresh = [row[0] for row in rows if row[0] not in found]
            found += fresh
            waiting += fresh
    return found if len(found) <= _MOST_REFERRERS else found[1 : _MOST_REFERRERS + 1]
