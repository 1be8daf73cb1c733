"""Promotion: images go to another local repository, or get other names, without a client that pulls and pushes them.

Each manifest arrives as if it were pushed, the children of an index before it, and with the properties that it has, if its
promoter may set any, unless it is there already. A tag that moves leaves its source after that, as if it were deleted: the
children of an index stay. No transaction has locked more than one image, so promotions cannot wait for each other in a
circle; one that fails leaves the source whole and may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.blobs.threads import HASHING
from entrepot.errors import Conflict, Denied, NotFound
from entrepot.formats.docker.errors import ManifestBlobUnknown, ManifestTooLarge
from entrepot.formats.docker.image_blobs import lock_blob
from entrepot.formats.docker.images import Image, may_place, readable_manifest
from entrepot.formats.docker.labels import labels_of
from entrepot.formats.docker.layout import digest_folder, folder_of, manifest_file_name, manifest_path
from entrepot.formats.docker.manifest_rows import Manifest, manifest_by_reference, manifests_by_digest
from entrepot.formats.docker.manifests import ON_THE_LOOP, parse
from entrepot.formats.docker.manifests import Manifest as Document
from entrepot.formats.docker.placement import Placement, bound, is_kept
from entrepot.formats.docker.placing import Placing, refuse_immutable
from entrepot.metadata.blob_rows import Stored
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import sql
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted
from entrepot.repositories.project_quota import Room

_ATTEMPTS: Final = 3  # for a tag that is pushed while it goes
_AT_ONCE: Final = 100  # tags or children that are judged before others have their turn

_OLDEST_FIRST = sql("""
SELECT m.reference FROM docker_manifest m JOIN item i ON i.id = m.item_id
WHERE m.repo_id = :repo_id AND m.image = :image AND m.is_tag = 1 ORDER BY i.modified, m.item_id
""")
_CHILDREN = sql("SELECT digest FROM docker_child WHERE blob_id = :blob_id ORDER BY digest")
_PROPERTIES = sql("""
SELECT i.name, p.key, p.value FROM docker_manifest m
JOIN item i ON i.repo_id = m.repo_id AND i.path = :folder JOIN prop p ON p.item_id = i.id
WHERE m.repo_id = :repo_id AND m.image = :image AND m.reference = :reference AND m.blob_id = :blob_id ORDER BY p.id
""")
_NEW = sql("""
SELECT COALESCE(SUM(i.size), 0) FROM item i WHERE i.repo_id = :repo_id AND i.path = :folder AND NOT EXISTS (
SELECT 1 FROM item t WHERE t.repo_id = :target_id AND t.path = :target AND t.name = i.name AND t.blob_id = i.blob_id)
""")


class NothingToPromote(NotFound):
    """There is no tag {tag} of the image {image} in the repository '{key}'."""


class ChangedMeanwhile(Conflict):
    """The tag {tag} of the image {image} in '{key}' was changed again and again while it was promoted; try again."""


class _Changed(Exception):
    """A reference of the source points at something else by now."""


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

    async def run(self, ask: Callable[[], tuple[Granted, Wish]]) -> None:
        """Carry a wish out, which is asked for again before each tag: rights and settings may change while many go.

        Raises NothingToPromote, ChangedMeanwhile, Denied, TagIsImmutable, and what `ask` and a push would.
        """
        granted, wish = ask()
        tags = [wish.tag] if wish.tag else await self._tags(granted, wish.source)
        for number, tag in enumerate(tags):  # nothing is begun that its caller may not end
            _judge(granted, wish, tag)
            await _let_others(number)
        if not tags:
            raise NothingToPromote(tag="", image=wish.source.name, key=wish.source.repository.key)
        arrived: set[int] = set()
        for tag in tags:
            granted, wish = ask()
            _judge(granted, wish, tag)
            await self._promote(granted, wish, tag, arrived)

    async def _tags(self, granted: Granted, image: Image) -> list[str]:
        """Return the tags that the caller may read, the oldest first: so those go that a push would let go, if any must."""
        found: list[str] = []
        rows = await self._database.scan(_OLDEST_FIRST, repo_id=image.repository.id, image=image.name)
        for number, (tag,) in enumerate(rows):
            if _may(granted, Action.READ, image, tag):
                found.append(tag)
            await _let_others(number)
        return found

    async def _promote(self, granted: Granted, wish: Wish, tag: str, arrived: set[int]) -> None:
        """Promote a tag; `arrived` are the children that came with those before."""
        source = wish.source
        for _ in range(_ATTEMPTS):
            top = await manifest_by_reference(self._database, source.repository.id, source.name, tag)
            if top is None:
                if wish.tag:
                    raise NothingToPromote(tag=tag, image=source.name, key=source.repository.key)
                return  # it went meanwhile
            try:
                for child in await self._below(granted, source, top, arrived):
                    await self._arrive(granted, wish, child, "")
                    arrived.add(child.blob_id)
                await self._arrive(granted, wish, top, wish.target_tag or tag)
            except _Changed:
                continue
            if wish.moving:
                await self._leave(granted, source, top)
            return
        raise ChangedMeanwhile(tag=tag, image=source.name, key=source.repository.key)

    async def _below(self, granted: Granted, image: Image, top: Manifest, arrived: set[int]) -> list[Manifest]:
        """Return what an index names, and what that names, each before whatever names it, without what has `arrived`.

        Raises ManifestBlobUnknown with what is not there, or may not be read, where an index must be whole.
        """
        ordered: list[Manifest] = []
        missing: list[str] = []
        seen, number, waiting = set(arrived), 0, [(top, False)]
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
                    else:
                        missing.append(digest)
                    await _let_others(number := number + 1)
        if missing and not self._placing.sparse:
            raise ManifestBlobUnknown(digests=missing)
        return ordered[:-1]

    async def _arrive(self, granted: Granted, wish: Wish, held: Manifest, tag: str) -> None:
        """Place a manifest of the source in the target, under a tag or by its digest alone. Raises _Changed."""
        source, target = wish.source, wish.target
        stored = await self._content.find(held.blob_id)
        if stored is None:
            raise _Changed
        may_place(granted, target, tag or stored.digest)
        document = await self._document(stored, held, target)
        digest = Digest.of("sha256", stored.sha256)
        folder = folder_of(target.name, tag or digest_folder(digest))

        def may_note(name: str) -> bool:
            return granted.may(Action.ANNOTATE, target.repository, f"{folder}/{name}")

        noted = may_note(manifest_file_name(document.media_type))
        labels = {} if noted else await labels_of(self._database, self._content, source, document)
        bound(document, len(document.required()) + len(labels), [tag])  # nobody waits for what is too much in any case

        async def work(tx: Tx) -> None:
            await self._placing.lock(tx, target)
            found = await _properties(tx, source, held)
            kept = {name: own for name, own in found.items() if may_note(name)}
            now = await manifest_by_reference(tx, source.repository.id, source.name, held.reference)
            if now is None or now.blob_id != held.blob_id or await lock_blob(tx, held.blob_id) is None:
                raise _Changed
            blobs = await self._placing.resolve(tx, granted, target, document, source=source)
            rows = sum(len(values) for own in (labels, *kept.values()) for values in own.values())
            bound(document, len(blobs) + rows, [tag])
            told = now.digest or ""
            new = Placement(document, digest, held.blob_id, stored.size, blobs, pushed=told, labels=labels, kept=kept)
            if not tag and await is_kept(tx, target, new):
                return
            if tag and wish.moving and is_one(source, target):  # before tags are counted, so that no other must go
                await self._placing.untag(tx, granted, source, now)
            await self._placing.place(tx, granted, target, new=new, references=[tag])

        async with self._room_for(wish, held, tag, digest):
            await self._database.transact(work)

    async def _document(self, stored: Stored, held: Manifest, target: Image) -> Document:
        if stored.size > self._limit:
            raise ManifestTooLarge(limit=self._limit)
        body = await self._content.whole(stored, self._limit)

        def read() -> Document:
            return parse(body, held.media_type, limit=self._limit, block_schema1=target.refuses_schema1)

        return await HASHING.run(read) if len(body) > ON_THE_LOOP else read()

    async def _leave(self, granted: Granted, source: Image, top: Manifest) -> None:
        async def work(tx: Tx) -> None:
            await self._placing.lock(tx, source)
            now = await manifest_by_reference(tx, source.repository.id, source.name, top.reference)
            if now is not None and now.blob_id == top.blob_id:  # else another was pushed meanwhile, which stays
                await self._placing.untag(tx, granted, source, now)

        await self._database.transact(work)

    @contextlib.asynccontextmanager
    async def _room_for(self, wish: Wish, held: Manifest, tag: str, digest: Digest) -> AsyncIterator[None]:
        """Count what is new in the target's project, unless it fails to come."""
        repository = wish.target.repository
        project = repository.project
        stays = wish.moving and wish.source.repository.project == project
        size = await self._new(wish, held, tag, digest) if project and not stays else 0
        await self._room(repository, size)
        try:
            yield
        except BaseException:
            await self._room(repository, -size)
            raise

    async def _new(self, wish: Wish, held: Manifest, tag: str, digest: Digest) -> int:
        """Return how many bytes the files of a manifest have that are not in the target's folder for it."""
        target = wish.target
        if not tag and await manifests_by_digest(self._database, target.repository.id, target.name, digest):
            return 0
        row = await self._database.row(
            _NEW,
            repo_id=wish.source.repository.id,
            folder=folder_of(wish.source.name, held.reference),
            target_id=target.repository.id,
            target=folder_of(target.name, tag or digest_folder(digest)),
        )
        return int(row[0]) if row else 0


