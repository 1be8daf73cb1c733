"""Promotion: images go to another local repository, or get other names, without a client that pulls and pushes them.

Each manifest arrives as if it were pushed, the children of an index before it. A tag that moves leaves its source after that,
as if it were deleted. No transaction has locked more than one image, so promotions cannot wait for each other in a circle; one
that fails leaves the source whole and may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.errors import Denied, NotFound
from entrepot.formats.docker.errors import ManifestTooLarge
from entrepot.formats.docker.image_blobs import lock_blob
from entrepot.formats.docker.images import Image, may_place, readable_manifest
from entrepot.formats.docker.layout import folder_of, manifest_path
from entrepot.formats.docker.manifest_rows import Manifest, manifest_by_reference
from entrepot.formats.docker.manifests import parse
from entrepot.formats.docker.placing import Placement, Placing, refuse_immutable
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import sql
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted
from entrepot.repositories.project_quota import Room, project_of

_PAGE: Final = 1000

_OLDEST_FIRST = sql("""
SELECT m.reference, i.modified, m.item_id FROM docker_manifest m JOIN item i ON i.id = m.item_id
WHERE m.repo_id = :repo_id AND m.image = :image AND m.is_tag = 1 AND (i.modified, m.item_id) > (:after, :after_id)
ORDER BY i.modified, m.item_id LIMIT :limit
""")
_CHILDREN = sql("SELECT digest FROM docker_child WHERE blob_id = :blob_id ORDER BY digest")
_PROPERTIES = sql("""
SELECT i.name, p.key, p.value FROM item i JOIN prop p ON p.item_id = i.id
WHERE i.repo_id = :repo_id AND i.path = :folder ORDER BY p.id
""")
_SIZE = sql("SELECT COALESCE(SUM(size), 0) FROM item WHERE repo_id = :repo_id AND path = :folder")


class NothingToPromote(NotFound):
    """There is no tag {tag} of the image {image} in the repository '{key}'."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go where; no tag: all of them. Without a target's tag each keeps its own."""

    source: Image
    target: Image
    tag: str
    target_tag: str
    moving: bool


