"""Images within granted repositories, and which of an image's manifests and blobs its caller may see.

Most callers may read an image throughout, and then nothing more is asked. For a caller limited to some tags, each manifest
and blob is judged at the paths at which the image holds it (A8): knowing a digest gives nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.errors import NotAllowed
from entrepot.formats.docker.errors import NameUnknown, RejectedByPatterns, RemoteRepository, shown
from entrepot.formats.docker.image_blobs import NamedBlob, holder_paths, named_blob
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.manifest_rows import Manifest, manifest_by_reference, manifests_by_digest, references
from entrepot.formats.docker.names import split_name
from entrepot.messages import Request
from entrepot.metadata.database import Reads
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granted, not_permitted
from entrepot.repositories.repository import Repository

_HELD = 100  # references of one digest that are read with it for a caller with narrow rights
_JUDGED_AT_ONCE = 1000  # references or paths, before others have their turn


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a physical repository."""

    repository: Repository
    name: str

    @property
    def refuses_schema1(self) -> bool:
        """Whether manifests of the old schema are refused."""
        return self.repository.config.get("blockPushingSchema1", True) is not False


def image_name(request: Request) -> str:
    """Return the image's name within its repository."""
    name = request.words["name"]
    return name if request.words.get("repo") else split_name(name)[1]


def readable_images(request: Request) -> Iterator[Image]:
    """Yield the image in each repository that was granted, in order. Raises NameUnknown when no such repository is."""
    granted: Granted = request.granted
    _known(granted)
    name = image_name(request)
    for repository in granted.physical:
        yield Image(repository, name)


def writable_image(request: Request, doing: str) -> Image:
    """Return the image that is written to. Raises NameUnknown, NotAllowed and RemoteRepository where nothing can be pushed.

    `doing` says what the request is about to do, for the latter.
    """
    granted: Granted = request.granted
    addressed = _known(granted)
    if not granted.physical:
        raise NotAllowed(f"The virtual repository {addressed.key} has no default deployment repository.")
    repository = granted.physical[0]
    if not repository.is_local:
        raise RemoteRepository(doing=doing)
    return Image(repository, image_name(request))


def may_place(granted: Granted, image: Image, reference: str) -> None:
    """Raise RejectedByPatterns or Denied unless the caller may place a manifest under a tag or digest."""
    path = manifest_path(image.name, reference)
    if granted.may(Action.DEPLOY, image.repository, path):
        return
    if granted.may_by_right(Action.DEPLOY, image.repository, path):
        raise RejectedByPatterns(key=image.repository.key, path=path, detail={"tag": reference})
    raise not_permitted(granted.caller, Action.DEPLOY, image.repository.key, path, detail={"tag": reference})


async def readable_manifest(
    reads: Reads, granted: Granted, image: Image, digest: Digest, *, in_transaction: bool = False
) -> Manifest | None:
    """Return a reference under which the image holds a manifest and the caller may read it; all are looked through."""
    repo_id, whole = image.repository.id, granted.throughout(Action.READ, image.repository, image.name)
    held = await manifests_by_digest(reads, repo_id, image.name, digest, limit=1 if whole else _HELD)
    for manifest in held:
        if whole or granted.may(Action.READ, image.repository, manifest_path(image.name, manifest.reference)):
            return manifest
    after, more = "", len(held) == _HELD
    while more and (
        page := await references(reads, repo_id, image.name, held[0].blob_id, after=after, limit=_JUDGED_AT_ONCE)
    ):
        for reference in page:
            if granted.may(Action.READ, image.repository, manifest_path(image.name, reference)):
                return await manifest_by_reference(reads, repo_id, image.name, reference)
        after = page[-1]
        await _let_others(in_transaction)
    return None


def claimant(granted: Granted, image: Image) -> str:
    """Return whose uploads and mounts are looked for beside the paths: the caller's, or nobody's if it may read all."""
    return "" if granted.throughout(Action.READ, image.repository, image.name) else granted.caller.name


async def readable_blob(
    reads: Reads,
    granted: Granted,
    image: Image,
    digest: Digest,
    *,
    now: int = 0,
    judged: int | None = None,
    in_transaction: bool = False,
) -> NamedBlob | None:
    """Return a blob that the image names and the caller may read: as its own upload, or at some path that holds it.

    `now` passes over uploads that are over, else they count until they are collected. `judged` is at how many paths it
    is looked for; None: at all.
    """
    whose = claimant(granted, image)
    blob = await named_blob(reads, image.repository.id, image.name, digest, claimant=whose)
    if blob is None or not whose or (blob.claimed is not None and blob.claimed > now):
        return blob
    held = await _held_readably(reads, granted, image, blob, judged=judged, in_transaction=in_transaction)
    return replace(blob, claimed=None) if held else None


async def _held_readably(
    reads: Reads, granted: Granted, image: Image, blob: NamedBlob, *, judged: int | None, in_transaction: bool
) -> bool:
    after, limit = "", judged or _JUDGED_AT_ONCE
    while paths := await holder_paths(reads, image.repository.id, image.name, blob.blob_id, after=after, limit=limit):
        if any(granted.may(Action.READ, image.repository, path) for path in paths):
            return True
        if judged is not None or len(paths) < limit:
            return False
        after = paths[-1]
        await _let_others(in_transaction)
    return False


async def _let_others(in_transaction: bool) -> None:
    if not in_transaction:  # whose body awaits nothing but its statements
        await asyncio.sleep(0)


def _known(granted: Granted) -> Repository:
    if granted.addressed is None or granted.addressed.package_type not in DOCKER:
        raise NameUnknown(granted.key, f"there is no Docker repository {shown(granted.key)}")
    return granted.addressed