def _judge(granted: Granted, wish: Wish, tag: str) -> None:
    key = wish.source.repository.key
    if not _may(granted, Action.READ, wish.source, tag):
        raise Denied(f"The user '{granted.caller.name}' is not permitted to read '{key}:{wish.source.name}/{tag}'.")
    if wish.moving:
        refuse_immutable(wish.source, tag)
        if not granted.may_by_right(Action.DELETE, wish.source.repository, manifest_path(wish.source.name, tag)):
            raise Denied(
                f"The user '{granted.caller.name}' is not permitted to delete '{key}:{wish.source.name}/{tag}'."
            )
    may_place(granted, wish.target, wish.target_tag or tag)


def _may(granted: Granted, action: Action, image: Image, tag: str) -> bool:
    return granted.may(action, image.repository, manifest_path(image.name, tag))


def is_one(source: Image, target: Image) -> bool:
    """Whether the source and the target are one image."""
    return (source.repository.id, source.name) == (target.repository.id, target.name)


async def _let_others(number: int) -> None:
    if number % _AT_ONCE == _AT_ONCE - 1:
        await asyncio.sleep(0)


async def _properties(reads: Reads, image: Image, held: Manifest) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the properties of a manifest's files, by their names; none when its reference is another's by now."""
    found: dict[str, dict[str, list[str]]] = {}
    rows = await reads.rows(
        _PROPERTIES,
        repo_id=image.repository.id,
        image=image.name,
        reference=held.reference,
        blob_id=held.blob_id,
        folder=folder_of(image.name, held.reference),
    )
    for name, key, value in rows:
        found.setdefault(name, {}).setdefault(key, []).append(value)
    return found