class Promotion:
    """Promote images. One per process."""

    def __init__(
        self, database: Database, content: Content, placing: Placing, *, room: Room, manifest_limit: int
    ) -> None:
        self._database = database
        self._content = content
        self._placing = placing
        self._room = room
        self._limit = manifest_limit

    async def run(self, granted: Granted, wish: Wish) -> None:
        """Carry a wish out. Raises NothingToPromote, Denied, TagIsImmutable and what a push would be refused with."""
        tags = [wish.tag] if wish.tag else await self._tags(granted, wish.source)
        for tag in tags:  # nothing is begun that its caller may not end
            _judge(granted, wish, tag)
        if not tags:
            raise NothingToPromote(tag="", image=wish.source.name, key=wish.source.repository.key)
        for tag in tags:
            await self._promote(granted, wish, tag)

    async def _tags(self, granted: Granted, image: Image) -> list[str]:
        """Return the tags that the caller may read, the oldest first: so those go that a push would let go, if any must."""
        found: list[str] = []
        after, after_id = -1, 0
        while rows := await self._database.rows(
            _OLDEST_FIRST,
            repo_id=image.repository.id,
            image=image.name,
            after=after,
            after_id=after_id,
            limit=_PAGE,
        ):
            found += [tag for tag, _, _ in rows if _may(granted, Action.READ, image, tag)]
            _, after, after_id = rows[-1]
        return found

    async def _promote(self, granted: Granted, wish: Wish, tag: str) -> None:
        source = wish.source
        top = await manifest_by_reference(self._database, source.repository.id, source.name, tag)
        if top is None:
            if wish.tag:
                raise NothingToPromote(tag=tag, image=source.name, key=source.repository.key)
            return  # it went meanwhile
        for child in await self._below(granted, source, top):
            await self._arrive(granted, wish, child, "")
        await self._arrive(granted, wish, top, wish.target_tag or tag)
        if wish.moving:
            await self._leave(granted, source, top)

    async def _below(self, granted: Granted, image: Image, top: Manifest) -> list[Manifest]:
        """Return what an index names, and what that names, each before whatever names it; what is not there is left out."""
        ordered: list[Manifest] = []
        seen: set[int] = set()
        waiting = [(top, False)]
        while waiting:
            one, named = waiting.pop()
            if named:
                ordered.append(one)
            elif one.blob_id not in seen:
                seen.add(one.blob_id)
                waiting.append((one, True))
                for (digest,) in await self._database.rows(_CHILDREN, blob_id=one.blob_id):
                    child = await readable_manifest(self._database, granted, image, Digest.parse(digest))
                    if child is not None:
                        waiting.append((child, False))
        return ordered[:-1]

    async def _arrive(self, granted: Granted, wish: Wish, held: Manifest, tag: str) -> None:
        """Place a manifest of the source in the target, under a tag or by its digest alone."""
        source, target = wish.source, wish.target
        stored = await self._content.find(held.blob_id)
        if stored is None:
            raise NothingToPromote(tag=held.reference, image=source.name, key=source.repository.key)
        may_place(granted, target, tag or stored.digest)
        if stored.size > self._limit:
            raise ManifestTooLarge(limit=self._limit)
        document = parse(
            await self._content.whole(stored, self._limit),
            held.media_type,
            limit=self._limit,
            block_schema1=target.repository.config.get("blockPushingSchema1", True) is not False,
        )
        folder = folder_of(source.name, held.reference)
        await self._make_room(wish, folder)

        async def work(tx: Tx) -> None:
            await self._placing.lock(tx, target)
            if await lock_blob(tx, held.blob_id) is None:
                raise NothingToPromote(tag=held.reference, image=source.name, key=source.repository.key)
            blobs = await self._placing.resolve(tx, granted, target, document, source=source)
            kept = await _properties(tx, source.repository.id, folder)
            new = Placement(
                document, _digest(stored), held.blob_id, stored.size, blobs=blobs, pushed="", labels={}, kept=kept
            )
            await self._placing.place(tx, granted, target, new=new, references=[tag])

        await self._database.transact(work)

    async def _leave(self, granted: Granted, source: Image, top: Manifest) -> None:
        async def work(tx: Tx) -> None:
            await self._placing.lock(tx, source)
            now = await manifest_by_reference(tx, source.repository.id, source.name, top.reference)
            if now is not None and now.blob_id == top.blob_id:  # else another was pushed meanwhile, which stays
                await self._placing.untag(tx, granted, source, now)

        await self._database.transact(work)

    async def _make_room(self, wish: Wish, folder: str) -> None:
        """Count what a folder of the source holds in the target's project, unless it is there already and only moves."""
        project = project_of(wish.target.repository)
        if project and not (wish.moving and project_of(wish.source.repository) == project):
            row = await self._database.row(_SIZE, repo_id=wish.source.repository.id, folder=folder)
            await self._room(wish.target.repository, int(row[0]) if row else 0)


def _judge(granted: Granted, wish: Wish, tag: str) -> None:
    key = wish.source.repository.key
    if not _may(granted, Action.READ, wish.source, tag):
        raise Denied(f"The user '{granted.caller.name}' is not permitted to read '{key}:{wish.source.name}/{tag}'.")
    if wish.moving:
        refuse_immutable(wish.source, tag)
        if not _may(granted, Action.DELETE, wish.source, tag):
            raise Denied(
                f"The user '{granted.caller.name}' is not permitted to delete '{key}:{wish.source.name}/{tag}'."
            )
    may_place(granted, wish.target, wish.target_tag or tag)


def _may(granted: Granted, action: Action, image: Image, tag: str) -> bool:
    return granted.may(action, image.repository, manifest_path(image.name, tag))


def _digest(stored: Stored) -> Digest:
    return Digest.of("sha256", stored.sha256)


async def _properties(reads: Reads, repo_id: int, folder: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the properties of the files of a folder, by their names."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, key, value in await reads.rows(_PROPERTIES, repo_id=repo_id, folder=folder):
        found.setdefault(name, {}).setdefault(key, []).append(value)
    return found
