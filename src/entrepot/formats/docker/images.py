"""Images within granted repositories, and which of an image's manifests and blobs its caller may see.

Most callers may read an image throughout, and then nothing more is asked. For a caller limited to some tags, each manifest
and blob is judged at the paths at which the image holds it (A8): knowing a digest gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from entrepot.access.actions import Action
from entrepot.errors import NotAllowed
from entrepot.formats.docker.errors import NameUnknown, shown
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.names import split_name
from entrepot.formats.docker.records import Manifest, NamedBlob, holder_paths
from entrepot.messages import Request
from entrepot.metadata.database import Reads
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granted
from entrepot.repositories.repository import Repository

MOST_PATHS = 1000  # paths at which a blob is looked for on behalf of a caller with narrow rights


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a physical repository."""

    repository: Repository
    name: str


def image_name(request: Request) -> str:
    """Return the image's name within its repository."""
    name = unquote(request.words["name"])
    return name if request.words.get("repo") else split_name(name)[1]


def readable_images(request: Request) -> Iterator[Image]:
    """Yield the image in each repository that was granted, in order. Raises NameUnknown when no such repository is."""
    granted: Granted = request.granted
    _known(granted)
    name = image_name(request)
    for repository in granted.physical:
        yield Image(repository, name)


def writable_image(request: Request) -> Image:
    """Return the image that is written to. Raises NameUnknown, NotAllowed where nothing can be pushed."""
    granted: Granted = request.granted
    addressed = _known(granted)
    if not granted.physical:
        raise NotAllowed(f"The virtual repository {addressed.key} has no default deployment repository.")
    repository = granted.physical[0]
    if not repository.is_local:
        raise NotAllowed("Unable to upload to a remote repository.")
    return Image(repository, image_name(request))


def visible_manifest(granted: Granted, image: Image, held: list[Manifest]) -> Manifest | None:
    """Return the first of the references under which the image holds a manifest that the caller may read."""
    if held and granted.throughout(Action.READ, image.repository, image.name):
        return held[0]
    for manifest in held:
        if granted.may(Action.READ, image.repository, manifest_path(image.name, manifest.reference)):
            return manifest
    return None


async def visible_blob(
    reads: Reads, granted: Granted, image: Image, blob: NamedBlob, *, judged: int = MOST_PATHS
) -> bool:
    """Whether the caller may read a blob that the image names: at some path that holds it, or as its own upload.

    `judged` is at how many paths it is looked for.
    """
    if granted.throughout(Action.READ, image.repository, image.name):
        return True
    if blob.expires is not None and blob.created_by == granted.caller.name:
        return True
    paths = await holder_paths(reads, image.repository.id, image.name, blob.blob_id, limit=judged)
    return any(granted.may(Action.READ, image.repository, path) for path in paths)


def _known(granted: Granted) -> Repository:
    if granted.addressed is None or granted.addressed.package_type not in DOCKER:
        raise NameUnknown(granted.key, f"there is no Docker repository {shown(granted.key)}")
    return granted.addressed
